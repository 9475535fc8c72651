from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "apps.audit"
    label = "audit"

    def ready(self) -> None:
        from apps.audit import logins  # noqa: PLC0415  # it needs the models

        logins.connect()
