"""The webhook behind an address, with all that letting a request in takes: one statement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from pydantic import ValidationError

from apps.credentials.opening import SealedCredential, open_secrets
from apps.credentials.sealing import SealError
from apps.credentials.types.webhook import WebhookSecretFields
from apps.engine.errors import NotFoundError
from apps.nodes.builtin.trigger_webhook import SECRET_TYPE, WebhookTriggerConfig
from apps.workflows.models import Workflow, WorkflowVersion

MAX_TOKEN = 64

_OPEN = "select * from webhook_open_v1(%s)"
_LISTENING = "select * from webhook_listening_v1(%s)"


class UnknownWebhookError(NotFoundError):
    """Nothing listens there: unknown, closed, or not listening. Which of them is not said."""

    code = "not_found"


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that is open.

    now               the database's clock, in seconds since 1970
    needs_credential  the node names a credential; `secret` is None where it is gone, has expired, or does not open
    listener_id       of a test address: who listens
    """

    id: UUID
    workflow: Workflow
    version: WorkflowVersion
    node_key: str
    config: WebhookTriggerConfig
    now: float
    needs_credential: bool
    respond_keys: tuple[str, ...]
    has_siblings: bool
    secret: WebhookSecretFields | None = field(repr=False)
    listener_id: UUID | None = None


def find_open(token: str) -> Hook:
    """Raises UnknownWebhookError."""
    return _found(_OPEN, token)


def find_listening(token: str) -> Hook:
    """The test address of a webhook that listens. Raises UnknownWebhookError."""
    return _found(_LISTENING, token)


def unknown() -> UnknownWebhookError:
    return UnknownWebhookError("There is nothing here.")


def _found(statement: str, token: str) -> Hook:
    if len(token) > MAX_TOKEN or "\0" in token:
        raise unknown()
    with connection.cursor() as cursor:
        cursor.execute(statement, [token])
        row = cursor.fetchone()
    if row is None:
        raise unknown()
    hook_id, workspace_id, workflow_id, node_key, name, now, version_id, start, *credential, config, needs, keys, siblings, listener = row
    return Hook(
        id=hook_id,
        workflow=Workflow(pk=workflow_id, workspace_id=workspace_id, name=name, published_version_id=version_id),
        version=WorkflowVersion(pk=version_id, workspace_id=workspace_id, workflow_id=workflow_id, start=_json(start)),
        node_key=node_key,
        config=WebhookTriggerConfig.model_validate(_json(config)),
        now=now,
        needs_credential=needs,
        respond_keys=tuple(_json(keys)),
        has_siblings=siblings,
        secret=_secret(*credential) if credential[0] is not None else None,
        listener_id=listener,
    )


def _secret(credential_id: UUID, workspace_id: UUID, type_name: str, fields: Any, sealed: Any) -> WebhookSecretFields | None:
    """None where it does not open, or is of another type: then nobody is let in."""
    if type_name != SECRET_TYPE:
        return None
    shown: Mapping[str, Any] = _json(fields)
    row = SealedCredential(id=credential_id, workspace_id=workspace_id, name="", type=type_name, fields=shown, sealed=bytes(sealed))
    try:
        return WebhookSecretFields.model_validate({**shown, **open_secrets(row)})
    except (SealError, ValidationError):
        return None


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str | bytes) else value
