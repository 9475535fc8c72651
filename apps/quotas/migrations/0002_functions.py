"""The SQL functions that count, and who sees limits and counts. A file never changes once it is released: a new behaviour is a new function
with a new number.
"""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("quotas", "0001_initial"),
        ("accounts", "0006_fence_of_keys"),
        ("workflows", "0001_initial"),
        ("executions", "0001_initial"),
    ]
    operations = [
        rls.functions(
            SQL / "quotas_v1.sql",
            "quota_used_v1(text, text, uuid, uuid)",
            "quota_check_v1(jsonb, uuid, bigint)",
            "quota_take_v1(jsonb, bigint)",
        ),
        rls.enable("quota", rls.OF_WORKSPACE, f"{{table}}.user_id = {rls.CALLER}"),
        rls.enable("quota_day", "{table}.owner = any ((select fence_workspaces())::uuid[])", f"{{table}}.owner = {rls.CALLER}"),
        rls.enable("storage_use", rls.OF_WORKSPACE),
    ]
