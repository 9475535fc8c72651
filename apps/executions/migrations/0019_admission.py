"""Standing in line: the start that may have to wait, the one function that lets in, and which limits the web role reaches."""

from pathlib import Path

from django.db import migrations

from apps.core import rls

SQL = Path(__file__).resolve().parent.parent / "sql"
START = "start_in_line_v1(uuid, uuid, uuid, jsonb, jsonb, text, text, uuid, double precision, interval, int)"
LIMITS = "limits_on_v1(uuid, uuid, jsonb, double precision)"
WAITING = "waiting_v1(uuid[], int)"


class Migration(migrations.Migration):
    dependencies = [("executions", "0018_limits"), ("workflows", "0006_fence_of_belongings")]
    operations = [
        rls.functions(SQL / "admission_v1.sql", START, LIMITS, WAITING, "max_seconds_v1(uuid)"),
        rls.enable("execution_limit", rls.OF_WORKSPACE),
    ]
