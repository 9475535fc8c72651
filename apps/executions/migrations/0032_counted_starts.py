"""Children and starts from SQL count for quotas."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("executions", "0031_depth"), ("quotas", "0003_starts")]
    operations = [migrations.RunSQL((SQL / "counted_v1.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop)]
