"""Shares and links over HTTP, for those who may share."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer, InputSerializer
from apps.workflows import links, queries, sharing
from apps.workflows.api.lookup import find_person
from apps.workflows.levels import LINK_LEVELS, Level
from apps.workflows.models import Folder, Grant, ShareLink, Workflow
from apps.workflows.queries_folders import get_folder
from apps.workflows.queries_sharing import get_link_of, get_share, list_links, list_shares

NOT_FOUND = {403: ErrorSerializer, 404: ErrorSerializer}
ERRORS = {**NOT_FOUND, 409: ErrorSerializer, 422: ErrorSerializer}
LEVELS = [level.value for level in Level]
MAX_USES = 1_000_000


class ShareInput(InputSerializer):
    user = serializers.CharField(
        max_length=254, required=False, default=None, help_text="Username or id; the e-mail address of somebody in a workspace of yours."
    )
    team = serializers.CharField(max_length=64, required=False, default=None, help_text="Name or id of a team of the workspace.")
    level = serializers.ChoiceField(choices=LEVELS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["user"] is None) == (attrs["team"] is None):
            raise serializers.ValidationError("Expected either 'user' or 'team'.")
        return attrs


class ShareChangeInput(InputSerializer):
    level = serializers.ChoiceField(choices=LEVELS)


class ShareePersonOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    username = serializers.CharField()


class NamedOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class ShareOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    user = ShareePersonOutput(allow_null=True)
    team = NamedOutput(allow_null=True)
    level = serializers.ChoiceField(choices=LEVELS)
    folder = NamedOutput(source="shown_folder", allow_null=True, help_text="The folder around it that was shared; null: it was itself.")
    granted_by = ShareePersonOutput(allow_null=True)
    created_at = serializers.DateTimeField()


class SharesOutput(serializers.Serializer[Any]):
    results = ShareOutput(many=True)


class LinkInput(InputSerializer):
    level = serializers.ChoiceField(
        choices=[level.value for level in LINK_LEVELS],
        help_text="viewer: see the definition; executor: start; editor: whoever logs in may take a share as editor.",
    )
    label = serializers.CharField(max_length=128, required=False, default="", allow_blank=True, help_text="Whom it is for.")
    password = serializers.CharField(max_length=256, min_length=8, required=False, allow_null=True, default=None, trim_whitespace=False)
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="It opens nothing from then on. Null: never."
    )
    max_uses = serializers.IntegerField(
        min_value=1, max_value=MAX_USES, required=False, allow_null=True, default=None, help_text="Null: without limit."
    )

    def validate_expires_at(self, value: Any) -> Any:
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("Expected an instant in the future.")
        return value


class LinkOutput(serializers.ModelSerializer[ShareLink]):
    created_by = ShareePersonOutput(allow_null=True)
    has_password = serializers.SerializerMethodField()

    class Meta:
        model = ShareLink
        fields = [
            "id",
            "level",
            "label",
            "has_password",
            "expires_at",
            "max_uses",
            "uses",
            "last_used_at",
            "revoked_at",
            "created_by",
            "created_at",
        ]
        read_only_fields = fields

    def get_has_password(self, link: ShareLink) -> bool:
        return bool(link.password)


class MadeLinkOutput(LinkOutput):
    token = serializers.CharField(help_text="Told this once: only its hash is kept.")
    url = serializers.CharField(help_text="What to pass on.")

    class Meta(LinkOutput.Meta):
        fields = [*LinkOutput.Meta.fields, "token", "url"]
        read_only_fields = fields


def _share_output(grant: Any, thing: Workflow | Folder) -> dict[str, Any]:
    grant.shown_folder = grant.folder if grant.folder_id is not None and grant.folder_id != thing.pk else None
    return ShareOutput(grant).data


class _SharesView(APIView):
    def thing(self, request: Request, thing_id: UUID) -> Workflow | Folder:
        raise NotImplementedError

    def _list(self, request: Request, thing_id: UUID) -> Response:
        thing = self.thing(request, thing_id)
        return Response({"results": [_share_output(grant, thing) for grant in list_shares(request.user, thing)]})

    def _share(self, request: Request, thing_id: UUID) -> Response:
        data = ShareInput.read_body(request)
        thing = self.thing(request, thing_id)
        user = None if data["user"] is None else find_person(request, data["user"])
        team = None if data["team"] is None else sharing.get_team(request.user, thing, data["team"])
        grant, is_new = sharing.share(thing=thing, level=Level(data["level"]), shared_by=request.user, user=user, team=team)
        body = _share_output(get_share(thing, grant.pk), thing)
        return Response(body, status=201 if is_new else 200, headers={"Location": f"{request.path}/{grant.pk}"})

    def _change(self, request: Request, thing_id: UUID, share_id: UUID) -> Response:
        level = Level(ShareChangeInput.read_body(request)["level"])
        thing = self.thing(request, thing_id)
        grant: Grant = get_share(thing, share_id)
        return Response(_share_output(sharing.change_share(grant=grant, thing=thing, level=level, changed_by=request.user), thing))

    def _unshare(self, request: Request, thing_id: UUID, share_id: UUID) -> Response:
        sharing.unshare(grant=get_share(self.thing(request, thing_id), share_id))
        return Response(status=204)


class _OfWorkflow(_SharesView):
    def thing(self, request: Request, thing_id: UUID) -> Workflow:
        return queries.get_workflow(request.user, thing_id, Permission.WORKFLOW_MANAGE)


class _OfFolder(_SharesView):
    def thing(self, request: Request, thing_id: UUID) -> Folder:
        return get_folder(request.user, thing_id, Permission.WORKFLOW_MANAGE)


class WorkflowSharesView(_OfWorkflow):
    @extend_schema(operation_id="list_workflow_shares", tags=["sharing"], responses={200: SharesOutput, **NOT_FOUND})
    def get(self, request: Request, workflow_id: UUID) -> Response:
        """With whom it is shared, how far and by whom; with what it has from folders around it."""
        return self._list(request, workflow_id)

    @extend_schema(
        operation_id="share_workflow", tags=["sharing"], request=ShareInput, responses={200: ShareOutput, 201: ShareOutput, **ERRORS}
    )
    def post(self, request: Request, workflow_id: UUID) -> Response:
        """Share it with a person or team: 201; or change how far it is shared with them: 200. Nobody shares more than they may do."""
        return self._share(request, workflow_id)


class WorkflowShareView(_OfWorkflow):
    @extend_schema(operation_id="change_workflow_share", tags=["sharing"], request=ShareChangeInput, responses={200: ShareOutput, **ERRORS})
    def patch(self, request: Request, workflow_id: UUID, share_id: UUID) -> Response:
        """Change how far it is shared."""
        return self._change(request, workflow_id, share_id)

    @extend_schema(operation_id="unshare_workflow", tags=["sharing"], responses={204: None, **NOT_FOUND})
    def delete(self, request: Request, workflow_id: UUID, share_id: UUID) -> Response:
        """Take the share back."""
        return self._unshare(request, workflow_id, share_id)


class FolderSharesView(_OfFolder):
    @extend_schema(operation_id="list_folder_shares", tags=["sharing"], responses={200: SharesOutput, **NOT_FOUND})
    def get(self, request: Request, folder_id: UUID) -> Response:
        """With whom it is shared, with all that lies in it; with what it has from folders around it."""
        return self._list(request, folder_id)

    @extend_schema(
        operation_id="share_folder", tags=["sharing"], request=ShareInput, responses={200: ShareOutput, 201: ShareOutput, **ERRORS}
    )
    def post(self, request: Request, folder_id: UUID) -> Response:
        """Share it, with all that lies in it now or later: 201; or change how far it is shared: 200."""
        return self._share(request, folder_id)


class FolderShareView(_OfFolder):
    @extend_schema(operation_id="change_folder_share", tags=["sharing"], request=ShareChangeInput, responses={200: ShareOutput, **ERRORS})
    def patch(self, request: Request, folder_id: UUID, share_id: UUID) -> Response:
        """Change how far it is shared."""
        return self._change(request, folder_id, share_id)

    @extend_schema(operation_id="unshare_folder", tags=["sharing"], responses={204: None, **NOT_FOUND})
    def delete(self, request: Request, folder_id: UUID, share_id: UUID) -> Response:
        """Take the share back."""
        return self._unshare(request, folder_id, share_id)


class LinksView(_OfWorkflow):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_links", tags=["sharing"], responses={200: LinkOutput(many=True), **NOT_FOUND})
    def get(self, request: Request, workflow_id: UUID) -> Response:
        """The links of a workflow, revoked ones too, newest first, without their addresses."""
        pages = self.pagination_class()
        rows = pages.paginate_queryset(list_links(self.thing(request, workflow_id)), request)
        return pages.get_paginated_response(LinkOutput(rows, many=True).data)

    @extend_schema(operation_id="create_link", tags=["sharing"], request=LinkInput, responses={201: MadeLinkOutput, **ERRORS})
    def post(self, request: Request, workflow_id: UUID) -> Response:
        """Make a link. The answer has its address, which is told this once."""
        data = LinkInput.read_body(request)
        level = Level(data.pop("level"))
        made = links.create_link(workflow=self.thing(request, workflow_id), level=level, created_by=request.user, **data)
        url = request.build_absolute_uri(f"/api/v1/shared/{made.token}")
        body = {**LinkOutput(made.link).data, "token": made.token, "url": url}
        return Response(body, status=201, headers={"Cache-Control": "no-store", "Location": f"{request.path}/{made.link.pk}"})


class LinkView(_OfWorkflow):
    @extend_schema(operation_id="get_link", tags=["sharing"], responses={200: LinkOutput, **NOT_FOUND})
    def get(self, request: Request, workflow_id: UUID, link_id: UUID) -> Response:
        """One link, without its address."""
        return Response(LinkOutput(get_link_of(self.thing(request, workflow_id), link_id)).data)

    @extend_schema(operation_id="revoke_link", tags=["sharing"], responses={204: None, **NOT_FOUND})
    def delete(self, request: Request, workflow_id: UUID, link_id: UUID) -> Response:
        """Revoke it: from now on it opens nothing. It stays in the list."""
        links.revoke_link(link=get_link_of(self.thing(request, workflow_id), link_id))
        return Response(status=204)
