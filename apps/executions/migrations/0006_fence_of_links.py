from django.db import migrations

from apps.core import rls


class Migration(migrations.Migration):
    dependencies = [("executions", "0005_fence")]
    operations = [
        rls.enable("link_start", rls.below("execution")),
    ]
