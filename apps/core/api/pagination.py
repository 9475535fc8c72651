"""Lists, page by page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from apps.engine.errors import InvalidError

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

Value = TypeVar("Value")


class InvalidPageError(InvalidError):
    """`cursor` is not one that a list gave out, or `limit` is out of range."""

    code = "invalid_page"


class NewestFirst(BasePagination):
    """Pages by cursor, newest first: stable while rows are added, and as fast on the last page as on the first.

    The cursor holds the place of the last row, (created_at, id), so that rows of the same instant are neither lost nor seen twice.
    {"next": url | null, "results": [...]}
    """

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        limit = read_limit(request)
        if cursor := request.query_params.get("cursor"):
            queryset = _after(queryset, cursor)
        rows = list(queryset.order_by("-created_at", "-id")[: limit + 1])
        self._next = _link(request, rows[limit - 1].created_at.isoformat(), rows[limit - 1]) if len(rows) > limit else None
        return rows[:limit]

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        return Response({"next": self._next, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        next_page = {"type": ["string", "null"], "format": "uri", "description": "The next page; null on the last one."}
        return {"type": "object", "required": ["next", "results"], "properties": {"next": next_page, "results": schema}}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        return [
            {"name": "cursor", "in": "query", "description": "From `next` of the page before.", "schema": {"type": "string"}},
            {"name": "limit", "in": "query", "description": "Rows on a page.", "schema": limit},
        ]


class HighestFirst(NewestFirst):
    """Pages by a column of whole numbers, the highest first, equal ones by id.

    A row whose number changes between two pages may be seen twice, or missed.
    """

    def __init__(self, column: str) -> None:
        self._column = column

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        limit, column = read_limit(request), self._column
        if cursor := request.query_params.get("cursor"):
            number, last_id = _read(cursor, _whole)
            lower = Q(**{f"{column}__lt": number}) | Q(id__lt=last_id)
            queryset = queryset.filter(**{f"{column}__lte": number}).filter(lower)
        rows = list(queryset.order_by(f"-{column}", "-id")[: limit + 1])
        self._next = _link(request, str(getattr(rows[limit - 1], column)), rows[limit - 1]) if len(rows) > limit else None
        return rows[:limit]


def read_limit(request: Request) -> int:
    """Rows that a page may have. Raises InvalidPageError."""
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidPageError(f"Expected a limit from 1 to {MAX_LIMIT}, found '{text[:40]}'.", parameter="limit")
    return int(text)


def _after(queryset: QuerySet[Any], cursor: str) -> QuerySet[Any]:
    created_at, last_id = _place(cursor)
    # The first condition is implied by the second; it is what the index understands.
    return queryset.filter(created_at__lte=created_at).filter(Q(created_at__lt=created_at) | Q(id__lt=last_id))


def _place(cursor: str) -> tuple[datetime, UUID]:
    created_at, last_id = _read(cursor, datetime.fromisoformat)
    if created_at.tzinfo is None:
        raise _bad_cursor()
    return created_at, last_id


def _read(cursor: str, value_of: Callable[[str], Value]) -> tuple[Value, UUID]:
    """The value by which a list is sorted, and the id, of the last row of the page before."""
    try:
        text, _, last_id = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition(" ")
        return value_of(text), UUID(last_id)
    except ValueError as error:
        raise _bad_cursor() from error


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(text)
    return int(text)


def _bad_cursor() -> InvalidPageError:
    return InvalidPageError("Expected a cursor from `next` of another page.", parameter="cursor")


def _link(request: Request, value: str, last: Model) -> str:
    place = f"{value} {last.pk}"
    return replace_query_param(request.build_absolute_uri(), "cursor", urlsafe_b64encode(place.encode()).decode())
