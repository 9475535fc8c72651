from django.db import migrations

from apps.core import rls


class Migration(migrations.Migration):
    dependencies = [("templates", "0001_initial"), ("accounts", "0005_fence")]
    operations = [
        # Everybody uses and rates what is offered to everybody, and so counts on its row.
        rls.enable("workflow_template", rls.OF_WORKSPACE, "{table}.workspace_id is null", "{table}.visibility = 'public'"),
        rls.enable("workflow_template_share", rls.below("workflow_template", "template_id"), rls.of_team(), f"{{table}}.user_id = {rls.CALLER}"),
        rls.enable("workflow_template_rating", rls.below("workflow_template", "template_id")),
        rls.enable("node_template", rls.OF_WORKSPACE),
    ]
