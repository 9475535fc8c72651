"""Logins and logouts: recorded where Django tells of them, so that every way in is, by password or by another."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Q

from apps.accounts.models import User
from apps.core.audit import Verb, record


def connect() -> None:
    user_logged_in.connect(_logged_in, dispatch_uid="audit")
    user_logged_out.connect(_logged_out, dispatch_uid="audit")
    user_login_failed.connect(_failed, dispatch_uid="audit")


def _logged_in(user: User, **_: Any) -> None:
    record(Verb.USER_LOGGED_IN, user, actor=user, personal_of=user.pk)


def _logged_out(user: User | None, **_: Any) -> None:
    if user is not None:
        record(Verb.USER_LOGGED_OUT, user, actor=user, personal_of=user.pk)


def _failed(credentials: dict[str, Any], **_: Any) -> None:
    """Whose name was tried sees it in the log of the personal workspace; the names of nobody are for operators."""
    name = str(credentials.get("username") or credentials.get("email") or "")
    user = User.objects.filter(Q(username=name) | Q(email__iexact=name)).first() if name else None
    record(Verb.USER_LOGIN_FAILED, user, actor_name="", object_type="user", object_name=name, personal_of=user.pk if user else None)
