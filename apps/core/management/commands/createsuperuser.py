"""Django's command, with an entry in the audit log. It is here because Django takes commands of the app that is listed first."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from apps.core.audit import acting


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        with acting(via="shell"):
            super().handle(*args, **options)
        return None
