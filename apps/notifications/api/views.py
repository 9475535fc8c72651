"""Deliveries and signing keys over HTTP."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.notifications import delivering, handoff, keys, queries
from apps.notifications.api.serializers import DeliveriesQuery, DeliveryOutput, NewSigningKeyOutput, SigningKeyOutput

PAGE_PARAMETERS = frozenset({"cursor", "limit"})
ERRORS = {403: ErrorSerializer, 404: ErrorSerializer}


class DeliveriesView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_notifications",
        tags=["notifications"],
        parameters=[DeliveriesQuery],
        responses={200: DeliveryOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """What was told, or is to be told, about executions that the caller may see; newest first."""
        filters = DeliveriesQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_deliveries(request.user, **filters), request)
        return pages.get_paginated_response(DeliveryOutput(rows, many=True).data)


class RedeliverView(APIView):
    @extend_schema(
        operation_id="redeliver_notification",
        tags=["notifications"],
        request=None,
        responses={200: DeliveryOutput, 409: ErrorSerializer, **ERRORS},
    )
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Send it again, under the same id, though it was delivered or given up."""
        delivery = queries.get_delivery(request.user, delivery_id)
        queries.check_redeliverable(request.user, delivery)
        delivering.redeliver(delivery_id=delivery.pk)
        handoff.send([delivery.pk])
        return Response(DeliveryOutput(queries.get_delivery(request.user, delivery_id)).data)


class SigningKeyView(APIView):
    @extend_schema(operation_id="get_signing_key", tags=["notifications"], responses={200: SigningKeyOutput, **ERRORS})
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """Since when the key of the workspace signs its webhooks; never the key itself."""
        workspace = get_workspace(request.user, workspace_id, Permission.WORKSPACE_MANAGE)
        return Response(SigningKeyOutput(keys.find_key(workspace) or {"made_at": None, "former_until": None}).data)

    @extend_schema(operation_id="change_signing_key", tags=["notifications"], request=None, responses={201: NewSigningKeyOutput, **ERRORS})
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Make a new key, and show it this once. The former one signs beside it for 24 hours."""
        workspace = get_workspace(request.user, workspace_id, Permission.WORKSPACE_MANAGE)
        key, secret = keys.change_key(workspace=workspace)
        body = {"made_at": key.made_at, "former_until": key.former_until, "secret": secret}
        return Response(NewSigningKeyOutput(body).data, status=201)
