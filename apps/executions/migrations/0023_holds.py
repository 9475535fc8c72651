"""Holds, and the node runs that they keep back."""

from pathlib import Path

import apps.core.ids
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"

class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_fence_of_keys'),
        ('executions', '0022_waiting'),
        ('workflows', '0006_fence_of_belongings'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('node_key', models.CharField(blank=True, default='', help_text='Empty: every node.', max_length=64)),
                ('reason', models.CharField(max_length=500)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('until', models.DateTimeField(blank=True, help_text='When it ends by itself; empty: not before somebody releases it.', null=True)),
                ('released_at', models.DateTimeField(blank=True, null=True)),
                ('is_done', models.BooleanField(default=False, help_text='Released, and all that it had kept back was sent.')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('released_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('workflow', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='holds', to='workflows.workflow')),
                ('workspace', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
            ],
            options={
                'db_table': 'hold',
            },
        ),
        migrations.AddField(
            model_name='noderun',
            name='held_by',
            field=models.ForeignKey(db_constraint=False, db_index=False, help_text='Hold that put it aside.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='executions.hold'),
        ),
        migrations.AddIndex(
            model_name='noderun',
            index=models.Index(models.F('held_by'), condition=models.Q(('held_by__isnull', False), ('status', 'queued')), name='node_run_held'),
        ),
        migrations.AddIndex(
            model_name='hold',
            index=models.Index(models.F('workspace'), condition=models.Q(('released_at__isnull', True)), name='hold_in_force'),
        ),
        migrations.AddIndex(
            model_name='hold',
            index=models.Index(models.F('released_at'), condition=models.Q(('is_done', False), ('released_at__isnull', False)), name='hold_released'),
        ),
        migrations.AddIndex(
            model_name='hold',
            index=models.Index(fields=['-created_at', '-id'], name='hold_newest'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('node_key', ''), ('workflow__isnull', False), _connector='OR'), models.Q(('workflow__isnull', True), ('workspace__isnull', False), _connector='OR')), name='hold_names_its_place'),
        ),
        rls.functions(SQL / "holds_v1.sql"),
        rls.enable("hold", rls.OF_WORKSPACE, rls.of_workflow()),
        # Whose executions stand still may know why.
        rls.allow_reading("hold", "fence_of_all", "{table}.workspace_id is null"),
    ]
