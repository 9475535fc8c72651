"""Listeners follow what is published, this installation tells of itself, and who sees it."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"
FUNCTIONS = (
    "event_listeners_follow_v1()",
    "event_listeners_move_v1()",
    "note_event_v1(uuid, text, text, text, uuid, jsonb)",
    "note_execution_finished_v1()",
    "note_node_failed_v1()",
    "note_task_created_v1()",
)


class Migration(migrations.Migration):
    dependencies = [
        ("triggers", "0005_events"),
        ("accounts", "0006_fence_of_keys"),
        ("executions", "0024_breakpoints"),
        ("tasks", "0001_initial"),
        ("workflows", "0006_fence_of_belongings"),
    ]
    operations = [
        rls.functions(SQL / "workspace_events_v1.sql", *FUNCTIONS),
        rls.enable("event_listener", rls.OF_WORKSPACE, rls.of_workflow()),
        rls.enable("event", rls.OF_WORKSPACE),
    ]
