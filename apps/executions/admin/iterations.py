"""The list of iterations of loops."""

from django.contrib import admin
from django.utils.safestring import SafeString

from apps.core.admin import IdSearch, ReadOnlyAdmin
from apps.core.admin_pages import id_link, list_link
from apps.executions.admin.pages import duration, status_badge
from apps.executions.models import Execution, Iteration, NodeRun

REASON_LENGTH = 200


@admin.register(Iteration)
class IterationAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "execution_id"
    list_display = ("key", "path", "status_badge", "reason", "workflow_name", "started_at", "duration")
    list_filter = ("status",)
    list_select_related = ("execution__workflow",)
    heavy_fields = ("execution__input", "execution__output", "execution__variables")
    search_fields = ("key__exact", "path__exact")
    search_help_text = "Key of the loop, path of the iteration, or id of an execution"
    ordering = ("-id",)
    fields = ("execution", "workflow_name", "key", "path", "status_badge", "reason", "started_at", "finished_at", "duration", "node_runs")
    readonly_fields = fields
    page_select_related = ("execution__workflow",)

    @admin.display(description="execution of")
    def workflow_name(self, iteration: Iteration) -> SafeString | str:
        return id_link(Execution, iteration.execution_id, iteration.execution.workflow.name)

    @admin.display(description="status", ordering="status")
    def status_badge(self, iteration: Iteration) -> SafeString:
        return status_badge(iteration.status)

    @admin.display(description="error")
    def reason(self, iteration: Iteration) -> str:
        """What failed, and where: the rest is with the node run."""
        error = iteration.error or {}
        return f"{error.get('node', '')}: {error.get('message', '')}".removeprefix(": ")[:REASON_LENGTH] if error else "–"

    @admin.display(description="took")
    def duration(self, iteration: Iteration) -> str:
        return duration(iteration.started_at, iteration.finished_at)

    @admin.display(description="node runs")
    def node_runs(self, iteration: Iteration) -> SafeString:
        return list_link(NodeRun, "Node runs of it", q=iteration.execution_id, path__exact=iteration.path)
