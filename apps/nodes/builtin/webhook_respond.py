"""The answer to the request that started an execution."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.outcomes import Outcome, Succeeded
from apps.nodes.contract import Effect, NodeConfig, NodeFailure, NodeType, RunContext, is_constant
from apps.nodes.registry import register

# An answer comes from our own origin: what could change what a browser does there is not for workflows to say.
_ALLOWED = frozenset(
    {
        *("allow", "cache-control", "content-disposition", "content-language", "content-type", "etag", "expires", "last-modified"),
        *("link", "location", "retry-after", "vary", "warning"),
    }
)
_REFUSED = frozenset({"x-content-type-options", "x-frame-options", "x-robots-tag", "x-request-id", "x-accel-redirect", "x-sendfile"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_VALUE = re.compile(r"[\x20-\x7e]{0,4000}")


class WebhookRespondConfig(NodeConfig):
    status: int = Field(default=200, ge=200, le=599, title="Status")
    """The HTTP status."""
    headers: dict[str, str] = Field(default_factory=dict, max_length=50, title="Headers")
    """Further headers, by name: those that describe the content, `Location`, `Retry-After`, and names that begin with `X-`."""
    body: Any = Field(default=None, title="Body")
    """A text as it is; anything else as JSON."""


@register
class WebhookRespond(NodeType[WebhookRespondConfig]):
    """Answer the request that started the execution, where its `trigger.webhook` says `respond: node`; the execution goes on.

    The first answer counts. In an execution that no request waits for, nothing happens; the output is the answer in any case.
    """

    name = "webhook.respond"
    title = "Answer a webhook"
    category = "integration"
    icon = "reply"
    effect = Effect.PURE
    brief = True
    errors: ClassVar = {"invalid_header": "a header may not be set, or cannot be sent as it is"}
    example: ClassVar = {"status": 201, "headers": {"Location": "/orders/${input.body.id}"}, "body": {"id": "${input.body.id}"}}
    Config: ClassVar = WebhookRespondConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        headers = config.get("headers", {})
        return [
            (f"/headers/{name.replace('~', '~0').replace('/', '~1')}", fault)
            for name, value in (headers.items() if isinstance(headers, Mapping) else ())
            if is_constant(name) and (fault := fault_of_header(name, value if is_constant(value) else ""))
        ]

    def run(self, config: WebhookRespondConfig, context: RunContext) -> Outcome:
        for name, value in config.headers.items():
            if fault := fault_of_header(name, value):
                raise NodeFailure("invalid_header", fault, is_final=True, header=name[:64])
        return Succeeded(
            {"status": config.status, "headers": {name.lower(): value for name, value in config.headers.items()}, "body": config.body}
        )


def fault_of_header(name: str, value: object) -> str | None:
    """What is wrong with a header of an answer; None: nothing."""
    if not _NAME.fullmatch(name):
        return f"Expected the name of a header, found '{name[:64]}'."
    lower = name.lower()
    if lower in _REFUSED or not (lower in _ALLOWED or lower.startswith("x-")):
        return f"The header '{name}' may not be set; expected one of {', '.join(sorted(_ALLOWED))}, or a name that begins with X-."
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        return f"Expected printable ASCII on one line, of at most 4,000 characters, in the header '{name}'."
    return None
