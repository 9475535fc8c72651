"""What starts from SQL, children and what is owed need of the counting."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("quotas", "0002_functions")]
    operations = [
        rls.functions(
            SQL / "quotas_v2.sql",
            "quota_limits_v1(uuid, uuid)",
            "quota_take_v1(jsonb, bigint)",
            "quota_count_v1(jsonb, bigint)",
        ),
    ]
