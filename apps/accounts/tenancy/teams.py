"""Teams: members of a workspace who are granted things together."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet

from apps.accounts.models import InWorkspaceQuerySet, Team, TeamMember, User, Workspace
from apps.accounts.tenancy.members import get_membership
from apps.accounts.tenancy.workspaces import lock_workspace
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ConflictError, NotFoundError


class TeamNotFoundError(NotFoundError):
    code = "team_not_found"


class TeamNameTakenError(ConflictError):
    code = "team_name_taken"


def list_teams(user: User, workspace: Workspace) -> InWorkspaceQuerySet:
    """Teams with `member_count`."""
    return Team.objects.visible_to(user).filter(workspace=workspace).annotate(member_count=Count("members"))


def get_team(user: User, workspace: Workspace, team_id: UUID) -> Team:
    """Raises TeamNotFoundError."""
    team = list_teams(user, workspace).filter(pk=team_id).first()
    if team is None:
        raise TeamNotFoundError(f"Workspace '{workspace.name}' has no team {team_id}.")
    return team


def list_team_members(team: Team) -> QuerySet[TeamMember]:
    """Members of a team that the caller has read before, with their persons."""
    return TeamMember.objects.filter(team=team).select_related("user")


@transaction.atomic
def create_team(*, workspace: Workspace, name: str, description: str = "") -> Team:
    """Raises TeamNameTakenError."""
    team = _save(Team(workspace=workspace, name=name, description=description))
    audit.record(Verb.TEAM_CREATED, team, after=_shown(team))
    return team


@transaction.atomic
def update_team(*, team: Team, name: str | None = None, description: str | None = None) -> Team:
    """Rename or describe; None leaves as it is. Raises TeamNameTakenError."""
    before = _shown(team)
    team.name = team.name if name is None else name
    team.description = team.description if description is None else description
    _save(team)
    if before != (after := _shown(team)):
        audit.record(Verb.TEAM_UPDATED, team, before=before, after=after)
    return team


@transaction.atomic
def delete_team(*, team: Team) -> None:
    """Delete a team and what was shared with it."""
    audit.record(Verb.TEAM_DELETED, team, before=_shown(team))
    team.delete()


@transaction.atomic
def add_to_team(*, workspace: Workspace, team: Team, user_id: UUID) -> TeamMember:
    """Put a member of the workspace into one of its teams; no change where it is so already. Raises MemberNotFoundError."""
    lock_workspace(workspace)  # else the person may be removed meanwhile, and stay in the team
    membership = get_membership(workspace, user_id)
    member, is_new = TeamMember.objects.get_or_create(team=team, user=membership.user)
    if is_new:
        audit.record(Verb.TEAM_MEMBER_ADDED, team, after={"user": member.user.get_username()})
    return member


@transaction.atomic
def remove_from_team(*, team: Team, user_id: UUID) -> None:
    """Take somebody out of a team; no error where they are not in it."""
    member = TeamMember.objects.filter(team=team, user_id=user_id).select_related("user").select_for_update(of=("self",)).first()
    if member is not None:
        member.delete()
        audit.record(Verb.TEAM_MEMBER_REMOVED, team, before={"user": member.user.get_username()})


def _shown(team: Team) -> dict[str, str]:
    return {"name": team.name, "description": team.description}


def _save(team: Team) -> Team:
    try:
        with transaction.atomic():
            team.save()
    except IntegrityError as error:
        if "team_name_unique_in_workspace" not in str(error):
            raise
        raise TeamNameTakenError(f"The workspace has a team named '{team.name}' already.", name=team.name) from error
    return team
