"""Lists in an order that the caller chooses, page by page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from apps.core.api.pagination import InvalidPageError, NewestFirst, read_limit


class SortedPages(NewestFirst):
    """Pages by cursor: as NewestFirst has them, in the order of another column, with the id where that is the same.

    column        of instants or of texts
    is_downward   the greatest first
    """

    def __init__(self, column: str, *, is_downward: bool) -> None:
        self._column, self._is_downward = column, is_downward

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        limit = read_limit(request)
        if cursor := request.query_params.get("cursor"):
            queryset = self._after(queryset, cursor)
        sign = "-" if self._is_downward else ""
        rows = list(queryset.order_by(f"{sign}{self._column}", f"{sign}id")[: limit + 1])
        self._next = self._link(request, rows[limit - 1]) if len(rows) > limit else None
        return rows[:limit]

    def _after(self, queryset: QuerySet[Any], cursor: str) -> QuerySet[Any]:
        value, last_id = self._place(queryset.model, cursor)
        way = "lt" if self._is_downward else "gt"
        # The first condition is implied by the second; it is what the index understands.
        return queryset.filter(**{f"{self._column}__{way}e": value}).filter(
            Q(**{f"{self._column}__{way}": value}) | Q(**{f"id__{way}": last_id})
        )

    def _place(self, model: type[Model], cursor: str) -> tuple[Any, UUID]:
        try:
            text, _, last_id = urlsafe_b64decode(cursor.encode("ascii")).decode().rpartition(" ")
            value = datetime.fromisoformat(text) if self._is_instant(model) else text
            place = value, UUID(last_id)
        except ValueError as error:
            raise InvalidPageError("Expected a cursor from `next` of another page in this order.", parameter="cursor") from error
        if "\x00" in text or (isinstance(value, datetime) and value.tzinfo is None):
            raise InvalidPageError("Expected a cursor from `next` of another page in this order.", parameter="cursor")
        return place

    def _is_instant(self, model: type[Model]) -> bool:
        return model._meta.get_field(self._column).get_internal_type() == "DateTimeField"

    def _link(self, request: Request, last: Model) -> str:
        value = getattr(last, self._column)
        text = value.isoformat() if isinstance(value, datetime) else value
        cursor = urlsafe_b64encode(f"{text} {last.pk}".encode()).decode()
        return replace_query_param(request.build_absolute_uri(), "cursor", cursor)
