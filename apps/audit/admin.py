"""The audit log in the admin: it is read, searched and taken along; nothing in it is edited."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from apps.audit import actions
from apps.audit.export import CONTENT_TYPES, written
from apps.audit.models import AuditEntry
from apps.audit.queries import entries_in_parts
from apps.core.admin import ReadOnlyAdmin, pretty_json
from apps.core.audit import Verb


class VerbFilter(admin.SimpleListFilter):
    title = "verb"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(verb.value, verb.value) for verb in Verb]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "who", "verb", "object_type", "object_name", "workspace", "via", "ip")
    list_filter = (VerbFilter, "via", ("workspace", AutocompleteSelectFilter), ("at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("workspace",)
    heavy_fields = ("before", "after", "user_agent", "previous_hash", "hash")
    page_select_related = ("workspace",)
    search_fields = ("object_name", "actor_name", "object_id__exact", "request_id__exact")
    search_help_text = "A part of the name of object or person, or the id of an object or a request"
    ordering = ("-id",)
    fields = (
        "at",
        "who",
        "verb",
        "object_type",
        "object_id",
        "object_name",
        "workspace",
        "pretty_before",
        "pretty_after",
        "via",
        "ip",
        "user_agent",
        "request_id",
        "previous_hash",
        "hash",
    )
    readonly_fields = fields
    actions = ("export_csv", "export_jsonl")

    @admin.display(description="who", ordering="actor_name")
    def who(self, entry: AuditEntry) -> str:
        return entry.actor_name or "–"

    @admin.display(description="before")
    def pretty_before(self, entry: AuditEntry) -> SafeString:
        return pretty_json(entry.before)

    @admin.display(description="after")
    def pretty_after(self, entry: AuditEntry) -> SafeString:
        return pretty_json(entry.after)

    @admin.action(description="Export as CSV")
    def export_csv(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> StreamingHttpResponse:
        return _export(request, queryset, "csv")

    @admin.action(description="Export as JSON lines")
    def export_jsonl(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> StreamingHttpResponse:
        return _export(request, queryset, "jsonl")


def _export(request: HttpRequest, queryset: QuerySet[AuditEntry], kind: str) -> StreamingHttpResponse:
    actions.note_export(user=request.user, kind=kind, filters={})  # type: ignore[arg-type]  # the admin lets in no anonymous caller
    # The list leaves the large columns out.
    found: Any = AuditEntry.objects.filter(pk__in=queryset.order_by().values("pk"))
    headers = {"Content-Disposition": f'attachment; filename="audit.{kind}"'}
    return StreamingHttpResponse(written(entries_in_parts(found), kind=kind), content_type=CONTENT_TYPES[kind], headers=headers)
