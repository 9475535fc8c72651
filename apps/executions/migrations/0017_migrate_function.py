from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("executions", "0016_bulk_reruns")]
    operations = [migrations.RunSQL((SQL / "migrate_v1.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop)]
