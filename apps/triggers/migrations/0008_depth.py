"""An event of this installation is one deeper than its execution, however that was started."""

from pathlib import Path

from django.db import migrations, models

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("triggers", "0007_find_webhooks"), ("executions", "0031_depth")]
    operations = [
        migrations.AlterField(
            model_name="event",
            name="depth",
            field=models.IntegerField(db_default=0, default=0, help_text="Executions that led to it."),
        ),
        rls.functions(SQL / "workspace_events_v2.sql", "note_event_v1(uuid, text, text, text, uuid, jsonb)"),
    ]
