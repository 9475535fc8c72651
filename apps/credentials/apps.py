from django.apps import AppConfig

from apps.credentials.keys import key_ring


class CredentialsConfig(AppConfig):
    name = "apps.credentials"
    label = "credentials"

    def ready(self) -> None:
        key_ring()  # a mistake in it ends the start, and not the first node that needs a secret
