"""Webhooks and their inbox in the admin: what came, what became of it, and a button that starts it once more."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter

from apps.accounts.permissions import Permission
from apps.core.admin import IdSearch, act, badge
from apps.core.admin_pages import NONE, Table, documents, error_fact, error_words, id_link, list_link, row_link
from apps.executions.admin.pages import FactsAdmin
from apps.executions.models import Execution
from apps.triggers.models import Webhook, WebhookCall
from apps.triggers.webhooks.actions import replay_call
from apps.triggers.webhooks.queries import get_call
from apps.workflows.access import require

MAY_REPLAY = "triggers.change_webhookcall"
SHOWN_CALLS = 10
_LOOKS = {"started": ("play_circle", "good"), "refused": ("error", "bad"), "test": ("science", "wait")}
_ANSWERS = {"at_once": "at once", "last_node": "with the output of the execution", "node": "as a node webhook.respond says"}


def _call_badge(call: WebhookCall) -> SafeString:
    return badge(call.state, *_LOOKS[call.state])


def _calls_link(webhook: Webhook, label: str) -> SafeString:
    return list_link(WebhookCall, label, webhook__id__exact=webhook.pk)


@admin.register(Webhook)
class WebhookAdmin(IdSearch, FactsAdmin):
    id_field = "pk"
    list_display = ("node_key", "of", "state", "lets_in", "calls", "listening_until", "updated_at")
    list_filter = ("is_open", "needs_credential")
    list_select_related = ("workflow",)
    page_select_related = ("workflow", "workspace", "credential")
    heavy_fields = ("config", "listening")
    search_fields = ("node_key", "workflow__name")
    search_help_text = "Id, or a part of the node's key or the workflow's name"
    ordering = ("-created_at", "-id")
    empty_hint = "No workflow is started by requests. Publish one with a node trigger.webhook, and it has an address here."

    @admin.display(description="workflow", ordering="workflow__name")
    def of(self, webhook: Webhook) -> SafeString | str:
        return row_link(webhook.workflow)

    @admin.display(description="state", ordering="is_open")
    def state(self, webhook: Webhook) -> SafeString:
        return badge("open", "lock_open", "good") if webhook.is_open else badge("closed", "lock", "calm")

    @admin.display(description="lets in", ordering="needs_credential")
    def lets_in(self, webhook: Webhook) -> str:
        if not webhook.needs_credential:
            return "who knows the address"
        return "who proves it" if webhook.credential_id else "nobody: its credential is gone"

    @admin.display(description="calls")
    def calls(self, webhook: Webhook) -> SafeString:
        return _calls_link(webhook, "Its calls")

    def heading(self, row: Webhook) -> str:
        return f"Webhook {row.node_key} of {row.workflow}"

    def content(self, request: HttpRequest, row: Webhook) -> dict[str, Any]:
        # Without its token: whoever has the address may call it.
        return {
            "facts": [
                ("Workflow", row_link(row.workflow)),
                ("Workspace", row_link(row.workspace)),
                ("Node", row.node_key),
                ("State", self.state(row)),
                ("Lets in", self.lets_in(row)),
                ("Credential", row_link(row.credential)),
                ("Methods", ", ".join(row.config.get("methods", ["POST"]))),
                ("Answers", _ANSWERS.get(row.config.get("respond", "at_once"), NONE)),
                ("Listens for a test until", row.listening_until or NONE),
                ("Calls", _calls_link(row, "Its calls")),
                ("Changed", row.updated_at),
            ],
            "tables": [_newest_calls(row)],
            "documents": documents(config=row.config),
        }


def _newest_calls(webhook: Webhook) -> Table:
    calls = WebhookCall.objects.filter(webhook=webhook).defer("body", "headers").order_by("-created_at", "-id")[:SHOWN_CALLS]
    rows = [
        (row_link(call), call.created_at, _call_badge(call), id_link(Execution, call.execution_id), error_words(call.error))
        for call in calls
    ]
    return Table("Newest calls", ("Call", "Came", "State", "Execution", "Why not"), rows, _calls_link(webhook, "All calls") if rows else "")


@admin.register(WebhookCall)
class WebhookCallAdmin(IdSearch, FactsAdmin):
    id_field = "execution_id"
    list_display = ("__str__", "of", "state_badge", "started", "size", "ip", "came_again", "created_at")
    list_filter = ("state", "method", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("webhook__workflow",)
    page_select_related = ("webhook__workflow", "workspace", "replay_of")
    heavy_fields = ("body", "headers", "webhook__config", "webhook__listening")
    search_fields = ("path", "dedup_key", "webhook__node_key")
    search_help_text = "Id of an execution, or a part of the path, the de-duplication key, or the node's key"
    ordering = ("-created_at", "-id")
    empty_hint = "Nothing has come. Calls of the addresses of webhooks are kept here."

    @admin.display(description="webhook", ordering="webhook__node_key")
    def of(self, call: WebhookCall) -> SafeString | str:
        return row_link(call.webhook, f"{call.webhook.node_key} of {call.webhook.workflow}")

    @admin.display(description="state", ordering="state")
    def state_badge(self, call: WebhookCall) -> SafeString:
        return _call_badge(call)

    @admin.display(description="execution")
    def started(self, call: WebhookCall) -> SafeString | str:
        return id_link(Execution, call.execution_id)

    @admin.display(description="size", ordering="size_bytes")
    def size(self, call: WebhookCall) -> str:
        return f"{call.size_bytes} B"

    @admin.display(description="came again", ordering="duplicates")
    def came_again(self, call: WebhookCall) -> str:
        return f"{call.duplicates} times" if call.duplicates > 1 else "once" if call.duplicates else NONE

    def get_urls(self) -> list[URLPattern]:
        replay = require_POST(self.admin_site.admin_view(self.replay_view))
        return [path("<uuid:call_id>/replay/", replay, name="webhook_call_replay"), *super().get_urls()]

    def content(self, request: HttpRequest, row: WebhookCall) -> dict[str, Any]:
        return {
            "facts": [
                ("State", _call_badge(row)),
                *error_fact(row.error),
                ("Webhook", row_link(row.webhook)),
                ("Workflow", row_link(row.webhook.workflow)),
                ("Execution", id_link(Execution, row.execution_id)),
                ("From", row.ip or NONE),
                ("Size", f"{row.size_bytes} bytes"),
                ("De-duplication key", row.dedup_key or NONE),
                ("Came again", self.came_again(row)),
                *([("Starts once more", row_link(row.replay_of))] if row.replay_of else []),
            ],
            "button": _button(row) if request.user.has_perm(MAY_REPLAY) else None,  # type: ignore[union-attr]  # as everywhere here
            "documents": documents(error=row.error, body=row.body, query=row.query, headers=row.headers),
        }

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


def _button(call: WebhookCall) -> dict[str, str]:
    url = reverse("admin:webhook_call_replay", args=[call.pk])
    return {"label": "Start once more", "asks": "Start the published version with this call?", "url": url}
