"""Shapes of webhooks and of the calls that they received."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.core.api.serializers import AnyJson, InputSerializer, JsonObject
from apps.triggers.models import Webhook, WebhookCall
from apps.workflows.access import allows


class WebhooksQuery(InputSerializer):
    workflow = serializers.UUIDField(required=False)
    is_open = serializers.BooleanField(required=False)


class ListenInput(InputSerializer):
    workflow = serializers.UUIDField()
    node = serializers.CharField(
        max_length=64, required=False, default=None, help_text="Key; the only trigger.webhook where it is missing."
    )
    version = serializers.IntegerField(min_value=1, required=False, default=None, help_text="Number; the newest where it is missing.")


class CallsQuery(InputSerializer):
    webhook = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    execution = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(choices=WebhookCall.State.choices, required=False)
    method = serializers.CharField(max_length=8, required=False)
    dedup_key = serializers.CharField(max_length=255, required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    q = serializers.CharField(
        max_length=200, required=False, help_text="Stands in the path, query, headers or body; looked for in the newest 10,000."
    )


class WebhookOutput(serializers.ModelSerializer[Webhook]):
    workspace = serializers.UUIDField(source="workspace_id")
    workflow = serializers.UUIDField(source="workflow_id")
    workflow_name = serializers.CharField(source="workflow.name")
    node = serializers.CharField(source="node_key")
    url = serializers.SerializerMethodField(help_text="null for those who may not start the workflow: the address starts it.")
    test_url = serializers.SerializerMethodField(help_text="null for those who may not edit the workflow.")
    config = JsonObject()
    credential = serializers.UUIDField(source="credential_id", allow_null=True)
    lets_nobody_in = serializers.SerializerMethodField(help_text="The node names a credential that is gone.")

    class Meta:
        model = Webhook
        fields = [
            *("id", "workspace", "workflow", "workflow_name", "node", "is_open", "url", "test_url", "config", "credential"),
            *("lets_nobody_in", "listening_until", "created_at", "updated_at"),
        ]
        read_only_fields = fields

    def get_url(self, webhook: Webhook) -> str | None:
        return self._address(webhook, "call-webhook", Permission.WORKFLOW_RUN)

    def get_test_url(self, webhook: Webhook) -> str | None:
        return self._address(webhook, "call-test-webhook", Permission.WORKFLOW_EDIT)

    def get_lets_nobody_in(self, webhook: Webhook) -> bool:
        return webhook.needs_credential and webhook.credential_id is None

    def _address(self, webhook: Webhook, name: str, permission: Permission) -> str | None:
        request: Request = self.context["request"]
        if not isinstance(request.user, User) or not allows(request.user, webhook.workflow, permission):
            return None
        path = reverse(name, args=[webhook.token])
        return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path)


class ListedCallOutput(serializers.ModelSerializer[WebhookCall]):
    webhook = serializers.UUIDField(source="webhook_id")
    workflow = serializers.UUIDField(source="webhook.workflow_id")
    node = serializers.CharField(source="webhook.node_key")
    execution = serializers.UUIDField(source="execution_id", allow_null=True)
    execution_url = serializers.SerializerMethodField()
    replay_of = serializers.UUIDField(source="replay_of_id", allow_null=True)
    query = JsonObject()
    error = JsonObject(allow_null=True)

    class Meta:
        model = WebhookCall
        fields: tuple[str, ...] = (
            *("id", "webhook", "workflow", "node", "state", "method", "path", "query", "size_bytes", "ip", "dedup_key", "duplicates"),
            *("execution", "execution_url", "error", "replay_of", "created_at"),
        )
        read_only_fields = fields

    def get_execution_url(self, call: WebhookCall) -> str | None:
        return None if call.execution_id is None else reverse("execution", args=[call.execution_id])


class CallOutput(ListedCallOutput):
    headers = JsonObject()
    body = AnyJson()

    class Meta(ListedCallOutput.Meta):
        fields = (*ListedCallOutput.Meta.fields, "headers", "body")
        read_only_fields = fields


class ReplayedOutput(serializers.Serializer[Any]):
    execution = serializers.UUIDField()
