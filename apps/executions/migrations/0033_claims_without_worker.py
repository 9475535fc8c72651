"""Claims that a person or a sweeper holds name no worker, and a person's decision that is never settled falls back to uncertain."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("executions", "0032_counted_starts")]
    operations = [migrations.RunSQL((SQL / "claims_v1.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop)]
