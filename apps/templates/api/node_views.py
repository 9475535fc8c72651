"""Node templates over HTTP."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.templates import actions, queries
from apps.templates.api.serializers import NodeTemplateChangeInput, NodeTemplateInput, NodeTemplateOutput, NodeTemplatesInput
from apps.workflows.api.bodies import DefinitionView

TAGS = ["node templates"]
REFUSED = {403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}


class NodeTemplatesView(DefinitionView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_node_templates",
        tags=TAGS,
        parameters=[NodeTemplatesInput],
        responses={200: NodeTemplateOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The configured nodes that the caller's workspaces keep for reuse, newest first."""
        asked = NodeTemplatesInput.read_query(request, besides=frozenset({"cursor", "limit"}))
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_node_templates(request.user, **asked), request)
        return pages.get_paginated_response(NodeTemplateOutput(rows, many=True).data)

    @extend_schema(
        operation_id="create_node_template",
        tags=TAGS,
        request={"application/json": NodeTemplateInput, "application/yaml": NodeTemplateInput},
        responses={201: NodeTemplateOutput, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        """Keep a configured node. Its config is checked as far as its expressions allow."""
        data = NodeTemplateInput.read_body(request)
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.TEMPLATE_MANAGE)
        made = actions.create_node_template(workspace=workspace, created_by=request.user, **data)
        return Response(NodeTemplateOutput(made).data, status=201, headers={"Location": f"{request.path}/{made.id}"})


class NodeTemplateView(DefinitionView):
    @extend_schema(operation_id="get_node_template", tags=TAGS, responses={200: NodeTemplateOutput, 404: ErrorSerializer})
    def get(self, request: Request, node_template_id: UUID) -> Response:
        """One node template."""
        return Response(NodeTemplateOutput(queries.get_node_template(request.user, node_template_id)).data)

    @extend_schema(
        operation_id="update_node_template",
        tags=TAGS,
        request={"application/json": NodeTemplateChangeInput, "application/yaml": NodeTemplateChangeInput},
        responses={200: NodeTemplateOutput, **REFUSED},
    )
    def patch(self, request: Request, node_template_id: UUID) -> Response:
        """Change a node template; nodes that were made of it stay as they are."""
        found = queries.get_managed_node_template(request.user, node_template_id)
        changed = actions.update_node_template(node_template=found, **NodeTemplateChangeInput.read_body(request))
        return Response(NodeTemplateOutput(changed).data)

    @extend_schema(operation_id="delete_node_template", tags=TAGS, responses={204: None, 403: ErrorSerializer, 404: ErrorSerializer})
    def delete(self, request: Request, node_template_id: UUID) -> Response:
        """Delete a node template."""
        actions.delete_node_template(node_template=queries.get_managed_node_template(request.user, node_template_id))
        return Response(status=204)
