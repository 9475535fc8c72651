"""Who sees what the two vocabularies keep."""

from django.db import migrations

from apps.core import rls

# Whoever reaches a template sees which steps it places, and those of an execution what was said about it.
OF_TEMPLATES = "exists (select from template_step t where t.step_id = {table}.id)"


class Migration(migrations.Migration):
    dependencies = [
        ("dialects", "0001_dialects"),
        ("accounts", "0006_fence_of_keys"),
        ("workflows", "0006_fence_of_belongings"),
    ]
    operations = [
        rls.enable("service", rls.OF_WORKSPACE),
        rls.enable("step", rls.OF_WORKSPACE),
        rls.enable("process_definition", rls.below("workflow")),
        rls.enable("step_template", rls.below("workflow")),
        rls.enable("template_step", rls.below("step_template", "template_id")),
        rls.enable("execution_remark", rls.below("execution")),
        rls.allow_reading("step", "fence_of_templates", OF_TEMPLATES),
    ]
