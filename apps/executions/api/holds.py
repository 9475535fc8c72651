"""Holds over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer, InputSerializer
from apps.executions import holds
from apps.executions.models import Hold

PAGE_PARAMETERS = frozenset({"cursor", "limit"})
REFUSED = {403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer}


class HoldInput(InputSerializer):
    scope = serializers.ChoiceField(choices=Hold.Scope.choices)
    workflow = serializers.UUIDField(required=False, default=None, help_text="Of the scopes node and workflow.")
    node = serializers.CharField(max_length=64, required=False, default="", help_text="Key of the node, of the scope node.")
    workspace = serializers.UUIDField(required=False, default=None, help_text="Of the scope workspace.")
    reason = serializers.CharField(max_length=500, help_text="Shown to everybody whose executions stand still.")
    until = serializers.DateTimeField(required=False, default=None, help_text="When it ends by itself.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        wanted = {"node": {"workflow", "node"}, "workflow": {"workflow"}, "workspace": {"workspace"}, "installation": set[str]()}[
            attrs["scope"]
        ]
        for name in ("workflow", "node", "workspace"):
            if bool(attrs[name]) != (name in wanted):
                message = f"Expected one for the scope '{attrs['scope']}'." if name in wanted else f"Not for the scope '{attrs['scope']}'."
                raise serializers.ValidationError({name: [message]})
        return attrs


class HoldsQuery(InputSerializer):
    workflow = serializers.UUIDField(required=False)
    workspace = serializers.UUIDField(required=False)
    in_force = serializers.BooleanField(required=False, help_text="true: without those that were released; false: these alone.")


class HoldOutput(serializers.ModelSerializer[Hold]):
    scope = serializers.ChoiceField(choices=Hold.Scope.choices)
    workspace = serializers.UUIDField(source="workspace_id", allow_null=True)
    workflow = serializers.UUIDField(source="workflow_id", allow_null=True)
    node = serializers.CharField(source="node_key")
    by = serializers.CharField(source="created_by.username", default=None, allow_null=True, help_text="Username.")
    since = serializers.DateTimeField(source="created_at")
    released_by = serializers.CharField(
        source="released_by.username", default=None, allow_null=True, help_text="Username; null where its time was over."
    )

    class Meta:
        model = Hold
        fields = ["id", "scope", "workspace", "workflow", "node", "reason", "by", "since", "until", "released_at", "released_by"]
        read_only_fields = fields


class HoldsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_holds", tags=["holds"], parameters=[HoldsQuery], responses={200: HoldOutput(many=True), 422: ErrorSerializer}
    )
    def get(self, request: Request) -> Response:
        """The holds that concern the caller, newest first."""
        query = HoldsQuery.read_query(request, besides=PAGE_PARAMETERS)
        found = holds.list_holds(request.user).filter(**{f"{name}_id": query[name] for name in ("workflow", "workspace") if name in query})
        if "in_force" in query:
            found = found.filter(released_at__isnull=query["in_force"])
        pages = self.pagination_class()
        rows = pages.paginate_queryset(found, request)
        return pages.get_paginated_response(HoldOutput(rows, many=True).data)

    @extend_schema(operation_id="hold", tags=["holds"], request=HoldInput, responses={201: HoldOutput, **REFUSED})
    def post(self, request: Request) -> Response:
        """Let nothing of it begin. What runs finishes; starts are accepted, and what is ready waits as queued."""
        data = HoldInput.read_body(request)
        workspace, workflow = holds.get_target(request.user, workflow_id=data["workflow"], workspace_id=data["workspace"])
        made = holds.hold(
            workspace=workspace,
            workflow=workflow,
            node_key=data["node"],
            reason=data["reason"],
            until=data["until"],
            held_by=request.user,
        )
        return Response(HoldOutput(made).data, status=201)


class HoldView(APIView):
    @extend_schema(operation_id="get_hold", tags=["holds"], responses={200: HoldOutput, 404: ErrorSerializer})
    def get(self, request: Request, hold_id: UUID) -> Response:
        """One hold."""
        return Response(HoldOutput(holds.get_hold(request.user, hold_id)).data)

    @extend_schema(operation_id="release_hold", tags=["holds"], responses={204: None, 409: ErrorSerializer, **REFUSED})
    def delete(self, request: Request, hold_id: UUID) -> Response:
        """Release it: what it kept back is sent at once. It stays in the list. 409: it was released before."""
        found = holds.get_hold(request.user, hold_id)
        holds.check_may_release(request.user, found)
        holds.release(hold=found, released_by=request.user)
        return Response(status=204)
