"""Running executions again in the admin: one by a button of its page, many by an action of the list."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.accounts.models import User, Workspace
from apps.core.admin import ReadOnlyAdmin, act, badge
from apps.engine.errors import StructForgeError
from apps.engine.rerun_places import Place
from apps.executions import queries
from apps.executions.admin.pages import MAY_STEER, page_context
from apps.executions.bulk_reruns import cancel_bulk_rerun, create_bulk_rerun, list_bulk_reruns
from apps.executions.models import BulkRerun, Execution
from apps.executions.rerunning import FAILED, START, Rerun, rerun_execution

BULK_LOOKS = {
    "running": ("play_circle", "move"),
    "done": ("check_circle", "good"),
    "stopped": ("error", "bad"),
    "cancelled": ("block", "calm"),
}
REASONS = {
    "canary_failed": "one of the first failed",
    "too_many_failures": "too many failed",
    "not_allowed": "who began it may not any more",
}
ITEM_LOOKS = {
    "waiting": ("schedule", "wait"),
    "starting": ("list_alt", "wait"),
    "running": ("play_circle", "move"),
    "success": ("check_circle", "good"),
    "failed": ("error", "bad"),
    "refused": ("block", "bad"),
}


def rerun_view(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    """Run one again: from `from` in the form, or from the node `node`."""
    user = steering(request)
    node, origin = request.POST.get("node", ""), request.POST.get("from", "")
    if not node and origin not in (START, FAILED):
        raise Http404(f"There is no '{origin}'.")
    asked = Rerun(origin=Place(node, request.POST.get("path", "")) if node else origin)  # type: ignore[arg-type]  # one of two words
    try:
        execution = queries.get_rerunnable(user, execution_id)
        made = rerun_execution(execution=execution, asked=asked, started_by=user)
    except StructForgeError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(reverse("admin:executions_execution_change", args=[execution_id]))
    messages.success(request, "It runs again, as this new execution; the old one stays as it is.")
    return HttpResponseRedirect(reverse("admin:executions_execution_change", args=[made.execution_id]))


@admin.action(description="Run again from where they failed: one first, then one a second")
def rerun_selected(model_admin: Any, request: HttpRequest, selected: QuerySet[Execution]) -> None:
    """A bulk re-run for each workspace of the selected executions."""
    user = steering(request)
    ids = list(selected.values_list("pk", flat=True))
    for workspace in Workspace.objects.filter(pk__in=selected.order_by().values("workspace").distinct()):
        try:
            executions = Execution.objects.filter(pk__in=ids)
            bulk = create_bulk_rerun(user=user, workspace=workspace, executions=executions, origin=FAILED)
        except StructForgeError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, f"{bulk.total} executions of '{workspace.name}' are run again; see Bulk reruns.")


def steering(request: HttpRequest) -> User:
    """Who asks. Raises PermissionDenied where they may look only."""
    user = request.user
    if not isinstance(user, User) or not user.has_perm(MAY_STEER):
        raise PermissionDenied
    return user


@admin.register(BulkRerun)
class BulkRerunAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "workspace", "status_badge", "why", "begins", "total", "waiting", "running", "success", "failed")
    list_filter = ("status",)
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return list_bulk_reruns(request.user)

    @admin.display(description="status", ordering="status")
    def status_badge(self, bulk: BulkRerun) -> SafeString:
        icon, tone = BULK_LOOKS[bulk.status]
        return badge(bulk.status, icon, tone)

    @admin.display(description="why it stopped", ordering="reason")
    def why(self, bulk: BulkRerun) -> str:
        return REASONS.get(bulk.reason, bulk.reason) or "–"

    @admin.display(description="begins at", ordering="origin")
    def begins(self, bulk: BulkRerun) -> str:
        return {START: "the start", FAILED: "what failed"}.get(bulk.origin, bulk.origin.replace(":", " "))

    @admin.display(description="running")
    def running(self, bulk: Any) -> int:
        return int(bulk.running)

    @admin.display(description="waiting")
    def waiting(self, bulk: Any) -> int:
        return int(bulk.waiting)

    @admin.display(description="success")
    def success(self, bulk: Any) -> int:
        return int(bulk.success)

    @admin.display(description="failed")
    def failed(self, bulk: Any) -> int:
        return int(bulk.failed)

    def get_urls(self) -> list[URLPattern]:
        cancel = require_POST(self.admin_site.admin_view(self.cancel_view))
        return [path("<uuid:bulk_id>/cancel/", cancel, name="bulk_rerun_cancel"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        bulk = self.get_row(request, object_id)
        items = bulk.items.exclude(status="waiting").select_related("execution", "rerun").order_by("-id")
        shown = items.only("status", "error", "execution__id", "rerun__id")[:200]
        context = page_context(self, request, bulk, f"Bulk re-run of {bulk.total} executions")
        content = {
            "badge": self.status_badge(bulk),
            "begins": self.begins(bulk),
            "why": self.why(bulk) if bulk.reason else "",
            "items": [(item, badge(item.status, *ITEM_LOOKS[item.status])) for item in shown],
        }
        return TemplateResponse(request, "admin/structforge/bulk_rerun.html", {**context, **content})

    def cancel_view(self, request: HttpRequest, bulk_id: UUID) -> HttpResponse:
        self.get_row(request, bulk_id)
        user = steering(request)
        back_to = reverse("admin:executions_bulkrerun_change", args=[bulk_id])
        return act(request, lambda: cancel_bulk_rerun(user=user, bulk_id=bulk_id), done="Nothing more of it begins.", back_to=back_to)
