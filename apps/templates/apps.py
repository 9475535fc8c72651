from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TemplatesConfig(AppConfig):
    name = "apps.templates"
    label = "templates"

    def ready(self) -> None:
        from apps.templates.system import enter_system_templates  # noqa: PLC0415  # its models are ready by now

        post_migrate.connect(enter_system_templates, sender=self)
