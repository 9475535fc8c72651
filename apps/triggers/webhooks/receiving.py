"""Taking a request in: it is kept, and its execution started, in one statement; whoever keeps it has promised to run it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import transaction

from apps.accounts.models import User
from apps.core.depth import TooDeepError, check_depth, depth_in
from apps.core.ids import uuid7
from apps.engine.errors import InvalidError, StructForgeError
from apps.engine.expressions import ExpressionError, Scope
from apps.executions.actions import Start, Started, StartStatement, start_execution, start_executions
from apps.nodes.builtin.trigger_webhook import dedup_template
from apps.nodes.triggering import TRIGGER
from apps.triggers.models import WebhookCall
from apps.triggers.models_webhooks import MAX_DEDUP_KEY
from apps.triggers.webhooks.finding import Hook
from apps.triggers.webhooks.requests import Incoming
from apps.triggers.webhooks.signatures import message_id, secret_headers

TRIGGER_NAME = "webhook"
MAX_UNREADABLE = 10_000  # bytes
_ACCEPT = "select * from webhook_accept_v1(%s, %s, %s, %s::jsonb, %s::jsonb, %s, %s, %s, %s, %s::interval, %s, %s::jsonb)"


class NoDedupKeyError(InvalidError):
    """The de-duplication key cannot be read from the request."""

    code = "no_dedup_key"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in.

    content   {"method", "path", "query", "headers", "body"}
    depth     executions that led to it
    """

    content: Mapping[str, Any]
    size_bytes: int = 0
    ip: str | None = None
    replay_of: UUID | None = None
    depth: int = 0

    def columns(self) -> dict[str, Any]:
        return {**self.content, "size_bytes": self.size_bytes, "ip": self.ip, "replay_of": self.replay_of}


def call_of(hook: Hook, incoming: Incoming) -> Call:
    """Raises InvalidJsonError."""
    return _call(hook, incoming, incoming.body())


def unreadable(hook: Hook, incoming: Incoming) -> Call:
    """A call whose body is not what its content type says, with as much of it as a person needs to see why."""
    return _call(hook, incoming, incoming.raw[:MAX_UNREADABLE].decode("utf-8", "replace").replace("\0", "\ufffd"))


def _call(hook: Hook, incoming: Incoming, body: Any) -> Call:
    hidden = secret_headers(hook.secret)
    content = {
        "method": incoming.method,
        "path": incoming.path,
        "query": incoming.query,
        "headers": {name: value for name, value in incoming.headers.items() if name not in hidden},
        "body": body,
    }
    return Call(content, size_bytes=len(incoming.raw), ip=incoming.ip, depth=depth_in(incoming.headers))


def accept(*, hook: Hook, call: Call, started_by: User | None = None) -> Started:
    """Keep a call and start its execution. One with a key that came before makes nothing, and returns what that started; replays have none.

    A call that cannot start one is kept as refused, and the error raised: InvalidInputError, NoDedupKeyError, QuotaExceededError and so on.
    """
    call_id = uuid7()
    try:
        key = dedup_key_of(hook, call) if call.replay_of is None else None
        kept = {"id": call_id, "webhook": hook.id, "dedup_key": key, **call.columns()}
        [started] = start_executions(
            workflow=hook.workflow,
            version=hook.version,
            starts=[Start(input=_input(hook, call, call_id))],
            started_by=started_by,
            trigger=TRIGGER_NAME,
            depth=call.depth,
            statement=StartStatement(_ACCEPT, (orjson.dumps(kept).decode(),)),
        )
    except StructForgeError as error:
        keep_refused(hook=hook, call=call, error=error)
        raise
    return started


@transaction.atomic
def accept_test(*, hook: Hook, call: Call, listener: User | None) -> Started:
    """Keep a call of a test address and start its test run."""
    call_id = uuid7()
    common = {"pk": call_id, "workspace_id": hook.workflow.workspace_id, "webhook_id": hook.id}
    started = start_execution(
        workflow=hook.workflow,
        version=hook.version,
        input=_input(hook, call, call_id),
        started_by=listener,
        trigger="test",
        depth=call.depth,
    )
    WebhookCall.objects.create(**common, state=WebhookCall.State.TEST, execution_id=started.execution_id, **_rows(call))
    return started


def refuse_too_deep(*, hook: Hook, call: Call) -> None:
    """Keep a call that too many executions led to as refused, and raise TooDeepError; other calls pass."""
    try:
        check_depth(call.depth)
    except TooDeepError as error:
        keep_refused(hook=hook, call=call, error=error)
        raise


def keep_refused(*, hook: Hook, call: Call, error: StructForgeError) -> None:
    """Keep a call that could not start anything, with the reason, so that somebody can find and replay it."""
    told = {"code": error.code, "message": error.message, "details": dict(error.details)}
    WebhookCall.objects.create(
        workspace_id=hook.workflow.workspace_id, webhook_id=hook.id, state=WebhookCall.State.REFUSED, error=told, **_rows(call)
    )


def dedup_key_of(hook: Hook, call: Call) -> str | None:
    """What tells this call from another: by the node's expression, else by the message id of the signature's style; None: nothing does.

    Raises NoDedupKeyError.
    """
    if not hook.config.dedup_key:
        found: Any = hook.secret and message_id(hook.secret.style, call.content["headers"], call.content["body"])
    else:
        try:
            scope = Scope(input={"request": dict(call.content)}, env=settings.WORKFLOW_ENV)
            found = dedup_template(hook.config.dedup_key).resolve(scope)
        except ExpressionError as error:
            raise NoDedupKeyError(f"The de-duplication key cannot be read from the request: {error.message}") from error
    if found is None or found == "":
        return None
    text = found if isinstance(found, str) else orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()
    return text if len(text) <= MAX_DEDUP_KEY and text.isprintable() else f"sha256:{sha256(text.encode()).hexdigest()}"


def _input(hook: Hook, call: Call, call_id: UUID) -> dict[str, Any]:
    """The input of the execution: the request, and which node was meant where several may be."""
    meant = {TRIGGER: hook.node_key} if hook.has_siblings else {}
    return {**meant, "id": str(call_id), **call.content}


def _rows(call: Call) -> dict[str, Any]:
    columns = call.columns()
    columns["replay_of_id"] = columns.pop("replay_of")
    return columns
