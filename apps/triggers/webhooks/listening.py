"""Test addresses: who builds a workflow listens, and the next call is a test run of a version that need not be published."""

from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.core.audit import Verb, record
from apps.engine.errors import NotFoundError
from apps.triggers.models import Webhook
from apps.triggers.webhooks.finding import Hook, unknown
from apps.triggers.webhooks.tokens import new_token
from apps.workflows.models import Workflow, WorkflowVersion

LISTENS_FOR = timedelta(seconds=120)
TYPE = "trigger.webhook"
_TAKE = "update webhook set listening_until = null, updated_at = now() where id = %s and listening_until > clock_timestamp()"


class NoWebhookNodeError(NotFoundError):
    """The version has no such node; details: {"node": str, "nodes": [those that there are]}."""

    code = "no_webhook_node"


@transaction.atomic
def listen(*, workflow: Workflow, user: User, node_key: str | None = None, version: WorkflowVersion | None = None) -> Webhook:
    """Let the next call of the node's test address, within two minutes, be a test run of a version: the newest, unless one is named.

    node_key   None: the only node of its type
    Raises NoWebhookNodeError.
    """
    version = version or workflow.versions.latest("number")
    nodes = [node for node in version.definition["nodes"] if not node.get("disabled")]
    node = _chosen(nodes, node_key)
    webhook, _ = Webhook.objects.get_or_create(
        workflow=workflow, node_key=node["key"], defaults={"workspace_id": workflow.workspace_id, "token": new_token()}
    )
    webhook.listening = _listening(version, node, nodes)
    webhook.listener = user
    webhook.listening_until = Now() + LISTENS_FOR
    webhook.save(update_fields=["listening", "listener", "listening_until", "updated_at"])
    record(Verb.WEBHOOK_LISTENED, webhook, after={"version": version.pk})
    webhook.refresh_from_db()
    return webhook


@transaction.atomic
def stop_listening(*, webhook: Webhook) -> Webhook:
    webhook.listening_until = None
    webhook.save(update_fields=["listening_until", "updated_at"])
    record(Verb.WEBHOOK_LISTENED, webhook, after={"version": None})
    return webhook


def take_turn(hook: Hook) -> None:
    """Be the one call that a listener waits for. Raises UnknownWebhookError where another was quicker."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [hook.id])
        if cursor.rowcount == 0:
            raise unknown()


def _chosen(nodes: list[dict[str, Any]], node_key: str | None) -> dict[str, Any]:
    found = [node for node in nodes if node["type"] == TYPE and node_key in (None, node["key"])]
    if len(found) != 1:
        keys = [node["key"] for node in nodes if node["type"] == TYPE]
        what = "no node of type" if not keys else "several nodes of type" if node_key is None else f"no node '{node_key}' of type"
        raise NoWebhookNodeError(f"The version has {what} {TYPE}.", node=node_key, nodes=keys)
    return found[0]


def _listening(version: WorkflowVersion, node: dict[str, Any], nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """What `finding` needs to know, as publishing would have written it."""
    credential = node.get("credentials", {}).get("default")
    return {
        "version": str(version.pk),
        "config": node.get("config", {}),
        "credential": credential,
        "needs_credential": credential is not None,
        "respond_keys": [each["key"] for each in nodes if each["type"] == "webhook.respond"],
        "has_siblings": sum(each["type"].startswith("trigger.") for each in nodes) > 1,
    }
