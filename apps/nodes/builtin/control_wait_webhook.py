"""Waiting until somebody opens an address."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.outcomes import Deferred, Outcome, Succeeded
from apps.engine.waits import WEBHOOK
from apps.nodes.contract import RunContext
from apps.nodes.registry import register
from apps.nodes.waiting import ERRORS, MAX_SECONDS, WaitConfig, WaitNode

WEEK = 7 * 86_400


class WaitWebhookConfig(WaitConfig):
    timeout_seconds: float = Field(default=WEEK, title="Time limit", gt=0, le=MAX_SECONDS, allow_inf_nan=False)
    """For how many seconds the address is good, up to 366 days. Afterwards it goes on by the port `timeout`, or fails without one."""


@register
class WaitWebhook(WaitNode[WaitWebhookConfig]):
    """Wait until a request comes to the node's own address; the output is {"method", "query", "headers", "body"} of the request.

    The address is signed, good for one request, and shown with the node run as `resume_url` while it waits.
    """

    name = "control.wait_webhook"
    title = "Wait for a webhook"
    icon = "webhook"
    errors: ClassVar = ERRORS
    example: ClassVar = {"timeout_seconds": 86400}
    Config: ClassVar = WaitWebhookConfig

    def run(self, config: WaitWebhookConfig, context: RunContext) -> Outcome:
        return Deferred(signal=WEBHOOK, delay_seconds=config.timeout_seconds)

    def woken(self, signal: Mapping[str, Any]) -> Outcome:
        return Succeeded(signal["payload"])
