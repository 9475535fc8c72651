"""The task inbox of operators: what people are asked, who answered what, and buttons to take a task back or give it away."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter

from apps.core.admin import IdSearch, ReadOnlyAdmin, act, badge, pretty_json
from apps.executions.admin.pages import MAY_STEER, page_context
from apps.tasks.holding import release
from apps.tasks.models import Absence, HumanTask

_LOOKS = {
    "open": ("pending_actions", "wait"),
    "completed": ("task_alt", "good"),
    "expired": ("timer_off", "bad"),
    "cancelled": ("block", "calm"),
}
_MANY = 200


@admin.register(HumanTask)
class HumanTaskAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "execution_id"
    list_display = ("title", "status_badge", "priority", "assignee", "offered_to", "workspace", "due_at", "created_at")
    list_filter = ("status", "priority", ("due_at", RangeDateTimeFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("assignee", "workspace")
    heavy_fields = ("description", "form")
    page_select_related = ("assignee", "in_place_of", "delegated_by", "workspace", "execution__workflow")
    search_fields = ("title", "assignee__username__exact", "key__exact")
    search_help_text = "Id of an execution, a part of the title, a username, or a node key"
    ordering = ("-id",)

    @admin.display(description="status", ordering="status")
    def status_badge(self, task: HumanTask) -> SafeString:
        return badge(task.status, *_LOOKS[task.status])

    @admin.display(description="offered to")
    def offered_to(self, task: HumanTask) -> str:
        return ", ".join(f"{each['kind']} {each['name']}" for each in task.candidates) or "–"

    def get_urls(self) -> list[URLPattern]:
        give_back = require_POST(self.admin_site.admin_view(self.release_view))
        return [path("<int:task_id>/release/", give_back, name="human_task_release"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        task = self.get_row(request, object_id)
        context = page_context(self, request, task, task.title)
        return TemplateResponse(request, "admin/structforge/facts.html", {**context, **self._content(task, context["may_steer"])})

    def _content(self, task: HumanTask, may_steer: bool) -> dict[str, Any]:
        execution = reverse("admin:executions_execution_change", args=[task.execution_id])
        decisions = task.decisions.select_related("user").order_by("created_at")[:_MANY]
        comments = task.comments.select_related("user").order_by("created_at")[:_MANY]
        answers = [{"by": str(each.user), "approved": each.approved, "variables": each.variables} for each in decisions]
        documents = {"Form": task.form, "Answers": answers, "Comments": [f"{each.user}: {each.text}" for each in comments]}
        url = reverse("admin:human_task_release", args=[task.pk])
        is_claimed = task.is_open and task.assignee_id is not None and bool(task.candidates)
        return {
            "facts": [
                ("Status", self.status_badge(task)),
                ("Execution", format_html('<a href="{}">{}</a>', execution, task.execution_id)),
                ("Workflow", f"{task.execution.workflow.name}, node {task.key}"),
                ("Assignee", task.assignee or "–"),
                ("Offered to", self.offered_to(task)),
                ("Quorum", str(task.quorum)),
                ("Four eyes", "yes" if task.four_eyes else "no"),
                ("Due", task.due_at or "–"),
                ("Description", task.description or "–"),
            ],
            "button": {"label": "Take back", "url": url, "asks": "Offer it to all candidates again?"} if is_claimed and may_steer else None,
            "documents": [(title, pretty_json(value)) for title, value in documents.items() if value],
        }

    def release_view(self, request: HttpRequest, task_id: int) -> HttpResponse:
        task = self.get_row(request, task_id)
        if not request.user.has_perm(MAY_STEER):  # type: ignore[union-attr]  # the admin lets in no anonymous caller
            raise PermissionDenied
        back_to = reverse("admin:tasks_humantask_change", args=[task.pk])
        return act(
            request, lambda: release(task_id=task.pk, user=request.user), done="It is offered to all candidates again.", back_to=back_to
        )


@admin.register(Absence)
class AbsenceAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("user", "substitute", "workspace", "starts_at", "ends_at")
    list_filter = (("ends_at", RangeDateTimeFilter),)
    list_filter_submit = True
    list_select_related = ("user", "substitute", "workspace")
    search_fields = ("user__username", "substitute__username", "workspace__name")
    ordering = ("-ends_at", "-id")
    fields = ("user", "substitute", "workspace", "starts_at", "ends_at", "created_at")
    readonly_fields = fields
