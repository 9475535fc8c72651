from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("triggers", "0006_fence_of_events"),
        ("accounts", "0006_fence_of_keys"),
        ("credentials", "0002_fence"),
        ("workflows", "0006_fence_of_belongings"),
    ]
    operations = [
        migrations.RunSQL(
            (SQL / "webhooks_find_v1.sql").read_text(encoding="utf-8"),
            """
            drop function webhook_open_v1(text);
            drop function webhook_listening_v1(text);
            drop function usable_credential_v1(uuid, uuid, uuid);
            """,
        )
    ]
