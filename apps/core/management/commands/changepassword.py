"""Django's command, with an entry in the audit log. It is here because Django takes commands of the app that is listed first."""

import getpass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from apps.core.audit import Verb, acting, record


class Command(changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        name = options["username"] = options["username"] or getpass.getuser()
        with acting(via="shell"), transaction.atomic(using=options["database"]):
            said: str | None = super().handle(*args, **options)
            user = get_user_model()._default_manager.get_by_natural_key(name)
            record(Verb.USER_PASSWORD_CHANGED, user, personal_of=user.pk)
        return said
