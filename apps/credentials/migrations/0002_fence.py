"""Which credentials the role of the web process reaches: those of the caller's workspaces, and what was shared."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("credentials", "0001_initial"), ("accounts", "0006_fence_of_keys")]
    operations = [
        rls.functions(SQL / "fence_v1.sql", "fence_credentials()"),
        rls.enable("credential", rls.OF_WORKSPACE, "{table}.id = any ((select fence_credentials())::uuid[])"),
        rls.enable("credential_grant", rls.below("credential")),
    ]
