"""What people do to webhooks and to what they received: one function a verb. Opening and closing is publishing."""

from django.conf import settings
from django.db import transaction

from apps.accounts.models import User
from apps.core.audit import Verb, record
from apps.engine.errors import ConflictError
from apps.executions.actions import Started
from apps.triggers.models import Webhook, WebhookCall
from apps.triggers.webhooks.finding import UnknownWebhookError, find_open
from apps.triggers.webhooks.receiving import Call, accept
from apps.triggers.webhooks.tokens import new_token

PRUNE = f"""
delete from webhook_call where id in (
    select id from webhook_call where created_at < clock_timestamp() - interval '{settings.WEBHOOK_RETENTION_DAYS} days'
     order by created_at limit %(limit)s)
returning 1
"""  # noqa: S608  # a number of our own


class WebhookClosedError(ConflictError):
    """The workflow is not published, or not with this node any more."""

    code = "webhook_closed"


@transaction.atomic
def change_address(*, webhook: Webhook) -> Webhook:
    """Give it another address: the one that it had is unknown from now on."""
    webhook.token = new_token()
    webhook.save(update_fields=["token", "updated_at"])
    record(Verb.WEBHOOK_ADDRESS_CHANGED, webhook)
    return webhook


@transaction.atomic
def replay_call(*, call: WebhookCall, user: User, depth: int = 0) -> Started:
    """Start the published version once more with a call that came before.

    depth   executions that led to the replay; those that led to the call do not count, since somebody has decided anew
    Raises WebhookClosedError, and as `receiving.accept`.
    """
    try:
        hook = find_open(call.webhook.token)
    except UnknownWebhookError as error:
        raise WebhookClosedError("The workflow is not published with this webhook: publish it first.") from error
    content = {name: getattr(call, name) for name in ("method", "path", "query", "headers", "body")}
    again = Call(content, size_bytes=call.size_bytes, ip=call.ip, replay_of=call.pk, depth=depth)
    started = accept(hook=hook, call=again, started_by=user)
    record(Verb.WEBHOOK_CALL_REPLAYED, call, after={"execution": str(started.execution_id)})
    return started
