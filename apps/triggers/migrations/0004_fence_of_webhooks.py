"""Webhooks follow what is published, and who sees them."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("triggers", "0003_webhooks"),
        ("accounts", "0006_fence_of_keys"),
        ("executions", "0019_admission"),
        ("workflows", "0006_fence_of_belongings"),
    ]
    operations = [
        rls.functions(SQL / "webhooks_v1.sql", "webhooks_follow_v1()", "webhooks_move_v1()"),
        rls.enable("webhook", rls.OF_WORKSPACE, rls.of_workflow()),
        rls.enable("webhook_call", rls.OF_WORKSPACE, rls.below("webhook")),
    ]
