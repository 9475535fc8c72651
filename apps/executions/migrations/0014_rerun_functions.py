from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"
RERUN = "rerun_v1(uuid, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, interval)"


class Migration(migrations.Migration):
    dependencies = [("executions", "0013_reruns")]
    operations = [rls.functions(SQL / "rerun_v1.sql", RERUN)]
