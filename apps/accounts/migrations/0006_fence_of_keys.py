from django.db import migrations

from apps.core import rls


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_fence")]
    operations = [
        # One's own keys for other workspaces are one's own to see and to revoke.
        rls.enable("api_key", rls.OF_WORKSPACE, f"{{table}}.user_id = {rls.CALLER}"),
    ]
