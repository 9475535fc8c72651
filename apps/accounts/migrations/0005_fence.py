"""The second fence: the role of the web process, and which rows of these tables it reaches."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_invitation")]
    operations = [
        rls.create_role(),
        rls.functions(SQL / "fence_v1.sql", "fence_user()", "fence_workspaces()", "fence_teams()"),
        rls.enable("workspace", "{table}.id = any ((select fence_workspaces())::uuid[])"),
        rls.enable("membership", rls.OF_WORKSPACE),
        rls.enable("role", rls.OF_WORKSPACE),
        rls.enable("team", rls.OF_WORKSPACE),
        rls.enable("team_member", rls.below("team")),
        # A team may hold people from outside, who have to find themselves in it.
        rls.allow_reading("team_member", "fence_of_guests", rls.of_team()),
        rls.enable("invitation", rls.OF_WORKSPACE),
    ]
