"""The history of executions."""

from django.contrib import admin
from django.utils.safestring import SafeString

from apps.core.admin import IdSearch, ReadOnlyAdmin, pretty_json
from apps.core.admin_pages import id_link
from apps.executions.admin.pages import status_badge
from apps.executions.models import Execution, ExecutionEvent


@admin.register(ExecutionEvent)
class ExecutionEventAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "execution_id"
    list_display = ("at", "of", "sequence", "kind", "status_badge", "nodes")
    list_filter = ("kind", "status")
    search_fields = ("kind__exact",)
    search_help_text = "Id of an execution, or a kind"
    ordering = ("-id",)
    fields = ("execution", "sequence", "kind", "at", "status_badge", "pretty_changes")
    readonly_fields = fields

    @admin.display(description="execution")
    def of(self, event: ExecutionEvent) -> SafeString | str:
        return id_link(Execution, event.execution_id)

    @admin.display(description="status after it", ordering="status")
    def status_badge(self, event: ExecutionEvent) -> SafeString:
        return status_badge(event.status)

    @admin.display(description="node runs")
    def nodes(self, event: ExecutionEvent) -> str:
        """The first few that it changed."""
        shown = [f"{change['key']} {change['status']}" for change in event.changes[:4]]
        return ", ".join(shown) + (f" and {len(event.changes) - 4} more" if len(event.changes) > 4 else "")

    @admin.display(description="changes")
    def pretty_changes(self, event: ExecutionEvent) -> SafeString:
        return pretty_json(event.changes)
