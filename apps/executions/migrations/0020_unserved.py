from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("executions", "0019_admission"), ("fleet", "0001_workers")]
    operations = [migrations.RunSQL((SQL / "unserved_v1.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop)]
