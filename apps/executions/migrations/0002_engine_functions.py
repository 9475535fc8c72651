"""The SQL functions of the engine. A file never changes once it is released: a new behaviour is a new function with a new number."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
FILES = ("guards_v1", "start_v1", "settle_v1", "control_v1", "sweep_v1")


def _read(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    dependencies = [("executions", "0001_initial")]
    operations = [migrations.RunSQL(_read(name), migrations.RunSQL.noop) for name in FILES]
