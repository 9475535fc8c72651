"""Sharing workflows and folders with people and teams: one function a verb."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.accounts.models import Team, User
from apps.accounts.permissions import Permission
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ConflictError, ForbiddenError, InvalidError
from apps.workflows.access import permissions_on
from apps.workflows.levels import PERMISSIONS, Level
from apps.workflows.models import Folder, Grant, Workflow
from apps.workflows.queries_folders import permissions_on_folder

MAX_SHARES = 1000  # a workflow or folder; they are listed as a whole

Thing = Workflow | Folder


class NoSuchPersonError(InvalidError):
    code = "no_such_person"


class NoSuchTeamError(InvalidError):
    code = "no_such_team"


class LevelAboveOwnError(ForbiddenError):
    """Nobody shares more than they may do themselves; details: {"level": str, "missing": [permission]}."""

    code = "level_above_own"


class TooManySharesError(ConflictError):
    code = "too_many_shares"


def get_person(asked_by: User, named: str) -> User:
    """Whom a name means: an exact username or an id of anybody, an e-mail address of somebody in a workspace of the asker's.

    Usernames are what people show to each other; that one is taken is told by registering already. An address is not theirs to be
    probed: whether one has an account is told only among people who see each other's addresses anyway.
    Raises NoSuchPersonError, the same for whoever is not found.
    """
    found = User.objects.filter(_named(named), is_active=True).first()
    if found is None and "@" in named:
        colleagues = User.objects.filter(memberships__workspace_id__in=list(asked_by.access.permissions), is_active=True)
        matching = list(colleagues.filter(email__iexact=named).distinct()[:2])
        found = matching[0] if len(matching) == 1 else None
    if found is None:
        raise NoSuchPersonError("There is no such person. Expected an exact username, or the address of somebody in a workspace of yours.")
    return found


def get_team(asked_by: User, thing: Thing, named: str) -> Team:
    """A team of the thing's workspace, by id or name. Raises NoSuchTeamError, also to those who are not in the workspace."""
    teams = Team.objects.visible_to(asked_by).filter(workspace_id=thing.workspace_id)
    identity = _as_uuid(named)
    team = teams.filter(name=named).first() if identity is None else teams.filter(pk=identity).first()
    if team is None:
        raise NoSuchTeamError("The workspace has no such team that you may see. Expected the name or id of one.")
    return team


@transaction.atomic
def share(*, thing: Thing, level: Level, shared_by: User, user: User | None = None, team: Team | None = None) -> tuple[Grant, bool]:
    """Share with a person or a team, or change the level of that share. Returns it, and whether it is new.

    Raises LevelAboveOwnError, TooManySharesError.
    """
    check_level(thing, level, shared_by)
    if thing.grants.count() >= MAX_SHARES:
        raise TooManySharesError(f"At most {MAX_SHARES} shares are kept of one thing: use teams.", limit=MAX_SHARES)
    party = {"user": user, "team": team, **_columns(thing)}
    new = {"workspace_id": thing.workspace_id, "level": level, "granted_by": shared_by}
    grant, is_new = Grant.objects.select_for_update().get_or_create(**party, defaults=new)
    grant.user, grant.team = user, team  # known, and so not to be read
    if is_new:
        audit.record(_verbs(thing)[0], thing, after={**_party(grant), "level": level})
    else:
        _change_level(grant, thing, level, shared_by)
    return grant, is_new


@transaction.atomic
def change_share(*, grant: Grant, thing: Thing, level: Level, changed_by: User) -> Grant:
    """Raises LevelAboveOwnError."""
    check_level(thing, level, changed_by)
    _change_level(grant, thing, level, changed_by)
    return grant


@transaction.atomic
def unshare(*, grant: Grant) -> None:
    """Take a share back. It holds no longer from the next request on."""
    thing: Any = grant.workflow or grant.folder  # one of both
    audit.record(_verbs(thing)[1], thing, before={**_party(grant), "level": grant.level})
    grant.delete()


def let_own(*, workflow: Workflow, user: User, granted_by: User | None) -> None:
    """See to it that a person may share and delete a workflow: by a share, where their role does not allow it."""
    if user.access.allows(workflow.workspace_id, Permission.WORKFLOW_MANAGE):
        return
    values = {"workspace_id": workflow.workspace_id, "level": Level.OWNER, "granted_by": granted_by}
    Grant.objects.update_or_create(workflow=workflow, folder=None, user=user, team=None, defaults=values)
    user.__dict__.pop("_shared_with", None)  # read anew, with this one


def check_level(thing: Thing, level: str, shared_by: User) -> None:
    """Raise LevelAboveOwnError where `shared_by` may not do all that the level allows."""
    own = permissions_on(shared_by, thing) if isinstance(thing, Workflow) else permissions_on_folder(shared_by, thing)
    if missing := PERMISSIONS[level] - own:
        names: list[Permission] = sorted(missing)
        raise LevelAboveOwnError(
            f"To share as {level} you need what it allows yourself; you lack {', '.join(names)}.", level=level, missing=names
        )


def _columns(thing: Thing) -> dict[str, Any]:
    is_workflow = isinstance(thing, Workflow)
    return {"workflow": thing if is_workflow else None, "folder": None if is_workflow else thing}


def _change_level(grant: Grant, thing: Thing, level: Level, changed_by: User) -> None:
    before = grant.level
    grant.level, grant.granted_by = level, changed_by
    grant.save(update_fields=["level", "granted_by", "updated_at"])
    if before != level:
        audit.record(_verbs(thing)[0], thing, before={"level": before}, after={**_party(grant), "level": level})


def _verbs(thing: Thing) -> tuple[Verb, Verb]:
    is_workflow = isinstance(thing, Workflow)
    return (Verb.WORKFLOW_SHARED, Verb.WORKFLOW_UNSHARED) if is_workflow else (Verb.FOLDER_SHARED, Verb.FOLDER_UNSHARED)


def _party(grant: Grant) -> dict[str, str]:
    """Guests may not see a team: then it is its id."""
    return {"user": grant.user.username} if grant.user else {"team": grant.team.name if grant.team else str(grant.team_id)}


def _named(text: str) -> Q:
    identity = _as_uuid(text)
    return Q(username=text) if identity is None else Q(username=text) | Q(pk=identity)


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
