"""The answer to a request that waits for one: what `webhook.respond` says, or the output of the execution."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import object_store
from apps.core.api.renderers import dumps
from apps.engine.errors import StructForgeError
from apps.engine.json_values import loads
from apps.engine.statuses import SETTLED_EXECUTION
from apps.executions.models import Execution, NodeRun
from apps.executions.protocol import MAX_OUTPUT_BYTES
from apps.executions.wait import PLACES, patience
from apps.nodes.builtin.webhook_respond import fault_of_header
from apps.realtime.follow import Inbox, Notice, follow

log = logging.getLogger(__name__)

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def accepted(execution_id: UUID | None, *, is_new: bool) -> Answer:
    """202: it will run. 200: a call with this key came before, and this is what it started."""
    return _json(202 if is_new else 200, {"id": execution_id, "duplicate": not is_new})


def wait_for_output(execution_id: UUID, seconds: float) -> Answer:
    """What the execution came to; 202 when it has not ended by then, or its output cannot be read."""
    return _wait(execution_id, seconds, lambda: _of_execution(execution_id), lambda notice: notice.get("status") in SETTLED_EXECUTION)


def wait_for_respond(execution_id: UUID, keys: Sequence[str], seconds: float) -> Answer:
    """What the first of these nodes said; 500 when the execution ended without; 202 when neither is known by then."""

    def concerns(notice: Mapping[str, Any]) -> bool:
        return notice.get("status") in SETTLED_EXECUTION or any(
            run["key"] in keys and run["status"] == "success" for run in notice.get("node_runs", ())
        )

    return _wait(execution_id, seconds, lambda: _of_node(execution_id, keys), concerns)


def _wait(execution_id: UUID, seconds: float, look: Any, concerns: Any) -> Answer:
    if not PLACES.acquire(blocking=False):
        return accepted(execution_id, is_new=True)
    try:
        deadline = time.monotonic() + seconds
        with follow([execution_id]) as inbox:
            while True:
                notice = _next(inbox, deadline)
                if (notice is None or concerns(notice)) and (found := _looked(look)) is not None:
                    return found
                if time.monotonic() >= deadline:
                    return accepted(execution_id, is_new=True)
    except StructForgeError as error:  # it has run: were this a failure, the sender would have it run again
        log.warning("The output of execution %s cannot be read to answer a webhook: %s", execution_id, error.message)
        return accepted(execution_id, is_new=True)
    finally:
        PLACES.release()


def _next(inbox: Inbox, deadline: float) -> Notice:
    return inbox.get(min(patience(), deadline - time.monotonic()))


def _looked(look: Any) -> Answer | None:
    """A look at the database, whose connection is not held while nothing is known."""
    found: Answer | None = look()
    if found is None and not connection.in_atomic_block:
        connection.close()
    return found


def _of_execution(execution_id: UUID) -> Answer | None:
    columns = ("status", "output", "output_ref")
    row = Execution.objects.filter(pk=execution_id, status__in=SETTLED_EXECUTION).values(*columns).first()
    if row is None:
        return None
    if row["status"] != "success":
        return _failed(execution_id, row["status"])
    return Answer(200, object_store.get(row["output_ref"]) if row["output_ref"] else dumps(row["output"]), {"content-type": JSON})


def _of_node(execution_id: UUID, keys: Sequence[str]) -> Answer | None:
    if said := _of_rows(execution_id, keys):
        return said
    status = Execution.objects.filter(pk=execution_id, status__in=SETTLED_EXECUTION).values_list("status", flat=True).first()
    if status is None:
        return None
    # What was said may have been committed with the end, after the first look.
    if said := _of_rows(execution_id, keys):
        return said
    if status != "success":
        return _failed(execution_id, status)
    return _json(500, {"code": "no_answer", "message": "The workflow ended without an answer.", "details": {"id": execution_id}})


def _of_rows(execution_id: UUID, keys: Sequence[str]) -> Answer | None:
    said = NodeRun.objects.filter(execution_id=execution_id, key__in=keys, status="success")
    row = said.order_by("finished_at", "id").values("output", "output_ref").first()
    if row is None:
        return None
    return _said(loads(object_store.get(row["output_ref"]), max_bytes=MAX_OUTPUT_BYTES) if row["output_ref"] else row["output"])


def _said(output: Any) -> Answer:
    """An answer from the output of `webhook.respond`, which a re-run may have edited: what may not be sent is left out."""
    content = output if isinstance(output, Mapping) else {}
    given = content.get("headers")
    headers = {
        name.lower(): value
        for name, value in (given.items() if isinstance(given, Mapping) else ())
        if isinstance(name, str) and fault_of_header(name, value) is None
    }
    body, status = content.get("body"), content.get("status")
    headers.setdefault("content-type", TEXT if isinstance(body, str) else JSON)
    if not isinstance(status, int) or not 200 <= status <= 599:
        status = 200
    is_empty = body is None or status in (204, 304)
    return Answer(status, b"" if is_empty else body.encode() if isinstance(body, str) else dumps(body), headers)


def _failed(execution_id: UUID, status: str) -> Answer:
    """Why is for those to read who may see the execution."""
    message = f"The workflow did not succeed: it is {status}."
    return _json(500, {"code": "execution_failed", "message": message, "details": {"id": execution_id, "status": status}})


def _json(status: int, content: Mapping[str, Any]) -> Answer:
    return Answer(status, dumps(content), {"content-type": JSON})
