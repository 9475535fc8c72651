from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("executions", "0011_workflow_variables")]
    operations = [
        rls.functions(SQL / "settle_keeping_v1.sql"),
        rls.enable("workflow_variable", rls.OF_WORKSPACE, rls.of_workflow()),
    ]
