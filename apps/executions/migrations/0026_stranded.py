from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("executions", "0025_rerun_loops")]
    operations = [
        migrations.RunSQL(
            (SQL / "stranded_v2.sql").read_text(encoding="utf-8"),
            "drop function stranded_queues_v2(int, interval); drop function sweep_stranded_v2(text, text, int, interval)",
        )
    ]
