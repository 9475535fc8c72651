"""The ways to tell: mail over SMTP, and signed webhooks through the one way out."""

import time
from collections.abc import Callable, Mapping
from smtplib import SMTPException
from typing import Any

import httpx2
import orjson
from django.conf import settings
from django.core.mail import EmailMessage

from apps.core import depth
from apps.executions.models import Execution
from apps.nodes.contract import NodeFailure
from apps.nodes.egress import Call
from apps.nodes.http_exchange import exchange, url_fault
from apps.notifications.keys import secrets_of
from apps.notifications.models import Delivery
from apps.notifications.signing import headers

WEBHOOK_SECONDS = 15.0
MAX_REPLY_BYTES = 1024 * 1024
GONE = 410
_SUBJECTS = {
    "success": "{workflow} has succeeded",
    "failed": "{workflow} has failed",
    "cancelled": "{workflow} was cancelled",
    "retrying": "{workflow} has failed, and is tried again",
    "compensation_failed": "{workflow}: not everything could be undone",
    "schedule_missed": "{workflow}: a scheduled run was missed",
    "schedule_failed": "{workflow}: a scheduled run could not be started",
    "schedule_late": "{workflow}: a scheduled run is late",
}


class NotTakenError(Exception):
    """The other side did not take it.

    is_final   another attempt cannot help
    """

    def __init__(self, code: str, message: str, *, is_final: bool = False, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.is_final, self.retry_after_seconds = code, message, is_final, retry_after_seconds

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message}


def send_email(delivery: Delivery) -> None:
    """Raises NotTakenError."""
    subject, text = _mail(delivery)
    # An id of the mail that stays the same tells the other side that it has it already.
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "structforge"
    message = EmailMessage(
        _one_line(subject),
        text,
        to=[delivery.target],
        headers={"Message-ID": f"<{delivery.pk}@{domain}>", "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except (OSError, SMTPException) as error:
        raise NotTakenError("mail_not_taken", f"The mail server did not take it: {type(error).__name__}: {error}"[:500]) from error


def send_webhook(delivery: Delivery) -> None:
    """Raises NotTakenError."""
    url = httpx2.URL(delivery.target)
    if fault := url_fault(url):
        raise NotTakenError("invalid_url", f"It cannot be called: {fault}", is_final=True)
    body = orjson.dumps(delivery.payload)
    signed = headers(secrets_of(delivery.workspace_id), message_id=str(delivery.pk), timestamp=int(time.time()), body=body)
    said = {"content-type": "application/json", depth.HEADER: str(_depth(delivery) + 1)}
    request = httpx2.Request("POST", url, content=body, headers={**said, **signed})
    try:
        reply = exchange(request, call=Call(WEBHOOK_SECONDS), max_bytes=MAX_REPLY_BYTES, max_redirects=0)
    except NodeFailure as failure:
        error = failure.outcome.error
        raise NotTakenError(error.code, error.message) from failure
    if not 200 <= reply.status < 300:
        raise NotTakenError("http_status", f"It answered {reply.status}, expected 2xx.", is_final=reply.status == GONE)


def _depth(delivery: Delivery) -> int:
    """Of the execution that it tells of: being told may start another one."""
    found = Execution.objects.filter(deliveries=delivery.pk)
    return found.values_list("depth", flat=True).first() or 0


def _mail(delivery: Delivery) -> tuple[str, str]:
    """Subject and text: those of the payload where it brings its own, {"mail": {"subject", "text"}}."""
    if own := delivery.payload.get("mail"):
        return own["subject"], own["text"]
    told = delivery.payload["data"]
    return _SUBJECTS[delivery.event].format(workflow=told["workflow"]["name"]), _text(told)


def _text(told: Mapping[str, Any]) -> str:
    facts = _of_schedule(told) if "schedule" in told else _of_execution(told)
    return "\n".join(f"{name + ':':14}{value}" for name, value in facts.items() if value) + "\n"


def _of_schedule(told: Mapping[str, Any]) -> dict[str, Any]:
    alert, error = told["alert"], told["error"]
    return {
        "Workflow": told["workflow"]["name"],
        "Schedule": told["schedule"]["name"],
        "Runs": alert["count"],
        "First for": alert["first_for"],
        "Last for": alert["last_for"],
        "Error": f"{error['code']}: {error['message']}" if error else None,
    }


def _of_execution(told: Mapping[str, Any]) -> dict[str, Any]:
    execution, error = told["execution"], told["error"]
    return {
        "Workflow": f"{told['workflow']['name']}, version {told['workflow']['version']}",
        "Execution": execution["id"],
        "Business key": execution["business_key"],
        "Status": execution["status"],
        "Finished": execution["finished_at"],
        "Node": told["node"],
        "Error": f"{error['code']}: {error['message']}" if error else None,
        "See": f"{settings.PUBLIC_URL.rstrip('/')}/executions/{execution['id']}" if settings.PUBLIC_URL else None,
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())


CHANNELS: Mapping[Delivery.Channel, Callable[[Delivery], None]] = {
    Delivery.Channel.EMAIL: send_email,
    Delivery.Channel.WEBHOOK: send_webhook,
}
