"""Reads of credentials, each for somebody: what `visible_to` hides does not exist. Sealed texts stay where they are."""

from collections.abc import Iterable
from uuid import UUID

from apps.accounts.models import User
from apps.credentials.models import Credential, CredentialGrant, CredentialGrantQuerySet, CredentialQuerySet
from apps.engine.errors import ForbiddenError, NotFoundError


class CredentialNotFoundError(NotFoundError):
    code = "credential_not_found"


class CredentialForbiddenError(ForbiddenError):
    code = "credential_forbidden"


class GrantNotFoundError(NotFoundError):
    code = "grant_not_found"


def list_credentials(
    user: User, *, workspace_id: UUID | None = None, type_name: str | None = None, search: str | None = None
) -> CredentialQuerySet:
    """Credentials that the person may see; None filters nothing.

    search   a part of the name
    """
    found = Credential.objects.visible_to(user).defer("sealed")
    if workspace_id is not None:
        found = found.filter(workspace_id=workspace_id)
    if type_name is not None:
        found = found.filter(type=type_name)
    return found.filter(name__icontains=search) if search else found


def get_credential(user: User, credential_id: UUID) -> Credential:
    """One that the person may see. Raises CredentialNotFoundError."""
    found = Credential.objects.visible_to(user).defer("sealed").filter(pk=credential_id).first()
    if found is None:
        raise CredentialNotFoundError(f"There is no credential {credential_id} that you may see.")
    return found


def get_managed(user: User, credential_id: UUID) -> Credential:
    """One that the person may change, delete and share. Raises CredentialNotFoundError, CredentialForbiddenError."""
    credential = get_credential(user, credential_id)
    if not Credential.objects.managed_by(user).filter(pk=credential_id).exists():
        raise CredentialForbiddenError(f"You may see the credential '{credential.name}', but not change or share it.")
    return credential


def get_usable(user: User, credential_id: UUID) -> Credential:
    """One that the person may use, with its sealed text. Raises CredentialNotFoundError, CredentialForbiddenError."""
    usable = Credential.objects.usable_by(user).filter(pk=credential_id).first()
    if usable is None:
        credential = get_credential(user, credential_id)
        raise CredentialForbiddenError(f"You may see the credential '{credential.name}', but not use it.")
    return usable


def list_grants(credential: Credential) -> CredentialGrantQuerySet:
    """With whom a credential is shared, by one whom the caller may share."""
    return CredentialGrant.objects.filter(credential=credential).select_related("user", "team")


def get_grant(credential: Credential, grant_id: UUID) -> CredentialGrant:
    """Raises GrantNotFoundError."""
    found = list_grants(credential).filter(pk=grant_id).first()
    if found is None:
        raise GrantNotFoundError(f"The credential '{credential.name}' has no grant {grant_id}.")
    return found


def types_for_use(user: User | None, workspace_id: UUID, ids: Iterable[UUID]) -> dict[UUID, str]:
    """{id: type} of those that a person may name in a workflow of this workspace.

    They belong to the workspace, and the person may use its credentials or was granted this one; or they belong to another one, and were
    granted: membership there is not enough, since the workflow runs for the people here.

    user   None: the operator at a shell, who may use whatever belongs to the workspace
    """
    found = Credential.objects.filter(pk__in=list(ids))
    here = found.filter(workspace_id=workspace_id)
    types = dict((here if user is None else here.usable_by(user)).values_list("pk", "type"))
    if user is not None:
        granted = CredentialGrant.objects.reaching(user.access).values("credential_id")
        types |= dict(found.filter(pk__in=granted).values_list("pk", "type"))
    return types


def ids_seen(user: User | None, workspace_id: UUID, ids: Iterable[UUID]) -> frozenset[UUID]:
    """Which of these belong to the workspace and may be seen by the person."""
    if user is None:
        return frozenset()
    return frozenset(Credential.objects.visible_to(user).filter(workspace_id=workspace_id, pk__in=list(ids)).values_list("pk", flat=True))
