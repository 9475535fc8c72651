from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0030_start_by_one_plan")]
    operations = [
        migrations.AlterField(
            model_name="execution",
            name="depth",
            field=models.IntegerField(db_default=0, help_text="Executions that led to it, by calls, by events or over HTTP."),
        ),
        migrations.AddField(
            model_name="bulkrerun",
            name="depth",
            field=models.IntegerField(db_default=0, default=0, help_text="Executions that led to it."),
        ),
    ]
