"""Test runs that stop before nodes."""

from pathlib import Path

from django.db import migrations, models

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"

class Migration(migrations.Migration):

    dependencies = [
        ('executions', '0023_holds'),
    ]

    operations = [
        migrations.AddField(
            model_name='execution',
            name='breakpoints',
            field=models.JSONField(blank=True, help_text='Of a test run: {"nodes": {key: condition or null}, "is_stepping": bool}; empty for every other.', null=True),
        ),
        migrations.AlterField(
            model_name='execution',
            name='trigger',
            field=models.CharField(help_text='What started it: api, shell, workflow, error, retry and so on.', max_length=32),
        ),
        rls.functions(SQL / "breakpoints_v1.sql"),
    ]
