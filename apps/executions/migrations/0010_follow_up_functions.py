"""The end of an execution is noted where something follows from it."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("executions", "0009_follow_ups")]
    operations = [
        rls.functions(SQL / "follow_up_v1.sql", "execution_has_ended_v1()"),
        rls.enable("execution_ending", rls.OF_WORKSPACE, rls.below("execution")),
        rls.enable("execution_follow_up", rls.OF_WORKSPACE, rls.below("execution", "origin_id")),
    ]
