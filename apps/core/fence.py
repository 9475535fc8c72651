"""The second fence: while a person's request is answered, PostgreSQL itself shows and changes only what that person may reach.

The first fence is `visible_to`. This one stands behind it, for the day on which a query forgets it: the request's connection becomes the
role `structforge_web`, and the row-level security policies of `apps.core.rls` hold for it. Workers, commands and migrations stay the
owner of the tables, for whom no policy counts.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.postgresql.caller import Caller

if TYPE_CHECKING:
    from apps.core.postgresql.base import DatabaseWrapper

T = TypeVar("T")
_END = object()


def put_up(caller: Caller | None) -> None:
    """From here on this thread's connection, and each one that follows it, serves `caller` alone; None takes the fence down.

    Whoever calls it also takes it down: `FenceMiddleware` does after each request.
    """
    _connection().serve(caller)


@contextmanager
def around(caller: Caller | None) -> Iterator[None]:
    """Within the block the connection serves `caller` alone; None: without a fence."""
    outer = _connection().caller
    put_up(caller)
    try:
        yield
    finally:
        put_up(outer)


def kept(steps: Iterable[T]) -> Iterator[T]:
    """The same, each step behind the fence that stands now: for an answer that is still being written when its request has ended."""
    caller = _connection().caller

    def steps_behind() -> Iterator[T]:
        own = iter(steps)
        while True:
            with around(caller):
                step = next(own, _END)
            if step is _END:
                return
            yield cast("T", step)

    return steps_behind()


def lifted() -> AbstractContextManager[None]:
    """Within the block there is no fence: for what reaches beyond the caller's own rows on purpose, and was checked before.

    Such as making a workspace, which has no member yet, and accepting an invitation.
    """
    return around(None)


class FenceMiddleware:
    """Takes the fence down after each request, whatever became of it. The innermost: sessions and messages are kept without it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self._get_response(request)
        finally:
            put_up(None)


def _connection() -> "DatabaseWrapper":
    return cast("DatabaseWrapper", connection)
