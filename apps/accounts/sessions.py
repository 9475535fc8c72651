"""Where sessions are kept: settings.SESSION_ENGINE. Each row says whose it is, so that a person's can be listed and ended.

A session is what a log-in opens and a log-out ends, for a browser's cookie and for access tokens alike.
"""

from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.http import HttpRequest
from django.utils import timezone

from apps.core.ids import uuid7

LOGIN = "login"
"""Key of what is noted at log-in: {"id": str, "at": ISO 8601, "address": str, "user_agent": str}."""
_USER_AGENT_CHARACTERS = 200

PRUNE = """
    delete from login_session where session_key in (select session_key from login_session where expire_date < now() limit %(limit)s)
    returning 1
"""
"""Delete what has expired, `limit` rows at most."""


class SessionStore(DatabaseSessionStore):
    """Django's own store, in our table, whose columns say whose a session is and which."""

    @classmethod
    def get_model_class(cls) -> Any:
        from apps.accounts.models import LoginSession  # noqa: PLC0415  # the model names this class, as Django's does

        return LoginSession

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        return _signed(super().create_model_instance(data), data)

    async def acreate_model_instance(self, data: dict[str, Any]) -> Any:
        return _signed(await super().acreate_model_instance(data), data)


def _signed(row: Any, data: dict[str, Any]) -> Any:
    """The row of a session, with what its columns say of the data."""
    row.user_id = data.get(SESSION_KEY)
    row.login_id = data.get(LOGIN, {}).get("id")
    return row


def note_login(request: HttpRequest, **_: Any) -> None:
    """Receiver of Django's `user_logged_in`, which every way to log in sends: note when, from where and with what it was."""
    request.session[LOGIN] = {
        "id": str(uuid7()),
        "at": timezone.now().isoformat(),
        "address": get_adapter().get_client_ip(request) if request.META.get("REMOTE_ADDR") else "",
        "user_agent": request.headers.get("User-Agent", "")[:_USER_AGENT_CHARACTERS],
    }
