"""The start keeps one plan.

For its many small statements PostgreSQL prefers a new plan to the one it has, since it cannot guess how many starts a document holds; and
then planning takes as long as all the rest.
"""

from django.db import migrations

START = "start_in_line_v1(uuid, uuid, uuid, jsonb, jsonb, text, text, uuid, double precision, interval, int)"


class Migration(migrations.Migration):
    dependencies = [("executions", "0029_iterations_together")]
    operations = [
        migrations.RunSQL(
            f"alter function {START} set plan_cache_mode = force_generic_plan",
            f"alter function {START} reset plan_cache_mode",
        )
    ]
