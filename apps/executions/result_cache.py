"""Outputs that are taken again in place of running a node: per workspace, for nodes that act on nothing outside.

Each call is one statement on the engine's own connection, and is made for nodes with `cache` alone.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from django.utils.crypto import salted_hmac

from apps.engine.changes import canonical_json
from apps.engine.statuses import NodeRunStatus
from apps.executions.connection import fetch_repeating
from apps.executions.protocol import ClaimedRun
from apps.executions.settlement import End

# The row of the node run says where the output comes from; what an attempt before has said of it is taken back.
_FIND = """
with entry as (
    select c.port, c.output, c.output_ref, c.variables, c.execution_id from cached_result c
     where c.workspace_id = %(workspace)s and c.digest = %(digest)s and c.expires_at > clock_timestamp()
), marked as (
    update node_run n
       set origin = case when exists (select from entry) then 'cached' end, origin_execution = (select e.execution_id from entry e)
     where n.execution_id = %(execution)s and n.key = %(key)s and n.path = %(path)s and n.status = 'running' and n.claim_token = %(token)s
       and (n.origin is not null or exists (select from entry))
)
select * from entry
"""
_KEEP = """
insert into cached_result as c (workspace_id, digest, port, output, output_ref, variables, execution_id, expires_at)
values (%(workspace)s, %(digest)s, %(port)s, %(output)s::jsonb, %(ref)s, %(variables)s::jsonb, %(execution)s,
        clock_timestamp() + make_interval(secs => %(seconds)s))
on conflict (workspace_id, digest) do update
   set port = excluded.port, output = excluded.output, output_ref = excluded.output_ref, variables = excluded.variables,
       execution_id = excluded.execution_id, expires_at = excluded.expires_at
returning 1 as kept
"""
PRUNE = """
    delete from cached_result where id in (select id from cached_result where expires_at <= clock_timestamp() limit %(limit)s) returning 1
"""
"""Delete what has expired, `limit` rows at most."""


def digest_of(workspace_id: UUID, of: Mapping[str, Any]) -> str:
    """A hash of all that an output depends on, keyed with the secret of the installation: nobody can try values against it.

    of   {"type": str, "type_version": int, "config": any, "key": any, "upstream": {key: output}}
    """
    text = canonical_json({"workspace": str(workspace_id), **of}).decode()
    return salted_hmac("structforge.result-cache", text, algorithm="sha256").hexdigest()


def find_result(*, workspace_id: UUID, execution_id: UUID, run: ClaimedRun, digest: str) -> End | None:
    """The end that an earlier run had, if it may still be taken; the claimed node run is marked with its origin then."""
    parameters = {
        "workspace": workspace_id,
        "execution": execution_id,
        "key": run.key,
        "path": run.path,
        "token": run.token,
        "digest": digest,
    }
    rows = fetch_repeating(_FIND, parameters)
    if not rows:
        return None
    found = rows[0]
    output = None if found["output_ref"] is not None else orjson.dumps(found["output"])
    return End(NodeRunStatus.SUCCESS, found["port"], output, found["output_ref"], variables=found["variables"])


def keep_result(*, workspace_id: UUID, execution_id: UUID, digest: str, end: End, ttl_seconds: int) -> None:
    """Let later runs take this end. Of two that were made at the same time, the later one counts."""
    parameters = {
        "workspace": workspace_id,
        "execution": execution_id,
        "digest": digest,
        "port": end.port,
        "output": None if end.output is None else end.output.decode(),
        "ref": end.output_ref,
        "variables": orjson.dumps(dict(end.variables)).decode(),
        "seconds": ttl_seconds,
    }
    fetch_repeating(_KEEP, parameters)
