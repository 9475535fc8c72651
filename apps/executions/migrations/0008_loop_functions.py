"""The SQL of loops and children, and which rows of their tables the role of the web process reaches."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"
FILES = ("loops_v1", "children_v1", "settle_v2")


def _read(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    dependencies = [("executions", "0007_loops")]
    operations = [
        *(migrations.RunSQL(_read(name), migrations.RunSQL.noop) for name in FILES),
        migrations.RunSQL("alter table loop_run set (fillfactor = 70)", migrations.RunSQL.noop),
        rls.enable("loop_run", rls.OF_WORKSPACE, rls.below("execution")),
        rls.enable("iteration", rls.OF_WORKSPACE, rls.below("execution")),
    ]
