"""Over HTTP: favourites, the archive, whose a workflow is, and how many there are of what."""

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
from apps.workflows import favourites, ownership, queries
from apps.workflows.access import NotAllowedError
from apps.workflows.api.filters import GroupsQuery, filters_of, read
from apps.workflows.api.lookup import find_person
from apps.workflows.api.serializers import WorkflowOutput
from apps.workflows.listing import count_by_folder, count_by_tag

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}


class OwnerInput(InputSerializer):
    user = serializers.CharField(max_length=254, help_text="Username or id of a member of its workspace.")


class TransferInput(InputSerializer):
    workspace = serializers.UUIDField(help_text="Where it goes.")


class GroupOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    colour = serializers.CharField(required=False, help_text="Of tags.")
    count = serializers.IntegerField()


class GroupsOutput(serializers.Serializer[Any]):
    results = GroupOutput(many=True)


class WorkflowGroupsView(APIView):
    @extend_schema(
        operation_id="count_workflows",
        tags=["workflows"],
        parameters=[GroupsQuery],
        responses={200: GroupsOutput, 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """How many workflows that fit the filters have each tag, or lie in each folder, the most frequent first."""
        data = read(request, GroupsQuery)
        count = {"tag": count_by_tag, "folder": count_by_folder}[data.pop("by")]
        return Response({"results": count(request.user, filters_of(data))})


class FavouriteView(APIView):
    @extend_schema(operation_id="add_favourite", tags=["workflows"], request=None, responses={204: None, 404: ErrorSerializer})
    def put(self, request: Request, workflow_id: UUID) -> Response:
        """Make it a favourite of the caller."""
        favourites.add_favourite(workflow=queries.get_workflow(request.user, workflow_id), user=request.user)
        return Response(status=204)

    @extend_schema(operation_id="remove_favourite", tags=["workflows"], responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, workflow_id: UUID) -> Response:
        """It is no favourite any more."""
        favourites.remove_favourite(workflow=queries.get_workflow(request.user, workflow_id), user=request.user)
        return Response(status=204)


class ArchiveView(APIView):
    @extend_schema(
        operation_id="archive_workflow",
        tags=["workflows"],
        request=None,
        responses={200: WorkflowOutput, 403: ErrorSerializer, 404: ErrorSerializer},
    )
    def post(self, request: Request, workflow_id: UUID) -> Response:
        """Put it away: lists leave it out, and nothing starts it. Executions under way go on."""
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT)
        return Response(WorkflowOutput(favourites.archive_workflow(workflow=workflow)).data)


class UnarchiveView(APIView):
    @extend_schema(
        operation_id="unarchive_workflow",
        tags=["workflows"],
        request=None,
        responses={200: WorkflowOutput, 403: ErrorSerializer, 404: ErrorSerializer},
    )
    def post(self, request: Request, workflow_id: UUID) -> Response:
        """Take it out of the archive, as it was."""
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT)
        return Response(WorkflowOutput(favourites.unarchive_workflow(workflow=workflow)).data)


class OwnerView(APIView):
    @extend_schema(operation_id="change_owner", tags=["workflows"], request=OwnerInput, responses={200: WorkflowOutput, **ERRORS})
    def put(self, request: Request, workflow_id: UUID) -> Response:
        """Hand it over to another member of its workspace, who may then share and delete it whatever their role."""
        named = OwnerInput.read_body(request)["user"]
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_MANAGE)
        ownership.change_owner(workflow=workflow, owner=find_person(request, named), granted_by=request.user)
        return Response(WorkflowOutput(queries.get_workflow(request.user, workflow_id)).data)


class TransferView(APIView):
    @extend_schema(operation_id="transfer_workflow", tags=["workflows"], request=TransferInput, responses={200: WorkflowOutput, **ERRORS})
    def post(self, request: Request, workflow_id: UUID) -> Response:
        """Move a workflow that never ran, with its versions, to another workspace. Shares, links, tags and its folder stay behind."""
        target = TransferInput.read_body(request)["workspace"]
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_MANAGE)
        # A share, even as owner, lets nobody carry a workflow out of the workspace.
        if not request.user.access.allows(workflow.workspace_id, Permission.WORKFLOW_MANAGE):
            raise NotAllowedError("Only members of its workspace may transfer a workflow.", permission=Permission.WORKFLOW_MANAGE)
        workspace = get_workspace(request.user, target, Permission.WORKFLOW_CREATE)
        ownership.transfer_workflow(workflow=workflow, to=workspace, transferred_by=request.user)
        return Response(WorkflowOutput(queries.get_workflow(request.user, workflow_id)).data)
