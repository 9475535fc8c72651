"""Which rows of these tables the role of the web process reaches: those of the caller's workspaces, and what was shared."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_fence"), ("workflows", "0004_organising")]
    operations = [
        rls.functions(SQL / "fence_v1.sql", "fence_workflows()", "fence_folders()", "fence_hosts()"),
        rls.enable("folder", rls.OF_WORKSPACE, "{table}.ancestors && (select fence_folders())"),
        rls.enable("workflow", rls.OF_WORKSPACE, rls.of_workflow("id")),
        rls.enable("workflow_version", rls.OF_WORKSPACE, rls.of_workflow()),
        # Who holds a workflow as its owner shares it further. To be named by a share is no right to make one.
        rls.enable("workflow_grant", rls.OF_WORKSPACE, rls.of_workflow(), rls.below("folder")),
        rls.allow_reading("workflow_grant", "fence_of_guests", f"{{table}}.user_id = {rls.CALLER}", rls.of_team()),
        rls.allow_reading("workspace", "fence_of_guests", "{table}.id = any ((select fence_hosts())::uuid[])"),
    ]
