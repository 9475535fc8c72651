"""Events that wake waiting node runs, and the index by which they find them."""

from pathlib import Path

import apps.core.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"

class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_fence_of_keys'),
        ('executions', '0021_feeding'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReceivedEvent',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('event', models.CharField(max_length=128)),
                ('waits_for', models.CharField(help_text='What node runs wait for that it wakes.', max_length=400)),
                ('payload', models.JSONField(blank=True, null=True)),
                ('idempotency_key', models.CharField(blank=True, max_length=400, null=True)),
                ('created_at', models.DateTimeField()),
                ('keep_until', models.DateTimeField(blank=True, help_text='Until then it waits for somebody to wake; empty: it does not.', null=True)),
                ('woken', models.IntegerField(default=0, help_text='Node runs that it woke.')),
                ('delivered_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'db_table': 'received_event',
            },
        ),
        migrations.AlterField(
            model_name='noderun',
            name='waits_for',
            field=models.CharField(blank=True, help_text='Name of the signal that wakes it.', max_length=400, null=True),
        ),
        migrations.AddIndex(
            model_name='noderun',
            index=models.Index(condition=models.Q(('status', 'waiting'), ('waits_for__isnull', False)), fields=['workspace', 'waits_for'], name='node_run_waits_for'),
        ),
        migrations.AddField(
            model_name='receivedevent',
            name='sent_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='receivedevent',
            name='workspace',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace'),
        ),
        migrations.AddIndex(
            model_name='receivedevent',
            index=models.Index(fields=['workspace', '-created_at', '-id'], name='received_event_newest'),
        ),
        migrations.AddIndex(
            model_name='receivedevent',
            index=models.Index(models.F('workspace'), models.F('created_at'), condition=models.Q(('delivered_at__isnull', True)), name='received_event_undelivered'),
        ),
        migrations.AddIndex(
            model_name='receivedevent',
            index=models.Index(fields=['created_at'], name='received_event_age'),
        ),
        migrations.AddConstraint(
            model_name='receivedevent',
            constraint=models.UniqueConstraint(condition=models.Q(('idempotency_key__isnull', False)), fields=('workspace', 'idempotency_key'), name='received_event_idempotency_key_unique'),
        ),
        rls.functions(SQL / "events_v1.sql"),
        rls.enable("received_event", rls.OF_WORKSPACE),
    ]
