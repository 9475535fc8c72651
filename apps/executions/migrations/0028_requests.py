"""What callers ask for along with a start: callbacks, and idempotency keys."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_fence_of_keys'),
        ('executions', '0027_sweeps_by_index'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Callback',
            fields=[
                ('execution', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='callback', serialize=False, to='executions.execution')),
                ('url', models.CharField(max_length=2000)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
            ],
            options={
                'db_table': 'execution_callback',
            },
        ),
        migrations.CreateModel(
            name='IdempotentRequest',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=255)),
                ('fingerprint', models.CharField(help_text='Hash of method, address and body: what the key was sent with.', max_length=64)),
                ('answer', models.TextField(help_text='The body, as it was sent. Empty only within the transaction that makes it.', null=True)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
            ],
            options={
                'db_table': 'idempotent_request',
                'constraints': [models.UniqueConstraint(fields=('user', 'workspace', 'key'), name='idempotent_request_once')],
            },
        ),
        rls.functions(SQL / "callbacks_v1.sql", "callback_is_due_v1()"),
        rls.enable("execution_callback", rls.OF_WORKSPACE, rls.below("execution")),
        rls.enable("idempotent_request", f"{{table}}.user_id = {rls.CALLER}"),
    ]
