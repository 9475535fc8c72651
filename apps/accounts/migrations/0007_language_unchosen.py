from django.db import migrations, models


def not_chosen(apps, schema_editor):
    """Everybody began with English: nothing tells those who chose it from those who never looked. It stays English where that is the default."""
    apps.get_model("accounts", "User").objects.filter(language="en").update(language="")


def english(apps, schema_editor):
    apps.get_model("accounts", "User").objects.filter(language="").update(language="en")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_fence_of_keys")]
    operations = [
        migrations.AlterField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                choices=[("en", "English"), ("zh", "中文")],
                default="",
                help_text="Of mails and pages; empty: the browser's for pages, the installation's for mails.",
                max_length=8,
            ),
        ),
        migrations.RunPython(not_chosen, english),
    ]
