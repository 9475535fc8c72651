"""A list of the admin as a file: the rows that its search and filters leave, in its order, with its columns."""

import csv
from collections.abc import Callable
from datetime import date
from io import StringIO
from typing import Any

import orjson
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import strip_tags
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString

MAX_EXPORTED = 10_000
# A spreadsheet takes text that begins so for a formula, and runs it. The wide forms are what it makes them from.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")

Table = list[dict[str, Any]]


class Exported:
    """Mix-in of an admin, before the others: its list can be taken away as CSV and as JSON."""

    change_list_template = "admin/structforge/change_list.html"
    # What else stands at the head of the list: (label, icon, name of an address of the admin, whether this person may).
    list_links: tuple[tuple[str, str, str, Callable[[HttpRequest], bool]], ...] = ()

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export_view)  # type: ignore[attr-defined]  # of the admin behind it
        own = [path(f"export/{kind}/", export, {"kind": kind}, name=f"{self._page('export')}_{kind}") for kind in FILES]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        query = f"?{request.GET.urlencode()}" if request.GET else ""
        exports = {kind: reverse(f"admin:{self._page('export')}_{kind}") + query for kind in FILES}
        links = [(label, icon, reverse(f"admin:{name}")) for label, icon, name, may in self.list_links if may(request)]
        context = {**(extra_context or {}), "exports": exports, "list_links": links}
        return super().changelist_view(request, context)  # type: ignore[misc]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist: Any = super().get_changelist_instance(request)  # type: ignore[misc]
        if changelist.full_result_count is None and not (changelist.query or changelist.has_active_filters):
            changelist.full_result_count = changelist.result_count  # else the page offers to show all where it does
        return changelist

    def completed(self, rows: list[Any]) -> list[Any]:
        """The rows with what the list fetches beside the query, for all of them at once."""
        return rows

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        back_to = reverse(f"admin:{self._page('changelist')}")
        try:
            rows = self.completed(list(self.get_changelist_instance(request).queryset[: MAX_EXPORTED + 1]))
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{back_to}?e=1")
        if len(rows) > MAX_EXPORTED:
            messages.error(request, f"A file holds at most {MAX_EXPORTED:,} rows, and here are more. Filter the list first.")
            return HttpResponseRedirect(f"{back_to}?{request.GET.urlencode()}")
        write, media_type = FILES[kind]
        name = content_disposition_header(True, f"{self.opts.model_name}.{kind}")  # type: ignore[attr-defined]
        return HttpResponse(write(self._table(request, rows)), content_type=media_type, headers={"Content-Disposition": name})

    def _table(self, request: HttpRequest, rows: list[Model]) -> Table:
        page: Any = self
        columns = {"id": "pk"}
        for name in page.get_list_display(request):
            if name not in ("action_checkbox", "id"):
                columns[str(label_for_field(name, page.model, page))] = name
        return [{label: self._value(row, name) for label, name in columns.items()} for row in rows]

    def _value(self, row: Model, name: Any) -> Any:
        """A JSON value; what the list shows as a picture, as its words."""
        page: Any = self
        value = row.pk if name == "pk" else lookup_field(name, row, page)[2]
        if isinstance(value, bool | int | float | None):
            return value
        if isinstance(value, date):
            return value.isoformat()
        if (words := getattr(value, "words", None)) is not None:
            return words
        return strip_tags(value) if isinstance(value, SafeString) else str(value)

    def _page(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"  # type: ignore[attr-defined]


def as_csv(table: Table) -> bytes:
    """With a byte order mark, without which Excel takes Chinese for something else."""
    out = StringIO()
    writer = csv.writer(out)
    if table:
        writer.writerow(harmless(label) for label in table[0])
    writer.writerows([harmless(value) for value in row.values()] for row in table)
    return out.getvalue().encode("utf-8-sig")


def harmless(value: Any) -> Any:
    """The cell, with an apostrophe before a text that a spreadsheet would run."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_STARTS) else value


def as_json(table: Table) -> bytes:
    return orjson.dumps(table, option=orjson.OPT_INDENT_2)


FILES: dict[str, tuple[Callable[[Table], bytes], str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "json": (as_json, "application/json"),
}
