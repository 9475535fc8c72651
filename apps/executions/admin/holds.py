"""Holds, with the button that releases them, and the events that came from outside."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter

from apps.core.admin import IdSearch, ReadOnlyAdmin, act, badge, pretty_json
from apps.core.admin_pages import row_link
from apps.executions import holds
from apps.executions.admin.pages import page_context
from apps.executions.models import Hold, ReceivedEvent

MAY_RELEASE = "executions.change_hold"


@admin.register(Hold)
class HoldAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("reason", "state", "scope", "of", "node_key", "workspace", "created_by", "created_at", "until", "released_at")
    list_filter = (("released_at", admin.EmptyFieldListFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("workflow", "workspace", "created_by")
    page_select_related = ("workflow", "workspace", "created_by", "released_by")
    search_fields = ("reason", "node_key__exact", "workflow__name")
    search_help_text = "Id, node key, or a part of the reason or the workflow's name"
    ordering = ("-created_at", "-id")

    empty_hint = "Nothing is held back. POST /api/v1/holds holds a node, a workflow, a workspace or the installation."

    @admin.display(description="state", ordering="released_at")
    def state(self, hold: Hold) -> SafeString:
        return badge("in force", "front_hand", "wait") if hold.released_at is None else badge("released", "task_alt", "calm")

    @admin.display(description="workflow", ordering="workflow__name")
    def of(self, hold: Hold) -> SafeString | str:
        return row_link(hold.workflow)

    def get_urls(self) -> list[URLPattern]:
        release = require_POST(self.admin_site.admin_view(self.release_view))
        return [path("<uuid:hold_id>/release/", release, name="hold_release"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        hold = self.get_row(request, object_id)
        context = page_context(self, request, hold, f"Hold of {hold.scope}")
        context["may_release"] = hold.released_at is None and _may_release(request)
        return TemplateResponse(request, "admin/structforge/hold.html", context)

    def release_view(self, request: HttpRequest, hold_id: UUID) -> HttpResponse:
        hold = self.get_row(request, hold_id)
        if not _may_release(request):
            raise PermissionDenied
        back_to = reverse("admin:executions_hold_change", args=[hold_id])

        def release() -> None:
            holds.check_may_release(request.user, hold)  # type: ignore[arg-type]  # the admin lets in no anonymous caller
            holds.release(hold=hold, released_by=request.user)  # type: ignore[arg-type]

        return act(request, release, done="Released: what it kept back goes on.", back_to=back_to)


@admin.register(ReceivedEvent)
class ReceivedEventAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("event", "wakes", "effect", "workspace", "sent_by", "created_at", "keep_until", "delivered_at")
    list_filter = (("delivered_at", admin.EmptyFieldListFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("workspace", "sent_by")
    heavy_fields = ("payload",)
    search_fields = ("event__exact", "waits_for__exact")
    search_help_text = "Id, or name of an event"
    ordering = ("-created_at", "-id")
    fields = ("event", "wakes", "effect", "workspace", "sent_by", "created_at", "keep_until", "delivered_at", "pretty_payload")
    readonly_fields = fields

    @admin.display(description="wakes what waits for", ordering="waits_for")
    def wakes(self, event: ReceivedEvent) -> str:
        return event.waits_for

    @admin.display(description="became of it", ordering="woken")
    def effect(self, event: ReceivedEvent) -> SafeString:
        """That it was delivered does not say that anybody had waited."""
        if event.woken:
            return badge(f"woke {event.woken}", "notifications_active", "good")
        return (
            badge("waits", "hourglass_empty", "wait") if event.delivered_at is None else badge("nobody waited", "notifications_off", "calm")
        )

    @admin.display(description="payload")
    def pretty_payload(self, event: ReceivedEvent) -> SafeString:
        return pretty_json(event.payload)


def _may_release(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(MAY_RELEASE))  # type: ignore[union-attr]  # the admin lets in no anonymous caller
