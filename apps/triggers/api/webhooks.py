"""Webhooks and their inbox over HTTP. Who may view a workflow sees that it has webhooks; who may see its executions sees what came."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.core.depth import depth_in
from apps.triggers.api.webhook_serializers import (
    CallOutput,
    CallsQuery,
    ListedCallOutput,
    ListenInput,
    ReplayedOutput,
    WebhookOutput,
    WebhooksQuery,
)
from apps.triggers.models import Webhook
from apps.triggers.webhooks import actions, listening, queries
from apps.workflows.access import require
from apps.workflows.queries import get_version, get_workflow

PAGE_PARAMETERS = frozenset({"cursor", "limit"})
REFUSED = {403: ErrorSerializer, 404: ErrorSerializer}
ERRORS = {**REFUSED, 409: ErrorSerializer, 422: ErrorSerializer}
_COLUMNS = {"workflow": "webhook__workflow"}


def _shown(request: Request, webhook: Webhook) -> Any:
    return WebhookOutput(webhook, context={"request": request}).data


class WebhooksView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_webhooks",
        tags=["webhooks"],
        parameters=[WebhooksQuery],
        responses={200: WebhookOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The webhooks of workflows that the caller may view, newest first."""
        only = WebhooksQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_webhooks(request.user, **only), request)
        return pages.get_paginated_response(WebhookOutput(rows, many=True, context={"request": request}).data)


class WebhookView(APIView):
    @extend_schema(operation_id="get_webhook", tags=["webhooks"], responses={200: WebhookOutput, **REFUSED})
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """One webhook."""
        return Response(_shown(request, queries.get_webhook(request.user, webhook_id)))


class ListenView(APIView):
    @extend_schema(operation_id="listen_webhook", tags=["webhooks"], request=ListenInput, responses={200: WebhookOutput, **ERRORS})
    def post(self, request: Request) -> Response:
        """Let the next call of the test address, within two minutes, be a test run. The version need not be published."""
        data = ListenInput.read_body(request)
        workflow = get_workflow(request.user, data["workflow"], Permission.WORKFLOW_EDIT)
        require(request.user, workflow, Permission.WORKFLOW_RUN)
        version = get_version(request.user, workflow.pk, data["version"]) if data["version"] is not None else None
        webhook = listening.listen(workflow=workflow, user=request.user, node_key=data["node"], version=version)
        return Response(_shown(request, webhook))


class StopListeningView(APIView):
    @extend_schema(operation_id="stop_listening_webhook", tags=["webhooks"], responses={200: WebhookOutput, **REFUSED})
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        """Stop listening at the test address."""
        webhook = queries.get_webhook(request.user, webhook_id, Permission.WORKFLOW_EDIT)
        return Response(_shown(request, listening.stop_listening(webhook=webhook)))


class ChangeAddressView(APIView):
    @extend_schema(operation_id="change_webhook_address", tags=["webhooks"], request=None, responses={200: WebhookOutput, **REFUSED})
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Give it another address. The one that it had is unknown from now on."""
        webhook = queries.get_webhook(request.user, webhook_id, Permission.WORKFLOW_EDIT)
        return Response(_shown(request, actions.change_address(webhook=webhook)))


class CallsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_webhook_calls",
        tags=["webhooks"],
        parameters=[CallsQuery],
        responses={200: ListedCallOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The inbox: what came and was let in, newest first."""
        query = dict(CallsQuery.read_query(request, besides=PAGE_PARAMETERS))
        times = {name: query.pop(name) for name in ("since", "until") if name in query}
        words = query.pop("q", None)
        only = {_COLUMNS.get(name, name): value for name, value in query.items()}
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_calls(request.user, words=words, **times, **only), request)
        return pages.get_paginated_response(ListedCallOutput(rows, many=True).data)


class CallView(APIView):
    @extend_schema(operation_id="get_webhook_call", tags=["webhooks"], responses={200: CallOutput, 404: ErrorSerializer})
    def get(self, request: Request, call_id: UUID) -> Response:
        """One call with its headers and body."""
        return Response(CallOutput(queries.get_call(request.user, call_id)).data)


class ReplayView(APIView):
    @extend_schema(operation_id="replay_webhook_call", tags=["webhooks"], request=None, responses={202: ReplayedOutput, **ERRORS})
    def post(self, request: Request, call_id: UUID) -> Response:
        """Start the published version once more with this call. 409: the workflow is not published with this webhook."""
        call = queries.get_call(request.user, call_id)
        require(request.user, call.webhook.workflow, Permission.WORKFLOW_RUN)
        started = actions.replay_call(call=call, user=request.user, depth=depth_in(request.headers))
        return Response({"execution": started.execution_id}, status=202)
