"""Tags over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.serializers import ErrorSerializer, InputSerializer
from apps.workflows import queries, tags
from apps.workflows.api.folders import ERRORS, WorkspaceQuery
from apps.workflows.api.serializers import TagOnWorkflowOutput
from apps.workflows.models import Tag
from apps.workflows.queries_tags import get_tag, list_tags

COLOUR = r"^#[0-9a-fA-F]{6}$"


class TagInput(InputSerializer):
    name = serializers.CharField(max_length=64)
    colour = serializers.RegexField(COLOUR, required=False, default=None, help_text="#rrggbb")
    workspace = serializers.UUIDField(required=False, default=None, help_text="The caller's personal one where it is missing.")


class TagChangeInput(InputSerializer):
    name = serializers.CharField(max_length=64, required=False, default=None)
    colour = serializers.RegexField(COLOUR, required=False, default=None, help_text="#rrggbb")


class MergeInput(InputSerializer):
    into = serializers.UUIDField(help_text="The tag that stays.")


class TagsInput(InputSerializer):
    tags = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=tags.MAX_TAGS_EACH, help_text="Names; new ones become tags of the workspace."
    )


class TagOutput(TagOnWorkflowOutput):
    workspace = serializers.UUIDField(source="workspace_id")
    workflow_count = serializers.IntegerField(help_text="Without the archived ones.")


class TagsOutput(serializers.Serializer[Any]):
    results = TagOutput(many=True)


class TagsOfWorkflowOutput(serializers.Serializer[Any]):
    tags = TagOnWorkflowOutput(many=True)


class TagsView(APIView):
    @extend_schema(operation_id="list_tags", tags=["tags"], parameters=[WorkspaceQuery], responses={200: TagsOutput})
    def get(self, request: Request) -> Response:
        """The tags of the caller's workspaces, by name."""
        rows = list_tags(request.user, WorkspaceQuery.read_query(request)["workspace"])
        return Response({"results": TagOutput(rows, many=True).data})

    @extend_schema(operation_id="create_tag", tags=["tags"], request=TagInput, responses={201: TagOutput, **ERRORS})
    def post(self, request: Request) -> Response:
        """Make a tag."""
        data = TagInput.read_body(request)
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.WORKFLOW_EDIT)
        tag = tags.create_tag(workspace=workspace, **data)
        return Response(_output(request, tag.pk), status=201, headers={"Location": f"{request.path}/{tag.id}"})


class TagView(APIView):
    @extend_schema(operation_id="get_tag", tags=["tags"], responses={200: TagOutput, 404: ErrorSerializer})
    def get(self, request: Request, tag_id: UUID) -> Response:
        """One tag."""
        return Response(_output(request, tag_id))

    @extend_schema(operation_id="update_tag", tags=["tags"], request=TagChangeInput, responses={200: TagOutput, **ERRORS})
    def patch(self, request: Request, tag_id: UUID) -> Response:
        """Rename or recolour it, wherever it is used."""
        tags.update_tag(tag=_to_change(request, tag_id), **TagChangeInput.read_body(request))
        return Response(_output(request, tag_id))

    @extend_schema(operation_id="delete_tag", tags=["tags"], responses={204: None, 403: ErrorSerializer, 404: ErrorSerializer})
    def delete(self, request: Request, tag_id: UUID) -> Response:
        """Take it off every workflow, and delete it."""
        tags.delete_tag(tag=_to_change(request, tag_id))
        return Response(status=204)


class MergeTagView(APIView):
    @extend_schema(operation_id="merge_tag", tags=["tags"], request=MergeInput, responses={200: TagOutput, **ERRORS})
    def post(self, request: Request, tag_id: UUID) -> Response:
        """Put another tag in its place everywhere, and delete it."""
        into = _to_change(request, MergeInput.read_body(request)["into"])
        tags.merge_tag(tag=_to_change(request, tag_id), into=into)
        return Response(_output(request, into.pk))


class WorkflowTagsView(APIView):
    @extend_schema(operation_id="tag_workflow", tags=["workflows"], request=TagsInput, responses={200: TagsOfWorkflowOutput, **ERRORS})
    def put(self, request: Request, workflow_id: UUID) -> Response:
        """Let a workflow have exactly these tags."""
        names = TagsInput.read_body(request)["tags"]
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT)
        found = tags.tag_workflow(workflow=workflow, names=names, tagged_by=request.user)
        return Response({"tags": TagOnWorkflowOutput(found, many=True).data})


def _to_change(request: Request, tag_id: UUID) -> Tag:
    return get_tag(request.user, tag_id, Permission.WORKFLOW_EDIT)


def _output(request: Request, tag_id: UUID) -> Any:
    return TagOutput(get_tag(request.user, tag_id)).data
