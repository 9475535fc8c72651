from django.apps import AppConfig


class DialectsConfig(AppConfig):
    name = "apps.dialects"
    label = "dialects"

    def ready(self) -> None:
        # Node types register on import, in every process that has this app.
        import apps.dialects.services.node  # noqa: F401, PLC0415
        from apps.credentials.usage import register_finder  # noqa: PLC0415
        from apps.dialects.services.reading import uses_by_services  # noqa: PLC0415

        register_finder(uses_by_services)
