"""Tasks that come and go with their node runs, and who reaches them."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"
BELOW = ["human_task_decision", "human_task_comment", "human_task_attachment", "human_task_timer"]


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial")]
    operations = [
        rls.functions(SQL / "tasks_v1.sql"),
        # Also whoever was shared its workflow: to cancel an execution closes its tasks.
        rls.enable("human_task", rls.OF_WORKSPACE, rls.below("execution")),
        rls.enable("human_task_holder", rls.OF_WORKSPACE, rls.below("human_task", "task_id")),
        *(rls.enable(table, rls.OF_WORKSPACE) for table in BELOW),
        rls.enable("absence", rls.OF_WORKSPACE),
    ]
