"""Which rows of these tables the role of the web process reaches, and the start that it may call."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"
START = "start_v2(uuid, uuid, uuid, jsonb, jsonb, text, text, uuid, double precision, interval)"


class Migration(migrations.Migration):
    dependencies = [("executions", "0004_links"), ("workflows", "0005_fence")]
    operations = [
        rls.functions(SQL / "start_v2.sql", START),
        rls.enable("execution", rls.OF_WORKSPACE, rls.of_workflow()),
        rls.enable("node_run", rls.OF_WORKSPACE, rls.below("execution")),
        rls.enable("gate", rls.OF_WORKSPACE, rls.below("execution")),
        rls.enable("execution_event", rls.OF_WORKSPACE, rls.below("execution")),
    ]
