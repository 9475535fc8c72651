"""API keys: what programs send instead of logging in. A key is shown once; what is kept of it cannot be turned back."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import ClassVar
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import ApiKey, User, Workspace
from apps.accounts.permissions import Permission
from apps.accounts.tokens import SELECT_USER, USER_COLUMNS, user_of
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ForbiddenError, InvalidError, NotFoundError

PREFIX = "sf_"
_SHOWN_CHARACTERS = len(PREFIX) + 6
_RANDOM_BYTES = 32

# One statement: the key, its owner and the owner's rights; and that it was used, unless that has been written within a minute.
_FIND = f"""
    with used as (
        update api_key set last_used_at = now()
         where digest = %(digest)s and revoked_at is null and (expires_at is null or expires_at > now())
           and (last_used_at is null or last_used_at < now() - interval '1 minute')
    )
    select {SELECT_USER}, k.id, k.workspace_id, k.scopes
      from api_key k join accounts_user u on u.id = k.user_id
     where k.digest = %(digest)s and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and u.is_active
"""  # noqa: S608  # constants


class ApiKeyNotFoundError(NotFoundError):
    code = "api_key_not_found"


class InvalidExpiryError(InvalidError):
    code = "invalid_expiry"


class ScopeNotAllowedError(ForbiddenError):
    """A key may not do what its maker may not; details: {"scopes": [str]}."""

    code = "scope_not_allowed"


@dataclass(frozen=True, slots=True)
class KeyBearer:
    """Whom a key speaks for. The rights of `user` are those of the key."""

    via: ClassVar[str] = "api_key"  # in the audit log

    user: User
    key_id: UUID
    workspace_id: UUID


def find_key(key: str) -> KeyBearer | None:
    """Who sends this key; None when it is wrong, was revoked, has expired, or its owner is not active or not in its workspace any more."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, {"digest": _digest(key)})
        row = cursor.fetchone()
    if row is None:
        return None
    user = user_of(row)
    key_id, workspace_id, scopes = row[len(USER_COLUMNS) + 2 :]
    if not (user.access.is_operator or user.access.is_member(workspace_id)):
        return None
    user.access = user.access.restricted_to(workspace_id, frozenset(Permission(scope) for scope in scopes if scope in set(Permission)))
    # A key of an operator opens neither the admin nor what asks for one.
    user.is_superuser = user.is_staff = False
    return KeyBearer(user, key_id, workspace_id)


@transaction.atomic
def create_key(
    *, owner: User, workspace: Workspace, name: str, scopes: Iterable[Permission], expires_at: datetime | None, created_by: User
) -> tuple[ApiKey, str]:
    """Make a key. Returns the row and the key itself, which cannot be read again.

    Raises ScopeNotAllowedError when `created_by` does not hold all the scopes in the workspace, and InvalidExpiryError for a time gone by.
    """
    wanted = sorted(set(scopes))
    if missing := [scope for scope in wanted if not created_by.access.allows(workspace.pk, scope)]:
        raise ScopeNotAllowedError(f"In workspace '{workspace.name}' you lack {', '.join(missing)}.", scopes=missing)
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidExpiryError(f"Expected a time to come, found {expires_at.isoformat()}.")
    key = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    row = ApiKey.objects.create(
        user=owner,
        workspace=workspace,
        name=name,
        prefix=key[:_SHOWN_CHARACTERS],
        digest=_digest(key),
        scopes=wanted,
        expires_at=expires_at,
        created_by=created_by,
    )
    after = {"user": owner.get_username(), "name": name, "scopes": wanted, "expires_at": expires_at}
    audit.record(Verb.API_KEY_MADE, row, after=after)
    return row, key


@transaction.atomic
def revoke_key(*, key: ApiKey) -> None:
    """End a key at once. One that is revoked already keeps its time."""
    revoked = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    key.refresh_from_db(fields=["revoked_at"])
    if revoked:
        audit.record(Verb.API_KEY_REVOKED, key, before={"name": key.name, "scopes": key.scopes})


def get_key(owner: User, key_id: UUID) -> ApiKey:
    found = ApiKey.objects.filter(user=owner, pk=key_id).select_related("workspace").first()
    if found is None:
        raise ApiKeyNotFoundError(f"There is no API key {key_id}.")
    return found


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
