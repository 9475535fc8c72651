"""Being called back at the end of an execution: asked for at its start, kept with it, delivered by `apps.notifications`."""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import TypeVar
from uuid import UUID

import httpx2
from django.conf import settings
from django.db import transaction

from apps.engine.errors import InvalidError
from apps.executions.actions import Started
from apps.executions.models import Callback, Execution
from apps.executions.rerunning import Rerunning
from apps.nodes.addresses import refusal_of, rules_of
from apps.nodes.http_exchange import url_fault

MAX_URL_LENGTH = 2000
MadeT = TypeVar("MadeT", Started, Rerunning)


class InvalidCallbackUrlError(InvalidError):
    """The URL cannot be called; details: {"pointer": str}."""

    code = "invalid_callback_url"


def check_callback_url(url: str) -> None:
    """Raise InvalidCallbackUrlError for what cannot be called. Of a name the addresses are checked each time that it is called."""
    if fault := _fault(url):
        raise InvalidCallbackUrlError(f"callback_url cannot be called: {fault}", pointer="/callback_url")


def start_calling_back(*, workspace_id: UUID, url: str | None, start: Callable[[], Sequence[MadeT]]) -> Sequence[MadeT]:
    """What `start` makes, and `url` is told of the end of each; None: nobody is.

    Of an execution that an idempotency key had made before, its own starter is told.
    Raises InvalidCallbackUrlError, and what `start` raises.
    """
    if url is None:
        return start()
    check_callback_url(url)
    with transaction.atomic():
        made = start()
        _ask(workspace_id, dict.fromkeys(one.execution_id for one in made if one.created), url)
    return made


def pass_on_callback(*, origin: Execution, retry_id: UUID) -> None:
    """Have whoever waits for `origin` told of the end of the execution that tries it again, too."""
    url = Callback.objects.filter(execution=origin).values_list("url", flat=True).first()
    if url is not None:
        _ask(origin.workspace_id, [retry_id], url)


def _ask(workspace_id: UUID, execution_ids: Iterable[UUID], url: str) -> None:
    Callback.objects.bulk_create(Callback(execution_id=execution_id, workspace_id=workspace_id, url=url) for execution_id in execution_ids)


def _fault(text: str) -> str | None:
    if len(text) > MAX_URL_LENGTH:
        return f"expected at most {MAX_URL_LENGTH} characters, found {len(text)}."
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        return f"expected a URL: {error}."
    return url_fault(url) or _refusal(url)


def _refusal(url: httpx2.URL) -> str | None:
    """Why an address that stands in the URL itself may not be called."""
    try:
        ip_address(url.host)
    except ValueError:
        return None
    port = url.port or (443 if url.scheme == "https" else 80)
    return refusal_of(url.host, port, [url.host], rules_of(tuple(settings.EGRESS_ALLOWED)))
