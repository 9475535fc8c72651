from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("executions", "0026_stranded")]
    operations = [migrations.RunSQL((SQL / "sweep_v2.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop)]
