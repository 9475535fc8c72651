"""The SQL functions that count. A file never changes once it is released: a new behaviour is a new function with a new number."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("quotas", "0001_initial"),
        ("accounts", "0002_people"),
        ("workflows", "0001_initial"),
        ("executions", "0001_initial"),
    ]
    operations = [migrations.RunSQL((SQL / "quotas_v1.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop)]
