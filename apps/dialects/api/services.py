"""Registered services over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer, InputSerializer, JsonObject
from apps.dialects.models import Service
from apps.dialects.services import actions

TAGS = ["services"]
PAGE_PARAMETERS = frozenset({"cursor", "limit"})
ERRORS = dict.fromkeys((403, 404, 409, 422), ErrorSerializer)
METHODS = 'Of `http`: {method: {"path", "http_method"}}; empty: POST to <base_url>/<method>. Of `function`: {method: name of a function}.'


class WorkspaceQuery(InputSerializer):
    workspace = serializers.UUIDField(required=False, default=None)


class ServiceChangeInput(InputSerializer):
    name = serializers.CharField(max_length=128, required=False)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    base_url = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    credential = serializers.UUIDField(required=False, allow_null=True, help_text="Goes with every call, where its hosts allow.")
    methods = JsonObject(required=False, help_text=METHODS)


class ServiceInput(ServiceChangeInput):
    name = serializers.CharField(max_length=128)
    kind = serializers.ChoiceField(choices=Service.Kind.choices, required=False, default=Service.Kind.HTTP.value)
    workspace = serializers.UUIDField(required=False, default=None, help_text="The caller's personal one where it is missing.")


class ServiceOutput(serializers.ModelSerializer[Service]):
    workspace = serializers.UUIDField(source="workspace_id")
    credential = serializers.UUIDField(source="credential_id", allow_null=True)
    methods = JsonObject(help_text=METHODS)

    class Meta:
        model = Service
        fields = ["id", "workspace", "name", "description", "kind", "base_url", "credential", "methods", "created_at", "updated_at"]
        read_only_fields = fields


class ServicesView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_services",
        tags=TAGS,
        parameters=[WorkspaceQuery],
        responses={200: ServiceOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The services of the caller's workspaces, newest first."""
        query = WorkspaceQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(actions.list_services(request.user, workspace_id=query["workspace"]), request)
        return pages.get_paginated_response(ServiceOutput(rows, many=True).data)

    @extend_schema(operation_id="create_service", tags=TAGS, request=ServiceInput, responses={201: ServiceOutput, **ERRORS})
    def post(self, request: Request) -> Response:
        """Register a service: steps of type `service_task` call it by its name."""
        data: dict[str, Any] = dict(ServiceInput.read_body(request))
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.WORKFLOW_EDIT)
        made = actions.create_service(workspace=workspace, created_by=request.user, **data)
        return Response(ServiceOutput(made).data, status=201, headers={"Location": f"{request.path}/{made.pk}"})


class ServiceView(APIView):
    @extend_schema(operation_id="get_service", tags=TAGS, responses={200: ServiceOutput, 404: ErrorSerializer})
    def get(self, request: Request, service_id: UUID) -> Response:
        """One service."""
        return Response(ServiceOutput(actions.get_service(request.user, service_id)).data)

    @extend_schema(operation_id="update_service", tags=TAGS, request=ServiceChangeInput, responses={200: ServiceOutput, **ERRORS})
    def patch(self, request: Request, service_id: UUID) -> Response:
        """Change it. Whatever calls it from now on finds it as it is then."""
        service = actions.get_service(request.user, service_id, Permission.WORKFLOW_EDIT)
        data = dict(ServiceChangeInput.read_body(request))
        return Response(ServiceOutput(actions.update_service(service=service, changed_by=request.user, **data)).data)

    @extend_schema(operation_id="delete_service", tags=TAGS, responses={204: None, **ERRORS})
    def delete(self, request: Request, service_id: UUID) -> Response:
        """Delete it. Steps that name it fail from then on."""
        actions.delete_service(service=actions.get_service(request.user, service_id, Permission.WORKFLOW_EDIT))
        return Response(status=204)
