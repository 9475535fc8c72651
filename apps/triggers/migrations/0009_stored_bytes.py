"""What webhooks and events brought counts among the stored bytes of a workspace. Here, since the quotas know nothing of triggers."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("triggers", "0008_depth"), ("quotas", "0002_functions")]
    operations = [migrations.RunSQL((SQL / "stored_bytes_v2.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop)]
