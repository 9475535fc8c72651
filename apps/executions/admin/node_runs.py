"""The list of node runs, and the page of one, where a person decides about an uncertain one."""

from typing import Any, Literal, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter

from apps.core.admin import IdSearch, ReadOnlyAdmin, act, pretty_json
from apps.core.admin_pages import id_link
from apps.engine.json_values import InvalidJsonError, loads
from apps.engine.waits import HUMAN_TASK
from apps.executions import actions
from apps.executions.admin.pages import MAY_STEER, node_run_duration, page_context, status_badge
from apps.executions.api.serializers import node_output_url
from apps.executions.models import Execution, NodeRun
from apps.executions.notes import with_notes

DECISIONS = {"rerun": "It runs again.", "success": "It counts as success.", "failed": "It counts as failed."}
MAX_OUTPUT_BYTES = 60_000


@admin.register(NodeRun)
class NodeRunAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "execution_id"
    list_display = ("key", "path", "workflow_name", "status_badge", "attempt", "queue", "worker", "queued_at", "duration")
    list_filter = ("status", "queue", ("queued_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("execution__workflow",)
    heavy_fields = ("input", "output", "deferred", "execution__input", "execution__output", "execution__variables")
    page_select_related = ("execution__workflow", "held_by__created_by")
    search_fields = ("key__exact",)
    search_help_text = "Node key, or id of an execution"
    ordering = ("-id",)

    @admin.display(description="execution of")
    def workflow_name(self, run: NodeRun) -> SafeString | str:
        return id_link(Execution, run.execution_id, run.execution.workflow.name)

    @admin.display(description="status", ordering="status")
    def status_badge(self, run: NodeRun) -> SafeString:
        return status_badge(run.status)

    @admin.display(description="took")
    def duration(self, run: NodeRun) -> str:
        return node_run_duration(run)

    def get_urls(self) -> list[URLPattern]:
        resolve = require_POST(self.admin_site.admin_view(self.resolve_view))
        return [path("<int:node_run_id>/resolve/", resolve, name="node_run_resolve"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_row(request, object_id)
        context = page_context(self, request, run, f"{run.key} of {run.execution.workflow.name}")
        return TemplateResponse(request, "admin/structforge/node_run.html", {**context, **_content(run)})

    def resolve_view(self, request: HttpRequest, node_run_id: int) -> HttpResponse:
        run = self.get_row(request, node_run_id)
        decision = request.POST.get("decision", "")
        if decision not in DECISIONS:
            raise Http404(f"There is no decision '{decision}'.")
        if not request.user.has_perm(MAY_STEER):  # type: ignore[union-attr]  # the admin lets in no anonymous caller
            raise PermissionDenied
        back_to = reverse("admin:executions_noderun_change", args=[run.id])
        try:
            output = _output(request) if decision == "success" else None
        except InvalidJsonError as error:
            messages.error(request, f"The output is not JSON: {error.message}")
            return HttpResponseRedirect(back_to)
        return act(
            request,
            lambda: actions.resolve_uncertain(
                node_run_id=run.id,
                decision=cast(Literal["rerun", "success", "failed"], decision),
                output=output,
                message=request.POST.get("message", "")[:2000],
            ),
            done=DECISIONS[decision],
            back_to=back_to,
        )


def _output(request: HttpRequest) -> Any:
    text = request.POST.get("output", "").strip()
    return loads(text.encode(), max_bytes=MAX_OUTPUT_BYTES) if text else None


def _content(run: NodeRun) -> dict[str, Any]:
    """What is particular to the page of this node run."""
    with_notes(run.execution_id, [run])
    documents = {"Error": run.error, "Output": run.output, "Input": run.input, "State while it waits": run.deferred}
    return {
        "run": run,
        "badge": status_badge(run.status),
        "duration": node_run_duration(run),
        "execution_url": reverse("admin:executions_execution_change", args=[run.execution_id]),
        "output_url": node_output_url(run) if run.output_ref else None,
        "hold": run.held_by if run.status == "queued" else None,
        "asks_people": run.waits_for == HUMAN_TASK,
        "is_uncertain": run.status == "uncertain",
        "documents": [(title, pretty_json(value)) for title, value in documents.items() if value is not None],
    }
