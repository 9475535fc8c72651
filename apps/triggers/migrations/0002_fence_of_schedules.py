"""Who sees schedules, and what becomes of them when their workflow moves to another workspace."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"
# Whoever reaches a schedule sees which days it leaves out.
OF_SCHEDULES = "exists (select from schedule_on_calendar c where c.schedulecalendar_id = {table}.id)"


class Migration(migrations.Migration):
    dependencies = [
        ("triggers", "0001_schedules"),
        ("accounts", "0006_fence_of_keys"),
        ("workflows", "0006_fence_of_belongings"),
    ]
    operations = [
        rls.functions(SQL / "schedules_v1.sql", "schedules_move_v1()"),
        rls.enable("schedule_calendar", rls.OF_WORKSPACE),
        rls.enable("schedule", rls.OF_WORKSPACE, rls.of_workflow()),
        rls.enable("schedule_on_calendar", rls.below("schedule")),
        rls.enable("schedule_run", rls.OF_WORKSPACE, rls.below("schedule")),
        rls.enable("schedule_alert", rls.OF_WORKSPACE, rls.of_workflow()),
        rls.allow_reading("schedule_calendar", "fence_of_schedules", OF_SCHEDULES),
    ]
