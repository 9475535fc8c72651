"""Where an execution begins that somebody else's program starts by a request."""

import ipaddress
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from apps.engine.expressions import ExpressionError, Names, Template, compile_template
from apps.engine.outcomes import Outcome
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext, is_constant
from apps.nodes.credentials import DEFAULT_SLOT, CredentialSlot
from apps.nodes.registry import register
from apps.nodes.triggering import fired

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
USUAL_METHODS: tuple[Method, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAX_BYTES = 5_000_000
MAX_WAIT_SECONDS = 60.0
SECRET_TYPE = "webhook_secret"  # noqa: S105  # the name of a credential type
_NAMES = Names(inputs=frozenset({"request"}))


class WebhookTriggerConfig(NodeConfig):
    methods: list[Method] = Field(default_factory=list, title="Methods")
    """Which methods are answered; others get 405. Empty: GET, POST, PUT, PATCH and DELETE."""
    respond: Literal["at_once", "last_node", "node"] = Field(default="at_once", title="Answer")
    """`at_once`: 202 with the id of the execution. `last_node`: its output, once it has ended. `node`: what `webhook.respond` says."""
    wait_seconds: float = Field(default=30.0, gt=0, le=MAX_WAIT_SECONDS, title="Wait for the answer")
    """So many seconds a request is kept waiting for an answer; then it gets 202, and the execution goes on."""
    dedup_key: str = Field(default="", max_length=2000, title="De-duplication key")
    """What tells one call from another, such as `${request.headers["x-request-id"]}`; a second call with it starts nothing. Empty: the
    message id of the signature's style, where the credential has one."""
    allowed_ips: list[str] = Field(default_factory=list, max_length=200, title="Allowed addresses")
    """IP addresses and networks, such as `203.0.113.7` and `2001:db8::/32`, that calls may come from. Empty: any."""
    max_bytes: int = Field(default=1_000_000, ge=1, le=MAX_BYTES, title="Largest body")
    """Bytes of a body; larger ones get 413."""
    max_per_minute: int = Field(default=60_000, ge=1, le=1_000_000, title="Calls a minute")
    """More than that get 429."""


@register
class WebhookTrigger(NodeType[WebhookTriggerConfig]):
    """Begin here when a request comes to the node's own address; the output is {"id", "method", "path", "query", "headers", "body"} of it.

    Publishing opens the address, unpublishing closes it. A credential of type `webhook_secret` says how senders prove who they are; without
    one, whoever knows the address may call. `inputs` of the definition, where there are any, describe the whole request.
    """

    name = "trigger.webhook"
    title = "Webhook"
    category = "trigger"
    icon = "webhook"
    effect = Effect.PURE
    brief = True
    verbatim = frozenset(WebhookTriggerConfig.model_fields)
    credentials: ClassVar = {DEFAULT_SLOT: CredentialSlot((SECRET_TYPE,))}
    opens_credentials = False
    example: ClassVar = {
        "methods": ["POST"],
        "respond": "at_once",
        "dedup_key": '${request.headers["x-request-id"]}',
        "allowed_ips": ["203.0.113.0/24"],
    }
    Config: ClassVar = WebhookTriggerConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        faults = [
            (f"/{name}", "Expected a fixed value: the address is open before any execution, and so before any expression.")
            for name, value in config.items()
            if name != "dedup_key" and not is_constant(value)
        ]
        faults += [
            (f"/allowed_ips/{index}", f"Expected an IP address or network, found '{text[:60]}'.")
            for index, text in enumerate(config.get("allowed_ips", []))
            if not _is_network(text)
        ]
        return faults + _faults_of_key(config.get("dedup_key", ""))

    def run(self, config: WebhookTriggerConfig, context: RunContext) -> Outcome:
        return fired(context)


def dedup_template(text: str) -> Template:
    """A de-duplication key, compiled; it reads `request`, as the output of the node is. Raises ExpressionError."""
    return compile_template(text, _NAMES)


def _faults_of_key(text: str) -> list[tuple[str, str]]:
    if not text:
        return []
    try:
        template = dedup_template(text)
    except ExpressionError as error:
        return [("/dedup_key", error.message)]
    if template.is_constant:
        return [("/dedup_key", 'Expected an expression such as ${request.headers["x-request-id"]}: all calls would have this key.')]
    return []


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
