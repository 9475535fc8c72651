"""Teams of a workspace over HTTP."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.tenancy.serializers import TeamChangeInput, TeamInput, TeamMemberOutput, TeamOutput
from apps.accounts.models import Team
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.accounts.tenancy import teams
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer}
REFUSED = {409: ErrorSerializer, 422: ErrorSerializer, **ERRORS}


class _TeamView(APIView):
    def _team(self, request: Request, workspace_id: UUID, team_id: UUID, permission: Permission) -> Team:
        return teams.get_team(request.user, get_workspace(request.user, workspace_id, permission), team_id)


class TeamsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_teams", tags=["workspaces"], responses={200: TeamOutput(many=True), **ERRORS})
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """The teams of a workspace, newest first."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_VIEW)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(teams.list_teams(request.user, workspace), request)
        return pages.get_paginated_response(TeamOutput(rows, many=True).data)

    @extend_schema(operation_id="create_team", tags=["workspaces"], request=TeamInput, responses={201: TeamOutput, **REFUSED})
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Make a team."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_MANAGE)
        made = teams.create_team(workspace=workspace, **TeamInput.read_body(request))
        team = teams.get_team(request.user, workspace, made.pk)
        return Response(TeamOutput(team).data, status=201, headers={"Location": f"{request.path}/{team.pk}"})


class TeamView(_TeamView):
    @extend_schema(operation_id="get_team", tags=["workspaces"], responses={200: TeamOutput, **ERRORS})
    def get(self, request: Request, workspace_id: UUID, team_id: UUID) -> Response:
        """One team."""
        return Response(TeamOutput(self._team(request, workspace_id, team_id, Permission.MEMBER_VIEW)).data)

    @extend_schema(operation_id="update_team", tags=["workspaces"], request=TeamChangeInput, responses={200: TeamOutput, **REFUSED})
    def patch(self, request: Request, workspace_id: UUID, team_id: UUID) -> Response:
        """Rename or describe a team."""
        team = self._team(request, workspace_id, team_id, Permission.MEMBER_MANAGE)
        return Response(TeamOutput(teams.update_team(team=team, **TeamChangeInput.read_body(request))).data)

    @extend_schema(operation_id="delete_team", tags=["workspaces"], responses={204: None, **ERRORS})
    def delete(self, request: Request, workspace_id: UUID, team_id: UUID) -> Response:
        """Delete a team. What was shared with it is not shared with its members any more."""
        teams.delete_team(team=self._team(request, workspace_id, team_id, Permission.MEMBER_MANAGE))
        return Response(status=204)


class TeamMembersView(_TeamView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_team_members", tags=["workspaces"], responses={200: TeamMemberOutput(many=True), **ERRORS})
    def get(self, request: Request, workspace_id: UUID, team_id: UUID) -> Response:
        """Who is in a team, newest first."""
        team = self._team(request, workspace_id, team_id, Permission.MEMBER_VIEW)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(teams.list_team_members(team), request)
        return pages.get_paginated_response(TeamMemberOutput(rows, many=True).data)


class TeamMemberView(_TeamView):
    @extend_schema(operation_id="add_team_member", tags=["workspaces"], request=None, responses={200: TeamMemberOutput, **ERRORS})
    def put(self, request: Request, workspace_id: UUID, team_id: UUID, user_id: UUID) -> Response:
        """Put a member of the workspace into a team."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_MANAGE)
        team = teams.get_team(request.user, workspace, team_id)
        return Response(TeamMemberOutput(teams.add_to_team(workspace=workspace, team=team, user_id=user_id)).data)

    @extend_schema(operation_id="remove_team_member", tags=["workspaces"], responses={204: None, **ERRORS})
    def delete(self, request: Request, workspace_id: UUID, team_id: UUID, user_id: UUID) -> Response:
        """Take somebody out of a team."""
        teams.remove_from_team(team=self._team(request, workspace_id, team_id, Permission.MEMBER_MANAGE), user_id=user_id)
        return Response(status=204)
