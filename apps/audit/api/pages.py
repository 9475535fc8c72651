"""Pages of the audit log, by the number of the entry."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from apps.core.api.pagination import InvalidPageError, NewestFirst, read_limit

MAX_DIGITS = 18


class ByNumber(NewestFirst):
    """As its base; the cursor is the number of the last entry of the page before."""

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        limit = read_limit(request)
        if cursor := request.query_params.get("cursor"):
            queryset = queryset.filter(id__lt=_number(cursor))
        rows = list(queryset.order_by("-id")[: limit + 1])
        is_more = len(rows) > limit
        self._next = replace_query_param(request.build_absolute_uri(), "cursor", str(rows[limit - 1].id)) if is_more else None
        return rows[:limit]


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= MAX_DIGITS):
        raise InvalidPageError("Expected a cursor from `next` of another page.", parameter="cursor")
    return int(cursor)
