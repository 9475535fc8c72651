"""Deliveries in the admin: what was told, what could not be, and a button to send it again."""

from typing import Any
from uuid import UUID

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
from apps.notifications import handoff
from apps.notifications.delivering import redeliver
from apps.notifications.models import Delivery, SigningKey

_LOOKS = {"pending": ("schedule_send", "wait"), "delivered": ("mark_email_read", "good"), "dead": ("unsubscribe", "bad")}


@admin.register(Delivery)
class DeliveryAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "execution_id"
    list_display = ("created_at", "workflow_name", "event", "channel", "target", "state_badge", "attempts", "next_try_at")
    list_filter = ("state", "channel", "event", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("execution__workflow",)
    heavy_fields = ("payload", "execution__input", "execution__output", "execution__variables")
    page_select_related = ("execution__workflow",)
    search_fields = ("target__exact",)
    search_help_text = "Id of an execution, an address or a URL"
    ordering = ("-created_at", "-id")

    @admin.display(description="workflow")
    def workflow_name(self, delivery: Delivery) -> str:
        told = delivery.execution.workflow.name if delivery.execution else delivery.event
        return str(told)

    @admin.display(description="state", ordering="state")
    def state_badge(self, delivery: Delivery) -> SafeString:
        return badge(delivery.state, *_LOOKS[delivery.state])

    def get_urls(self) -> list[URLPattern]:
        again = require_POST(self.admin_site.admin_view(self.redeliver_view))
        return [path("<uuid:delivery_id>/redeliver/", again, name="delivery_redeliver"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delivery = self.get_row(request, object_id)
        context = page_context(self, request, delivery, f"{delivery.event} to {delivery.target}")
        return TemplateResponse(request, "admin/structforge/facts.html", {**context, **self._content(delivery, context["may_steer"])})

    def _content(self, delivery: Delivery, may_steer: bool) -> dict[str, Any]:
        url = reverse("admin:delivery_redeliver", args=[delivery.pk])
        is_pending = delivery.state == Delivery.State.PENDING
        documents = {"Why the last attempt failed": delivery.error, "What is told": delivery.payload}
        return {
            "facts": [
                ("Execution", _execution(delivery)),
                ("State", self.state_badge(delivery)),
                ("Attempts", delivery.attempts),
                ("Next try", delivery.next_try_at if is_pending else "–"),
                ("Delivered", delivery.delivered_at or "–"),
            ],
            "button": None if is_pending or not may_steer else {"label": "Send again", "url": url, "asks": "Send it again?"},
            "documents": [(title, pretty_json(value)) for title, value in documents.items() if value is not None],
        }

    def redeliver_view(self, request: HttpRequest, delivery_id: UUID) -> HttpResponse:
        delivery = self.get_row(request, delivery_id)
        if not request.user.has_perm(MAY_STEER):  # type: ignore[union-attr]  # the admin lets in no anonymous caller
            raise PermissionDenied

        def send_again() -> None:
            redeliver(delivery_id=delivery.pk)
            handoff.send([delivery.pk])

        return act(
            request, send_again, done="It is sent again.", back_to=reverse("admin:notifications_delivery_change", args=[delivery.pk])
        )


def _execution(delivery: Delivery) -> str | SafeString:
    if delivery.execution_id is None:
        return "–"
    address = reverse("admin:executions_execution_change", args=[delivery.execution_id])
    return format_html('<a href="{}">{}</a>', address, delivery.execution_id)


@admin.register(SigningKey)
class SigningKeyAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "workspace_id"
    list_display = ("workspace", "made_at", "former_until")
    list_select_related = ("workspace",)
    search_fields = ("workspace__name",)
    ordering = ("-made_at",)
    fields = ("workspace", "made_at", "former_until")
    readonly_fields = fields
