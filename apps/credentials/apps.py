from django.apps import AppConfig

from apps.credentials.keys import key_ring


class CredentialsConfig(AppConfig):
    name = "apps.credentials"
    label = "credentials"

    def ready(self) -> None:
        from apps.accounts.tenancy import hooks  # noqa: PLC0415  # models are there only now
        from apps.credentials import tenancy  # noqa: PLC0415

        key_ring()  # a mistake in it ends the start, and not the first node that needs a secret
        hooks.count_as_content("credentials", tenancy.count_credentials)
        hooks.when_somebody_leaves(tenancy.take_back_grants)
