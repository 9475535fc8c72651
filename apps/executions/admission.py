"""Letting executions in that stand in line. PostgreSQL decides who is next, in `sql/admission_v1.sql`; here it is asked, and told on."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from apps.engine.errors import InvalidError, StructForgeError
from apps.engine.expressions import ExpressionError, Names, Scope, compile_template
from apps.executions import handoff, protocol
from apps.executions.announcements import announce_change
from apps.executions.connection import fetch, fetch_repeating
from apps.executions.protocol import Ready

# In one statement: as many as are sent and told of within some tenths of a second.
BATCH = 500
MAX_KEY_LENGTH = 255

_ADMIT = "select * from admit_v1(%(most)s, %(due)s::interval, %(workspace)s, %(workflow)s, %(key)s)"
_WITHOUT_KEY = """
select e.id, e.input, e.variables, v.start from execution e join workflow_version v on v.id = e.version_id
 where e.status = 'pending' and e.concurrency_key is null order by e.id limit %(limit)s
"""
_SET_KEY = """
update execution set concurrency_key = %(key)s::text, max_concurrency = case when %(key)s::text <> '' then max_concurrency end
 where id = %(id)s and status = 'pending' and concurrency_key is null returning 1 as one
"""


class InvalidConcurrencyKeyError(InvalidError):
    """The workflow's `concurrency_key` has no value for this input; details: {"pointer": str}."""

    code = "invalid_concurrency_key"


def admit(*, workspace_id: UUID | None = None, workflow_id: UUID | None = None, concurrency_key: str | None = None) -> int:
    """Let in whoever is next, as far as there is room; returns how many.

    The arguments name for whom there may be room now: None is everybody. A slot that several share goes to whoever is first of them all.
    """
    parameters = {
        "most": BATCH,
        "due": f"{protocol.DUE_SECONDS} s",
        "workspace": workspace_id,
        "workflow": workflow_id,
        "key": concurrency_key,
    }
    rows = fetch_repeating(_ADMIT, parameters)
    for row in rows:
        announce_change(row["execution_id"], {**row, "status": "running", "at": row["at"].isoformat()})
    handoff.send(_ready(rows))
    return len(rows)


def _ready(rows: list[dict[str, Any]]) -> list[Ready]:
    return [
        Ready(row["execution_id"], row["version_id"], run["key"], run["path"], run["queue"], row["priority"])
        for row in rows
        for run in row["runs"]
    ]


def place_in_line(plan: Mapping[str, Any], *, input: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the workflow itself says of a start: {"concurrency_key": str, "max_concurrency": int}, the second where it limits something.

    plan   `WorkflowVersion.start`
    Raises InvalidConcurrencyKeyError.
    """
    most = plan.get("max_concurrency")
    if most is None:
        return {"concurrency_key": ""}
    key = concurrency_key_of(plan, input=input, variables=variables)
    is_limited = bool(key) or plan.get("concurrency_key") is None
    return {"concurrency_key": key, **({"max_concurrency": most} if is_limited else {})}


def concurrency_key_of(plan: Mapping[str, Any], *, input: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """The value of the workflow's `concurrency_key` for a start; "" without one, and where it is null or an empty text.

    plan   `WorkflowVersion.start`
    Raises InvalidConcurrencyKeyError.
    """
    expression = plan.get("concurrency_key")
    if expression is None:
        return ""
    names = Names(frozenset(plan["input_schema"].get("properties", ())), frozenset(variables))
    try:
        value = compile_template(expression, names).resolve(Scope(input=input, variables=variables, env=settings.WORKFLOW_ENV))
    except ExpressionError as error:
        raise _no_key(f"It cannot be evaluated: {error.message}") from error
    if value is None:
        return ""
    key = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    if len(key) > MAX_KEY_LENGTH or "\0" in key:
        raise _no_key(f"Expected at most {MAX_KEY_LENGTH} characters without NUL, found {len(key)}.")
    return key


def _no_key(reason: str) -> InvalidConcurrencyKeyError:
    return InvalidConcurrencyKeyError(f"The workflow's concurrency_key: {reason}", pointer="/settings/concurrency_key")


def find_keys() -> int:
    """Evaluate the keys of executions that were started from SQL; one without a key to be had fails. Returns how many there were."""
    rows = fetch(_WITHOUT_KEY, {"limit": BATCH})
    for row in rows:
        try:
            key = concurrency_key_of(row["start"], input=row["input"], variables=row["variables"])
        except StructForgeError as error:
            _fail(row["id"], error)
        else:
            fetch(_SET_KEY, {"id": row["id"], "key": key})
    return len(rows)


def _fail(execution_id: UUID, error: StructForgeError) -> None:
    document = orjson.dumps({"code": error.code, "message": error.message, "details": dict(error.details)}).decode()
    result = protocol.call_repeating("select cancel_v1(%(id)s, %(error)s::jsonb) as result", id=execution_id, error=document)
    if result.get("sequence") is not None:
        announce_change(execution_id, result)
