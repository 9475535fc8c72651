"""Asking people into a workspace, who may not even have an account: whether they have is not told."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Invitation, InvitationQuerySet, Membership, User, Workspace
from apps.accounts.tenancy.mails import send_invitation
from apps.accounts.tenancy.rights import check_within_own, find_role, role_of
from apps.accounts.tenancy.workspaces import check_is_shared, lock_workspace
from apps.core import audit, fence, quotas
from apps.core.audit import Verb
from apps.core.quotas import QuotaName
from apps.engine.errors import ConflictError, ForbiddenError, NotFoundError

LIVES = timedelta(days=7)

MakeLink = Callable[[str], str]  # token → address that the mail names


class InvitationNotFoundError(NotFoundError):
    code = "invitation_not_found"


class InvitationOfAnotherError(ForbiddenError):
    """The token is right, but the invitation names somebody else, who is not told."""

    code = "invitation_of_another"


class InvitationClosedError(ConflictError):
    """It was accepted or revoked, or has expired; details: {"status": str}."""

    code = "invitation_closed"


class AlreadyInvitedError(ConflictError):
    code = "already_invited"


class AlreadyMemberError(ConflictError):
    code = "already_member"


def list_invitations(user: User, workspace: Workspace) -> InvitationQuerySet:
    """Invitations of a workspace, closed ones included."""
    found: InvitationQuerySet = Invitation.objects.visible_to(user).filter(workspace=workspace)
    return found.select_related("own_role", "invited_by")


def get_invitation(user: User, workspace: Workspace, invitation_id: UUID) -> Invitation:
    """Raises InvitationNotFoundError."""
    invitation = list_invitations(user, workspace).filter(pk=invitation_id).first()
    if invitation is None:
        raise InvitationNotFoundError(f"Workspace '{workspace.name}' has no invitation {invitation_id}.")
    return invitation


def invitations_for(user: User) -> list[Invitation]:
    """Open invitations that name `user` by username or by a confirmed address, newest first, with their workspaces."""
    with fence.lifted():  # the person is in none of these workspaces yet
        found = Invitation.objects.open().naming(user.get_username(), _addresses(user))
        return list(found.select_related("workspace", "own_role", "invited_by").order_by("-created_at"))


@transaction.atomic
def invite(*, actor: User, workspace: Workspace, role: str, make_link: MakeLink, email: str = "", username: str = "") -> Invitation:
    """Ask somebody in, for a week. The mail with the token goes out after the commit; a person invited by username gets one where an
    address is known, and finds the invitation in their list anyhow.

    role       a built-in one, or the id of one of the workspace's own
    make_link  the address for a token
    Raises PersonalWorkspaceError, UnknownRoleError, BeyondOwnRightsError, AlreadyMemberError, AlreadyInvitedError.
    """
    check_is_shared(workspace)
    lock_workspace(workspace)
    chosen = find_role(workspace, role)
    check_within_own(actor, workspace.pk, chosen.permissions)
    email = email.lower()
    _check_is_new(workspace, email, username)
    token = _new_token()
    invitation = Invitation.objects.create(
        workspace=workspace,
        email=email,
        username=username,
        role=chosen.role,
        own_role=chosen.own_role,
        token_hash=_hash(token),
        invited_by=actor,
        expires_at=timezone.now() + LIVES,
    )
    _send(invitation, make_link(token))
    after = {**_promise(invitation), "expires_at": invitation.expires_at}
    audit.record(Verb.INVITATION_SENT, invitation, object_name=_party(invitation), after=after)
    return invitation


@transaction.atomic
def resend(*, actor: User, invitation: Invitation, make_link: MakeLink) -> Invitation:
    """Send a new token, for a week from now; the one before counts no more. Raises InvitationClosedError, BeyondOwnRightsError."""
    invitation = _lock(invitation.pk)
    check_within_own(actor, invitation.workspace_id, role_of(invitation).permissions)
    if invitation.status != Invitation.Status.EXPIRED:
        _check_open(invitation)
    token, before = _new_token(), {"expires_at": invitation.expires_at}
    invitation.token_hash, invitation.expires_at = _hash(token), timezone.now() + LIVES
    invitation.save(update_fields=["token_hash", "expires_at", "updated_at"])
    _send(invitation, make_link(token))
    after = {"expires_at": invitation.expires_at}
    audit.record(Verb.INVITATION_RESENT, invitation, object_name=_party(invitation), before=before, after=after)
    return invitation


@transaction.atomic
def revoke(*, invitation: Invitation) -> None:
    """Let it count no more. Raises InvitationClosedError when it was accepted, or revoked before."""
    invitation = _lock(invitation.pk)
    if invitation.status != Invitation.Status.EXPIRED:
        _check_open(invitation)
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at", "updated_at"])
    audit.record(Verb.INVITATION_REVOKED, invitation, object_name=_party(invitation), before=_promise(invitation))


def accept(*, user: User, token: str) -> Workspace:
    """Become a member by the token of a mail.

    Raises InvitationNotFoundError for a token that was never given, InvitationOfAnotherError for one that was given to somebody else,
    InvitationClosedError, AlreadyMemberError, and QuotaExceededError where the workspace is full: the invitation stays open then.
    """
    with fence.lifted():  # the person is not in the workspace yet
        invitation_id = Invitation.objects.filter(token_hash=_hash(token)).values_list("pk", flat=True).first()
        if invitation_id is None:
            raise InvitationNotFoundError("There is no invitation with this token. A newer mail may have taken its place.")
        # The mail reached this person, so that the address of the account counts though it was not confirmed.
        return _accept(user, invitation_id, addresses=[user.email.lower(), *_addresses(user)])


def accept_listed(*, user: User, invitation_id: UUID) -> Workspace:
    """Become a member by an invitation out of the person's own list. Raises as `accept`; it does not exist where it is not in the list."""
    with fence.lifted():
        addresses = _addresses(user)
        if not Invitation.objects.naming(user.get_username(), addresses).filter(pk=invitation_id).exists():
            raise InvitationNotFoundError(f"There is no invitation {invitation_id} for you.")
        return _accept(user, invitation_id, addresses)


@transaction.atomic
def _accept(user: User, invitation_id: UUID, addresses: list[str]) -> Workspace:
    invitation = _lock(invitation_id)
    if invitation.username != user.get_username() and (not invitation.email or invitation.email not in addresses):
        raise InvitationOfAnotherError("This invitation was for another address or person than yours.")
    _check_open(invitation)
    workspace = invitation.workspace
    if Membership.objects.filter(workspace=workspace, user=user).exists():
        raise AlreadyMemberError(f"You are in workspace '{workspace.name}' already.")
    quotas.check(QuotaName.MEMBERS, workspace_id=workspace.pk)
    membership = Membership.objects.create(workspace=workspace, user=user, role=invitation.role, own_role=invitation.own_role)
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by", "updated_at"])
    name = user.get_username()
    with audit.together():
        audit.record(Verb.INVITATION_ACCEPTED, invitation, object_name=_party(invitation), after={"accepted_by": name})
        audit.record(Verb.MEMBER_ADDED, membership, object_name=name, after={"user": name, "role": role_of(invitation).name})
    return workspace


def _lock(invitation_id: UUID) -> Invitation:
    """The invitation, changed by nobody else until the transaction ends; its workspace first, as for every change of who is in it."""
    found = Invitation.objects.select_related("workspace", "own_role", "invited_by")
    lock_workspace(found.get(pk=invitation_id).workspace)
    return found.select_for_update(of=("self",)).get(pk=invitation_id)


def _check_open(invitation: Invitation) -> None:
    if invitation.status == Invitation.Status.OPEN:
        return
    said = {
        Invitation.Status.ACCEPTED: "This invitation was accepted before; it counts once.",
        Invitation.Status.REVOKED: "This invitation was taken back.",
        Invitation.Status.EXPIRED: f"This invitation expired on {invitation.expires_at:%Y-%m-%d %H:%M} UTC. Ask for a new one.",
    }
    raise InvitationClosedError(said[invitation.status], status=invitation.status.value)


def _check_is_new(workspace: Workspace, email: str, username: str) -> None:
    # Who may invite sees the members with their names and addresses, so that this tells nothing new.
    known = {"user__email__iexact": email} if email else {"user__username": username}
    if Membership.objects.filter(workspace=workspace, **known).exists():
        raise AlreadyMemberError(f"{email or username} is a member already.")
    if Invitation.objects.open().filter(workspace=workspace, email=email, username=username).exists():
        raise AlreadyInvitedError(f"{email or username} was invited before: send that invitation again instead.")


def _send(invitation: Invitation, link: str) -> None:
    address = invitation.email or User.objects.filter(username=invitation.username).values_list("email", flat=True).first()
    if address:
        transaction.on_commit(lambda: send_invitation(invitation, address, link), robust=True)


def _party(invitation: Invitation) -> str:
    return invitation.email or invitation.username


def _promise(invitation: Invitation) -> dict[str, str]:
    return {"for": _party(invitation), "role": role_of(invitation).name}


def _addresses(user: User) -> list[str]:
    """Addresses of the person that were confirmed, in small letters."""
    return [address.lower() for address in EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)]


def _new_token() -> str:
    return secrets.token_urlsafe(32)  # 256 bits


def _hash(token: str) -> str:
    """A token is random, so that a plain hash cannot be guessed backwards."""
    return sha256(token.encode()).hexdigest()
