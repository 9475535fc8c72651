"""Who acts at the moment, from where, and by which way."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from allauth.core.internal.httpkit import get_client_ip
from django.http import HttpRequest, HttpResponse

REQUEST_ID_HEADER = "X-Request-Id"
MAX_USER_AGENT = 256
MAX_ACTOR_NAME = 150
_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Scene:
    """The circumstances of a change.

    actor        the person, or None: nobody is known, or the system acts by itself
    via          api, admin, shell, api_key, link or system
    request_id   the same in all entries of one request; "" where there is none
    """

    actor: Any = None
    via: str = "system"
    ip: str | None = None
    user_agent: str = ""
    request_id: str = ""


_scene: ContextVar["Scene | HttpRequest"] = ContextVar("scene", default=Scene())  # noqa: B039  # it is frozen


def current() -> Scene:
    """The scene now. A request is read only here, when something is recorded: by then it is known who sends it."""
    scene = _scene.get()
    return scene if isinstance(scene, Scene) else _of_request(scene)


@contextmanager
def acting(*, actor: Any = None, via: str) -> Iterator[None]:
    """What happens inside is done by this person, or by nobody in particular, in this way: a command, a share link."""
    now = current()
    token = _scene.set(Scene(actor or now.actor, via, now.ip, now.user_agent, now.request_id))
    try:
        yield
    finally:
        _scene.reset(token)


class AuditMiddleware:
    """Keeps the request in mind while it is answered. An answer to one with an id carries that id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _scene.set(request)
        try:
            response = self._get_response(request)
        finally:
            _scene.reset(token)
        if (request_id := request.META.get(REQUEST_ID_KEY)) and _REQUEST_ID.fullmatch(request_id):
            response.headers[REQUEST_ID_HEADER] = request_id
        return response


REQUEST_ID_KEY = "HTTP_X_REQUEST_ID"


def _of_request(request: HttpRequest) -> Scene:
    user = getattr(request, "user", None)
    return Scene(
        actor=user if user is not None and user.is_authenticated else None,
        via=_via(request),
        ip=get_client_ip(request),
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:MAX_USER_AGENT],
        request_id=_request_id(request),
    )


def _via(request: HttpRequest) -> str:
    """A credential may name its way itself, as `auth.via`."""
    named: str | None = getattr(getattr(request, "auth", None), "via", None)
    return named or ("admin" if request.path_info.startswith("/admin/") else "api")


def _request_id(request: HttpRequest) -> str:
    """The caller's own id where it is a plain one, else a new one, which the rest of the request keeps."""
    given: str = request.META.get(REQUEST_ID_KEY, "")
    if not _REQUEST_ID.fullmatch(given):
        given = request.META[REQUEST_ID_KEY] = uuid4().hex
    return given
