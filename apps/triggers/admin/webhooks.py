"""Webhooks and their inbox in the admin: what came, what became of it, and a button that starts it once more."""

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

from apps.accounts.permissions import Permission
from apps.core.admin import IdSearch, ReadOnlyAdmin, act, badge, pretty_json
from apps.executions.admin.pages import page_context
from apps.triggers.models import Webhook, WebhookCall
from apps.triggers.webhooks.actions import replay_call
from apps.triggers.webhooks.queries import get_call
from apps.workflows.access import require

MAY_REPLAY = "triggers.change_webhookcall"
_LOOKS = {"started": ("play_circle", "good"), "refused": ("error", "bad"), "test": ("science", "wait")}


@admin.register(Webhook)
class WebhookAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("node_key", "workflow", "state", "needs_credential", "listening_until", "updated_at")
    list_filter = ("is_open", "needs_credential")
    list_select_related = ("workflow",)
    page_select_related = ("workflow", "workspace", "credential")
    heavy_fields = ("config", "listening")
    search_fields = ("node_key", "workflow__name")
    search_help_text = "Id, or a part of the node's key or the workflow's name"
    ordering = ("-created_at", "-id")
    # Without its token: whoever has the address may call it.
    fields = ("workflow", "workspace", "node_key", "is_open", "config", "credential", "listening_until", "created_at", "updated_at")
    readonly_fields = fields

    @admin.display(description="state", ordering="is_open")
    def state(self, webhook: Webhook) -> SafeString:
        return badge("open", "lock_open", "good") if webhook.is_open else badge("closed", "lock", "wait")


@admin.register(WebhookCall)
class WebhookCallAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "execution_id"
    list_display = ("__str__", "webhook", "state_badge", "size_bytes", "ip", "duplicates", "started", "created_at")
    list_filter = ("state", "method", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("webhook",)
    page_select_related = ("webhook__workflow", "workspace", "execution")
    heavy_fields = ("body", "headers", "webhook__config", "webhook__listening")
    search_fields = ("path", "dedup_key", "webhook__node_key")
    search_help_text = "Id of an execution, or a part of the path, the de-duplication key, or the node's key"
    ordering = ("-created_at", "-id")

    @admin.display(description="state", ordering="state")
    def state_badge(self, call: WebhookCall) -> SafeString:
        return badge(call.state, *_LOOKS[call.state])

    @admin.display(description="execution")
    def started(self, call: WebhookCall) -> str:
        return str(call.execution_id or "–")

    def get_urls(self) -> list[URLPattern]:
        replay = require_POST(self.admin_site.admin_view(self.replay_view))
        return [path("<uuid:call_id>/replay/", replay, name="webhook_call_replay"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        call = self.get_row(request, object_id)
        context = page_context(self, request, call, str(call))
        return TemplateResponse(request, "admin/structforge/facts.html", {**context, **_content(request, call)})

    def replay_view(self, request: HttpRequest, call_id: UUID) -> HttpResponse:
        self.get_row(request, call_id)
        if not request.user.has_perm(MAY_REPLAY):  # type: ignore[union-attr]  # the admin lets in no anonymous caller
            raise PermissionDenied

        def replay() -> None:
            user: Any = request.user
            call = get_call(user, call_id)
            require(user, call.webhook.workflow, Permission.WORKFLOW_RUN)
            replay_call(call=call, user=user)

        return act(request, replay, done="It was started once more.", back_to=reverse("admin:triggers_webhookcall_change", args=[call_id]))


def _content(request: HttpRequest, call: WebhookCall) -> dict[str, Any]:
    button = {
        "label": "Start once more",
        "asks": "Start the published version with this call?",
        "url": reverse("admin:webhook_call_replay", args=[call.pk]),
    }
    return {
        "facts": [
            ("Webhook", call.webhook),
            ("Workflow", call.webhook.workflow),
            ("State", badge(call.state, *_LOOKS[call.state])),
            ("Came", call.created_at),
            ("From", call.ip or "–"),
            ("Size", f"{call.size_bytes} bytes"),
            ("Key", call.dedup_key or "–"),
            ("Came again", call.duplicates),
            ("Execution", call.execution_id or "–"),
        ],
        "button": button if request.user.has_perm(MAY_REPLAY) else None,  # type: ignore[union-attr]
        "documents": [(name.title(), pretty_json(getattr(call, name))) for name in ("query", "headers", "body", "error")],
    }
