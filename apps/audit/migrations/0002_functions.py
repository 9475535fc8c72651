"""The SQL functions of the audit log. A file never changes once it is released: a new behaviour is a new function with a new number."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial"), ("accounts", "0001_initial")]
    operations = [migrations.RunSQL((SQL / "audit_v1.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop)]
