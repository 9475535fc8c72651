"""Folders over HTTP."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.serializers import ErrorSerializer, InputSerializer
from apps.workflows import folders
from apps.workflows.models import Folder
from apps.workflows.queries_folders import get_folder, list_folders, permissions_on_folder, shown_path

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}
TOP = "none"


class WorkspaceQuery(InputSerializer):
    workspace = serializers.UUIDField(required=False, default=None, help_text="Only of this one.")


class FolderInput(InputSerializer):
    name = serializers.CharField(max_length=128)
    parent = serializers.UUIDField(required=False, allow_null=True, default=None, help_text="The folder around it; null: none.")
    workspace = serializers.UUIDField(
        required=False, default=None, help_text="The parent's where there is one, else the caller's personal one."
    )


class FolderChangeInput(InputSerializer):
    name = serializers.CharField(max_length=128, required=False)
    parent = serializers.UUIDField(required=False, allow_null=True, help_text="Where to move it; null: to the top.")


class DeleteFolderQuery(InputSerializer):
    move_to = serializers.CharField(
        max_length=64, required=False, default=None, help_text='The folder that takes what is in it, or "none": no folder.'
    )

    def validate_move_to(self, value: str | None) -> Any:
        return value if value in (None, TOP) else serializers.UUIDField().run_validation(value)


class FolderOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    workspace = serializers.UUIDField()
    parent = serializers.UUIDField(allow_null=True, help_text="Null also where the caller may not know of it.")
    name = serializers.CharField()
    depth = serializers.IntegerField(help_text="1 at the top, as far as the caller sees.")
    workflow_count = serializers.IntegerField(help_text="Directly in it, without the archived ones.")
    permissions = serializers.ListField(child=serializers.CharField(), help_text="What the caller may do with what is in it.")


class FoldersOutput(serializers.Serializer[Any]):
    results = FolderOutput(many=True)


def shown(user: User, rows: Sequence[Folder]) -> list[dict[str, Any]]:
    """As FolderOutput has them; from what was read already."""
    return [_shown(user, folder) for folder in rows]


def _shown(user: User, folder: Any) -> dict[str, Any]:
    path = shown_path(user, folder)
    return {
        "id": folder.id,
        "workspace": folder.workspace_id,
        "parent": folder.parent_id if folder.parent_id in path else None,
        "name": folder.name,
        "depth": len(path),
        "workflow_count": folder.workflow_count,
        "permissions": sorted(permissions_on_folder(user, folder)),
    }


class FoldersView(APIView):
    @extend_schema(operation_id="list_folders", tags=["folders"], parameters=[WorkspaceQuery], responses={200: FoldersOutput})
    def get(self, request: Request) -> Response:
        """All folders that the caller may see, by name: a tree, flat, each with the folder around it."""
        rows = list(list_folders(request.user, WorkspaceQuery.read_query(request)["workspace"]))
        return Response({"results": shown(request.user, rows)})

    @extend_schema(operation_id="create_folder", tags=["folders"], request=FolderInput, responses={201: FolderOutput, **ERRORS})
    def post(self, request: Request) -> Response:
        """Make a folder."""
        data = FolderInput.read_body(request)
        parent = get_folder(request.user, data["parent"], Permission.WORKFLOW_EDIT) if data["parent"] else None
        if parent is not None and data["workspace"] in (None, parent.workspace_id):
            workspace = parent.workspace
        else:
            workspace = get_workspace(request.user, data["workspace"], Permission.WORKFLOW_EDIT)
        folder = folders.create_folder(workspace=workspace, name=data["name"], parent=parent)
        body = shown(request.user, [_read(request.user, folder)])[0]
        return Response(body, status=201, headers={"Location": f"{request.path}/{folder.id}"})


class FolderView(APIView):
    @extend_schema(operation_id="get_folder", tags=["folders"], responses={200: FolderOutput, 404: ErrorSerializer})
    def get(self, request: Request, folder_id: UUID) -> Response:
        """One folder."""
        return Response(shown(request.user, [get_folder(request.user, folder_id)])[0])

    @extend_schema(operation_id="update_folder", tags=["folders"], request=FolderChangeInput, responses={200: FolderOutput, **ERRORS})
    def patch(self, request: Request, folder_id: UUID) -> Response:
        """Rename it, or move it with all that is in it. Where others would come to see it by that, the right to share is needed."""
        data = FolderChangeInput.read_body(request)
        folder = get_folder(request.user, folder_id, Permission.WORKFLOW_EDIT)
        if "parent" in data:
            parent = _target(request.user, folder, data["parent"])
            folders.move_folder(folder=folder, parent=parent, moved_by=request.user)
        if "name" in data:
            folders.rename_folder(folder=folder, name=data["name"])
        return Response(shown(request.user, [get_folder(request.user, folder_id)])[0])

    @extend_schema(operation_id="delete_folder", tags=["folders"], parameters=[DeleteFolderQuery], responses={204: None, **ERRORS})
    def delete(self, request: Request, folder_id: UUID) -> Response:
        """Delete an empty folder; with `move_to` also one that is not, whose content goes there."""
        move_to = DeleteFolderQuery.read_query(request)["move_to"]
        folder = get_folder(request.user, folder_id, Permission.WORKFLOW_EDIT)
        target = None if move_to is None else _target(request.user, folder, None if move_to == TOP else move_to)
        folders.delete_folder(folder=folder, deleted_by=request.user, move_to=target, to_top=move_to == TOP)
        return Response(status=204)


def _target(user: User, folder: Folder, parent_id: UUID | None) -> Folder | None:
    """The folder to move into; None is the top of the workspace, where its members alone put folders."""
    if parent_id is not None:
        return get_folder(user, parent_id, Permission.WORKFLOW_EDIT)
    get_workspace(user, folder.workspace_id, Permission.WORKFLOW_EDIT)
    return None


def _read(user: User, folder: Folder) -> Folder:
    user.__dict__.pop("_shared_with", None)  # the new one may lie in a shared one
    return get_folder(user, folder.pk)
