"""Reads of webhooks and of what they received, each for somebody."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import TextField
from django.db.models.functions import Cast

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.errors import NotFoundError
from apps.triggers.models import Webhook, WebhookCall
from apps.triggers.models_webhooks import WebhookCallQuerySet, WebhookQuerySet
from apps.workflows.access import is_visible, require

MAX_SEARCHED = 10_000
"""A search for words reads so many of the newest calls that its other conditions leave."""


class WebhookNotFoundError(NotFoundError):
    code = "webhook_not_found"


class CallNotFoundError(NotFoundError):
    code = "webhook_call_not_found"


def list_webhooks(user: User, **only: Any) -> WebhookQuerySet:
    return Webhook.objects.visible_to(user).filter(**only).select_related("workflow")


def get_webhook(user: User, webhook_id: UUID, *permissions: Permission) -> Webhook:
    """One webhook, to do with its workflow what `permissions` name. Raises WebhookNotFoundError, NotAllowedError."""
    webhook = Webhook.objects.select_related("workflow").filter(pk=webhook_id).first()
    if webhook is None or not is_visible(user, webhook.workflow):
        raise WebhookNotFoundError(f"There is no webhook {webhook_id} that you may see.")
    for permission in (Permission.WORKFLOW_VIEW, *permissions):
        require(user, webhook.workflow, permission)
    return webhook


def list_calls(
    user: User, *, words: str | None = None, since: datetime | None = None, until: datetime | None = None, **only: Any
) -> WebhookCallQuerySet:
    """Calls, without their bodies and headers.

    words   a text that stands in the path, query, headers or body; looked for in the newest 10,000 of the others
    """
    found = WebhookCall.objects.visible_to(user).filter(**only)
    if since is not None:
        found = found.filter(created_at__gte=since)
    if until is not None:
        found = found.filter(created_at__lt=until)
    if words:
        found = _with_words(found, words)
    return found.select_related("webhook").defer("body", "headers", "webhook__config", "webhook__listening")


def get_call(user: User, call_id: UUID) -> WebhookCall:
    """Raises CallNotFoundError."""
    call = WebhookCall.objects.visible_to(user).select_related("webhook__workflow__published_version").filter(pk=call_id).first()
    if call is None:
        raise CallNotFoundError(f"There is no call {call_id} that you may see.")
    return call


def _with_words(found: WebhookCallQuerySet, words: str) -> WebhookCallQuerySet:
    newest = found.order_by("-created_at", "-id").values("pk")[:MAX_SEARCHED]
    texts = {f"{name}_text": Cast(name, TextField()) for name in ("query", "headers", "body")}
    searched = WebhookCall.objects.filter(pk__in=newest).annotate(**texts)
    matching = searched.filter(path__icontains=words)
    for name in texts:
        matching = matching | searched.filter(**{f"{name}__icontains": words})
    return found.filter(pk__in=matching.values("pk"))
