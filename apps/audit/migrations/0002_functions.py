"""The SQL functions of the audit log, and who reads it. A file never changes once it is released: a new behaviour is a new function with a
new number.
"""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial"), ("accounts", "0006_fence_of_keys")]
    operations = [
        rls.functions(SQL / "audit_v1.sql", "audit_record_v1(jsonb)"),
        rls.enable("audit_entry", rls.OF_WORKSPACE),
        rls.enable("audit_chain", "{table}.key = any ((select fence_workspaces())::uuid[])"),
    ]
