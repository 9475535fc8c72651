"""The list of iterations of loops."""

from django.contrib import admin
from django.utils.safestring import SafeString

from apps.core.admin import IdSearch, ReadOnlyAdmin
from apps.executions.admin.pages import duration, status_badge
from apps.executions.models import Iteration


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

    @admin.display(description="workflow")
    def workflow_name(self, iteration: Iteration) -> str:
        return iteration.execution.workflow.name

    @admin.display(description="status", ordering="status")
    def status_badge(self, iteration: Iteration) -> SafeString:
        return status_badge(iteration.status)

    @admin.display(description="error")
    def reason(self, iteration: Iteration) -> str:
        return str((iteration.error or {}).get("message", ""))[:200]

    @admin.display(description="took")
    def duration(self, iteration: Iteration) -> str:
        return duration(iteration.started_at, iteration.finished_at)
