"""Who is in a workspace, and as what."""

from uuid import UUID

from django.db import transaction

from apps.accounts.models import InWorkspaceQuerySet, Membership, TeamMember, User, Workspace
from apps.accounts.permissions import OWNER, Permission
from apps.accounts.queries import require_in
from apps.accounts.tenancy.hooks import forget_member
from apps.accounts.tenancy.rights import check_within_own, find_role, role_of
from apps.accounts.tenancy.workspaces import lock_workspace
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ConflictError, NotFoundError


class MemberNotFoundError(NotFoundError):
    code = "member_not_found"


class LastOwnerError(ConflictError):
    """A workspace always has an owner: make somebody else one first."""

    code = "last_owner"


def list_members(user: User, workspace: Workspace) -> InWorkspaceQuerySet:
    """Memberships with their persons and own roles."""
    return Membership.objects.visible_to(user).filter(workspace=workspace).select_related("user", "own_role")


@transaction.atomic
def change_role(*, actor: User, workspace: Workspace, user_id: UUID, role: str) -> Membership:
    """Give a member another role.

    role   a built-in one, or the id of one of the workspace's own
    Raises MemberNotFoundError, UnknownRoleError, BeyondOwnRightsError, and LastOwnerError for the last owner.
    """
    lock_workspace(workspace)
    membership = get_membership(workspace, user_id)
    former, chosen = role_of(membership), find_role(workspace, role)
    check_within_own(actor, workspace.pk, former.permissions | chosen.permissions)
    if chosen.role != OWNER:
        _check_not_last_owner(membership)
    membership.role, membership.own_role = chosen.role, chosen.own_role
    membership.save(update_fields=["role", "own_role", "updated_at"])
    if chosen != former:
        name = membership.user.get_username()
        audit.record(Verb.MEMBER_ROLE_CHANGED, membership, object_name=name, before={"role": former.name}, after={"role": chosen.name})
    return membership


@transaction.atomic
def remove_member(*, actor: User, workspace: Workspace, user_id: UUID) -> None:
    """End a membership; everybody may end their own. Team memberships and shares in this workspace end with it.

    Raises MemberNotFoundError, NotAllowedInWorkspaceError, BeyondOwnRightsError, LastOwnerError.
    """
    is_self = user_id == actor.pk
    if not is_self:
        require_in(actor, workspace, Permission.MEMBER_MANAGE)
    lock_workspace(workspace)
    membership = get_membership(workspace, user_id)
    if not is_self:
        check_within_own(actor, workspace.pk, role_of(membership).permissions)
    _check_not_last_owner(membership)
    TeamMember.objects.filter(team__workspace=workspace, user_id=user_id).delete()
    forget_member(workspace.pk, user_id)
    verb = Verb.MEMBER_LEFT if is_self else Verb.MEMBER_REMOVED
    name = membership.user.get_username()
    audit.record(verb, membership, object_name=name, before={"user": name, "role": role_of(membership).name})
    membership.delete()


def get_membership(workspace: Workspace, user_id: UUID) -> Membership:
    """Raises MemberNotFoundError."""
    found = Membership.objects.select_related("user", "own_role").filter(workspace=workspace, user_id=user_id).first()
    if found is None:
        raise MemberNotFoundError(f"There is no member {user_id} in workspace '{workspace.name}'.")
    return found


def _check_not_last_owner(membership: Membership) -> None:
    others = Membership.objects.filter(workspace=membership.workspace_id, role=OWNER, user__is_active=True).exclude(pk=membership.pk)
    if membership.role == OWNER and not others.exists():
        raise LastOwnerError("This is the last owner of the workspace. Make somebody else an owner first, or delete the workspace.")
