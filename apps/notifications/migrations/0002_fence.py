from django.db import migrations

from apps.core import rls


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial"), ("executions", "0010_follow_up_functions")]
    operations = [
        rls.enable("notification_delivery", rls.OF_WORKSPACE, rls.below("execution")),
        rls.enable("signing_key", rls.OF_WORKSPACE),
    ]
