from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("executions", "0020_unserved")]
    operations = [
        migrations.AddIndex(
            model_name="noderun",
            index=models.Index(
                models.F("queue"),
                models.F("sends"),
                models.F("workspace"),
                models.F("id"),
                condition=models.Q(("sends__lt", 0), ("status", "queued")),
                name="node_run_unsent",
            ),
        ),
        migrations.AlterField(
            model_name="noderun",
            name="sends",
            field=models.IntegerField(default=0, help_text="Times that it was sent again; below zero: it waits for its first message."),
        ),
        migrations.RunSQL((SQL / "feed_v1.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop),
    ]
