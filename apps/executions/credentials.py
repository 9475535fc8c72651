"""Credentials for a node run: one statement, only for nodes that name some."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from apps.credentials.opening import SealedCredential, UnusableCredentialError, open_credential
from apps.credentials.sealing import SealError, UnknownKeyError
from apps.executions.connection import fetch_repeating
from apps.nodes.contract import NodeFailure
from apps.nodes.credentials import HeldCredential
from apps.nodes.redaction import Redactor

# Those of the execution's workspace, and those of another one that are still shared with the author of the version. When it was last used
# is told to the minute, and never waits for a lock: the row may just be sealed anew.
_READ = """
with found as (
    select c.id, c.workspace_id, c.name, c.type, c.fields, c.sealed, c.allowed_hosts, c.last_used_at,
           coalesce(c.expires_at <= now(), false) as is_expired
      from credential c
     where c.id = any(%(ids)s::uuid[])
       and (c.workspace_id = %(workspace)s
            or exists (select from workflow_version v
                         join accounts_user u on u.id = v.created_by_id and u.is_active
                         join credential_grant g on g.credential_id = c.id
                          and (g.user_id = u.id or g.team_id in (select m.team_id from team_member m where m.user_id = u.id))
                        where v.id = %(version)s))
),
used as (
    update credential set last_used_at = now()
     where id in (select c.id from credential c join found f on f.id = c.id
                   where not f.is_expired and (f.last_used_at is null or f.last_used_at < now() - interval '1 minute')
                     for update of c skip locked)
)
select id, workspace_id, name, type, fields, sealed, allowed_hosts, is_expired from found
"""


def open_for_node(named: Mapping[str, str], *, workspace_id: UUID, version_id: UUID) -> dict[str, HeldCredential]:
    """{slot: credential}, open, from {slot: id}; they share one redactor.

    Raises NodeFailure credential_unavailable where one is gone, is not shared any more, has expired, or does not open.
    """
    rows = fetch_repeating(_READ, {"ids": list(named.values()), "workspace": workspace_id, "version": version_id})
    found, redactor = {str(row["id"]): row for row in rows}, Redactor()
    return {slot: _opened(slot, found.get(credential_id), redactor) for slot, credential_id in named.items()}


def _opened(slot: str, row: Mapping[str, Any] | None, redactor: Redactor) -> HeldCredential:
    if row is None:
        raise _unavailable(slot, "is gone, or may not be used here any more.")
    if row["is_expired"]:
        raise _unavailable(slot, f"'{row['name']}' has expired.")
    sealed = SealedCredential(
        id=row["id"],
        workspace_id=row["workspace_id"],
        name=row["name"],
        type=row["type"],
        fields=row["fields"],
        sealed=bytes(row["sealed"]),
        allowed_hosts=row["allowed_hosts"],
    )
    try:
        return open_credential(sealed, redactor).held
    except UnknownKeyError as error:  # a worker that was started with the right keys can open it
        raise _unavailable(slot, f"'{row['name']}' does not open: {error.message}", is_final=False) from error
    except (SealError, UnusableCredentialError) as error:
        raise _unavailable(slot, f"'{row['name']}' does not open: {error.message}") from error


def _unavailable(slot: str, what: str, *, is_final: bool = True) -> NodeFailure:
    return NodeFailure("credential_unavailable", f"The credential for '{slot}' {what}", is_final=is_final, slot=slot)
