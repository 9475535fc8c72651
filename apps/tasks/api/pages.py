"""Pages of tasks, whose ids are numbers."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from apps.core.api.pagination import InvalidPageError, NewestFirst, read_limit


class NewestTasks(NewestFirst):
    """The newest first."""

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        if cursor := request.query_params.get("cursor"):
            queryset = self._beyond(queryset, cursor)
        limit = read_limit(request)
        rows = list(queryset.order_by(*self._order())[: limit + 1])
        self._next = self._link(request, rows[limit - 1]) if len(rows) > limit else None
        return rows[:limit]

    def _order(self) -> tuple[str, ...]:
        return ("-id",)

    def _beyond(self, queryset: QuerySet[Any], cursor: str) -> QuerySet[Any]:
        return queryset.filter(id__lt=_number(_text(cursor)))

    def _place(self, row: Any) -> str:
        return str(row.pk)

    def _link(self, request: Request, last: Any) -> str:
        return replace_query_param(request.build_absolute_uri(), "cursor", urlsafe_b64encode(self._place(last).encode()).decode())


class SoonestDue(NewestTasks):
    """Those with a due date, the soonest first."""

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        return super().paginate_queryset(queryset.filter(due_at__isnull=False), request)

    def _order(self) -> tuple[str, ...]:
        return ("due_at", "id")

    def _beyond(self, queryset: QuerySet[Any], cursor: str) -> QuerySet[Any]:
        due, _, last_id = _text(cursor).partition(" ")
        try:
            due_at = datetime.fromisoformat(due)
        except ValueError as error:
            raise _bad_cursor() from error
        if due_at.tzinfo is None:
            raise _bad_cursor()
        return queryset.filter(due_at__gte=due_at).filter(Q(due_at__gt=due_at) | Q(id__gt=_number(last_id)))

    def _place(self, row: Any) -> str:
        return f"{row.due_at.isoformat()} {row.pk}"


def _text(cursor: str) -> str:
    try:
        return urlsafe_b64decode(cursor.encode("ascii")).decode("ascii")
    except ValueError as error:
        raise _bad_cursor() from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _bad_cursor()
    return int(text)


def _bad_cursor() -> InvalidPageError:
    return InvalidPageError("Expected a cursor from `next` of another page.", parameter="cursor")
