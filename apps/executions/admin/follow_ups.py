"""What follows from the ends of executions."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.core.admin import IdSearch, ReadOnlyAdmin, act, badge
from apps.core.admin_pages import id_link
from apps.executions.admin.pages import MAY_STEER, page_context, status_badge
from apps.executions.follow_ups.actions import drop_follow_up
from apps.executions.follow_ups.queries import status_of
from apps.executions.models import Execution, FollowUp


@admin.register(FollowUp)
class FollowUpAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "origin_id"
    list_display = ("created_at", "workflow_name", "kind", "state", "reason", "attempt", "due_at")
    list_filter = ("kind",)
    list_select_related = ("origin__workflow", "execution")
    heavy_fields = tuple(f"{execution}__{name}" for execution in ("origin", "execution") for name in ("input", "output", "variables"))
    page_select_related = ("origin__workflow", "execution")
    search_fields = ("origin__workflow__name",)
    search_help_text = "Id of the execution that had ended, or a part of the workflow's name"
    ordering = ("-created_at",)

    @admin.display(description="after an execution of")
    def workflow_name(self, follow_up: FollowUp) -> SafeString | str:
        return id_link(Execution, follow_up.origin_id, follow_up.origin.workflow.name)

    @admin.display(description="state")
    def state(self, follow_up: FollowUp) -> SafeString:
        status = status_of(follow_up)
        looks = {"planned": ("schedule", "wait"), "refused": ("block", "bad")}
        return badge(status, *looks[status]) if status in looks else status_badge(status)

    @admin.display(description="why not started")
    def reason(self, follow_up: FollowUp) -> str:
        """Why it was not started; dropped ones say by whom."""
        return str((follow_up.error or {}).get("message", "")) or "–"

    def get_urls(self) -> list[URLPattern]:
        drop = require_POST(self.admin_site.admin_view(self.drop_view))
        return [path("<uuid:follow_up_id>/drop/", drop, name="follow_up_drop"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        follow_up = self.get_row(request, object_id)
        context = page_context(self, request, follow_up, f"{follow_up.kind.capitalize()} of {follow_up.origin.workflow.name}")
        return TemplateResponse(request, "admin/structforge/facts.html", {**context, **self._content(follow_up, context["may_steer"])})

    def _content(self, follow_up: FollowUp, may_steer: bool) -> dict[str, Any]:
        url = reverse("admin:follow_up_drop", args=[follow_up.pk])
        button = {"label": "Drop", "url": url, "asks": "Let this not happen?", "is_danger": True}
        return {
            "facts": [
                ("What had ended", id_link(Execution, follow_up.origin_id)),
                ("What was started", id_link(Execution, follow_up.execution_id)),
                ("State", self.state(follow_up)),
                *([("Why it was not started", self.reason(follow_up))] if follow_up.error else []),
                ("Due", follow_up.due_at),
                ("Attempt", follow_up.attempt),
                ("Undo nodes", ", ".join(follow_up.plan or ()) or "–"),
            ],
            "button": button if may_steer and status_of(follow_up) == "planned" else None,
        }

    def drop_view(self, request: HttpRequest, follow_up_id: UUID) -> HttpResponse:
        follow_up = self.get_row(request, follow_up_id)
        if not request.user.has_perm(MAY_STEER):  # type: ignore[union-attr]  # the admin lets in no anonymous caller
            raise PermissionDenied
        back_to = reverse("admin:executions_followup_change", args=[follow_up.pk])
        by = request.user.get_username()
        return act(request, lambda: drop_follow_up(follow_up_id=follow_up.pk, by=by), done="It will not happen.", back_to=back_to)
