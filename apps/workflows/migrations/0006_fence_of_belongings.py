from django.db import migrations

from apps.core import rls


class Migration(migrations.Migration):
    dependencies = [("workflows", "0005_fence")]
    operations = [
        rls.enable("workflow_tag", rls.below("workflow")),
        rls.enable("tag", rls.OF_WORKSPACE),
        # Those of a workflow that was shared are seen with it.
        rls.allow_reading("tag", "fence_of_guests", "exists (select from workflow_tag t where t.tag_id = {table}.id)"),
        rls.enable("workflow_favourite", rls.below("workflow")),
        rls.enable("share_link", rls.OF_WORKSPACE, rls.of_workflow()),
        rls.enable("workflow_node", rls.below("workflow_version", "version_id")),
        rls.enable("workflow_edge", rls.below("workflow_version", "version_id")),
        rls.enable("workflow_draft", rls.OF_WORKSPACE, rls.of_workflow()),
        rls.enable("version_retention", rls.OF_WORKSPACE),
    ]
