"""Answering a request that is sent again, under the same `Idempotency-Key`, as it was answered the first time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from apps.accounts.models import User
from apps.engine.errors import InvalidError

# A key that has expired is free. Whoever comes while another transaction makes the answer waits here until that has ended: with a commit
# the row is there and nothing is returned, with a rollback the turn is theirs.
_TAKE = """
insert into idempotent_request (workspace_id, user_id, key, fingerprint, expires_at)
values (%(workspace)s, %(user)s, %(key)s, %(fingerprint)s, clock_timestamp() + make_interval(secs => %(seconds)s))
on conflict (user_id, workspace_id, key) do update
   set fingerprint = excluded.fingerprint, answer = null, expires_at = excluded.expires_at
 where idempotent_request.expires_at <= clock_timestamp()
returning id
"""
_FIND = "select fingerprint, answer from idempotent_request where workspace_id = %(workspace)s and user_id = %(user)s and key = %(key)s"
_KEEP = "update idempotent_request set answer = %s where id = %s"
PRUNE = """
delete from idempotent_request where id in (
    select id from idempotent_request where expires_at <= clock_timestamp() order by expires_at limit %(limit)s)
returning id
"""


class IdempotencyKeyReusedError(InvalidError):
    """The key came before, with another request; details: {"header": str}."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is the body as JSON; `is_replayed`: an earlier request with this key had it made."""

    text: bytes
    is_replayed: bool


@transaction.atomic
def answer_once(*, user: User, workspace_id: UUID, key: str, fingerprint: str, make: Callable[[], bytes]) -> Answer:
    """The answer of the first request with this key; `make` makes it, in the same transaction, where there is none yet.

    fingerprint   hash of what is asked for
    What `make` raises leaves the key free. Raises IdempotencyKeyReusedError.
    """
    scope: dict[str, Any] = {"workspace": workspace_id, "user": user.pk, "key": key}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {**scope, "fingerprint": fingerprint, "seconds": settings.IDEMPOTENCY_KEY_SECONDS})
        taken = cursor.fetchone()
        if taken is None:
            cursor.execute(_FIND, scope)
            return _earlier(*cursor.fetchone(), fingerprint=fingerprint)
        text = make()
        cursor.execute(_KEEP, [text.decode(), taken[0]])
    return Answer(text, is_replayed=False)


def _earlier(found: str, answer: str, *, fingerprint: str) -> Answer:
    if found != fingerprint:
        message = "This Idempotency-Key came before, with another address or body: expected a new key for a new request."
        raise IdempotencyKeyReusedError(message, header="Idempotency-Key")
    return Answer(answer.encode(), is_replayed=True)
