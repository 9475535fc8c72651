"""Who is away, and who does their tasks meanwhile."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.accounts.queries import require_in
from apps.core.audit import Verb, record
from apps.engine.errors import InvalidError, NotFoundError
from apps.tasks.holding import find_member
from apps.tasks.models import Absence, AbsenceQuerySet


class AbsenceNotFoundError(NotFoundError):
    code = "absence_not_found"


class InvalidAbsenceError(InvalidError):
    """details: {"pointer": str}."""

    code = "invalid_absence"


@transaction.atomic
def set_absence(
    *, workspace: Workspace, set_by: User, user: str | None, substitute: str, starts_at: datetime | None, ends_at: datetime
) -> Absence:
    """Let `substitute` do the tasks of somebody who is away; without `user`, of whoever says so.

    Raises InvalidAbsenceError, NoSuchPersonError, and NotAllowedInWorkspaceError for others without the right to manage members.
    """
    absent = find_member(workspace.pk, str(set_by.pk) if user is None else user, "/user")
    if absent.pk != set_by.pk:
        require_in(set_by, workspace, Permission.MEMBER_MANAGE)
    starts_at = starts_at or timezone.now()
    if ends_at <= max(starts_at, timezone.now()):
        raise InvalidAbsenceError(f"Expected an end in the future and after the start, found {ends_at.isoformat()}.", pointer="/ends_at")
    other = find_member(workspace.pk, substitute, "/substitute")
    if other.pk == absent.pk:
        raise InvalidAbsenceError("Expected somebody else as the substitute.", pointer="/substitute")
    made = Absence.objects.create(workspace=workspace, user=absent, substitute=other, starts_at=starts_at, ends_at=ends_at)
    made.refresh_from_db(fields=["created_at"])
    record(Verb.ABSENCE_SET, made, after={"user": absent, "substitute": other, "starts_at": starts_at, "ends_at": ends_at})
    return made


@transaction.atomic
def end_absence(*, absence: Absence, ended_by: User) -> None:
    """Forget an absence: its end has come, or it never was."""
    if absence.user_id != ended_by.pk:
        require_in(ended_by, absence.workspace, Permission.MEMBER_MANAGE)
    record(Verb.ABSENCE_ENDED, absence, before={"user": absence.user, "substitute": absence.substitute, "ends_at": absence.ends_at})
    absence.delete()


def list_absences(user: User) -> AbsenceQuerySet:
    """Absences that `user` may know of, and that are not over."""
    return Absence.objects.visible_to(user).filter(ends_at__gt=timezone.now()).select_related("user", "substitute", "workspace")


def get_absence(user: User, absence_id: UUID) -> Absence:
    found = list_absences(user).filter(pk=absence_id).first()
    if found is None:
        raise AbsenceNotFoundError(f"There is no absence {absence_id} that you may see.")
    return found


def forget_absences(workspace_id: UUID, user_id: UUID) -> None:
    """Whoever has left the workspace is neither away from it nor a substitute in it."""
    Absence.objects.filter(workspace_id=workspace_id, user_id=user_id).delete()
    Absence.objects.filter(workspace_id=workspace_id, substitute_id=user_id).delete()
