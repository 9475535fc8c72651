from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in  # noqa: PLC0415  # models are there only now

        from apps.accounts.sessions import note_login  # noqa: PLC0415

        user_logged_in.connect(note_login)
