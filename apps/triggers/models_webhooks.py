"""The addresses at which workflows are started by requests, and the requests that came."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.ids import uuid7
from apps.core.models import BaseModel
from apps.credentials.models import Credential
from apps.executions.models import Execution
from apps.workflows.models import Workflow
from apps.workflows.shares import shared_with

MAX_DEDUP_KEY = 255


def _of_workflows(user: User, permission: Permission, workflow: str) -> Q:
    """Rows of workflows with which `user` may do this; `workflow` is the way to them."""
    mine = Q(workspace_id__in=user.access.workspaces_with(permission))
    shared = shared_with(user)
    if not shared:
        return mine
    return mine | shared.where(workflow=f"{workflow}_id", folder=f"{workflow}__folder_id", permission=permission)


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def visible_to(self, user: User) -> "WebhookQuerySet":
        """Those of workflows whose definition `user` may read."""
        return self if user.access.is_operator else self.filter(_of_workflows(user, Permission.WORKFLOW_VIEW, "workflow"))


class Webhook(BaseModel):
    """The address of one node `trigger.webhook`. Written by a trigger of `workflow`: publishing opens it, unpublishing closes it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="webhooks", db_index=False)
    node_key = models.CharField(max_length=64)
    token = models.CharField(max_length=64, unique=True, help_text="The secret part of the address.")
    is_open = models.BooleanField(default=False, help_text="The published version has the node.")
    config = models.JSONField(default=dict, help_text="Of the node, in the published version.")
    credential = models.ForeignKey(Credential, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    needs_credential = models.BooleanField(default=False, help_text="The node names one: without it nobody is let in.")
    respond_keys = models.JSONField(default=list, help_text="Keys of the nodes `webhook.respond`.")
    has_siblings = models.BooleanField(default=False, help_text="The workflow has other nodes that it may begin with.")
    listening_until = models.DateTimeField(null=True, blank=True, help_text="Until then the next call of the test address is a test run.")
    listening = models.JSONField(null=True, blank=True, help_text="What a test run is of; see `webhooks.listening`.")
    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    objects = WebhookQuerySet.as_manager()

    class Meta:
        db_table = "webhook"
        constraints = [models.UniqueConstraint(fields=["workflow", "node_key"], name="webhook_node_unique")]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="webhook_newest"),
            models.Index(fields=["-created_at", "-id"], name="webhook_newest_of_all"),
        ]

    def __str__(self) -> str:
        return self.node_key


class WebhookCallQuerySet(models.QuerySet["WebhookCall"]):
    def visible_to(self, user: User) -> "WebhookCallQuerySet":
        """Those of workflows whose executions `user` may see: a call is the input of one."""
        return self if user.access.is_operator else self.filter(_of_workflows(user, Permission.EXECUTION_VIEW, "webhook__workflow"))


class WebhookCall(models.Model):
    """A request that was let in. Made in the statement that starts its execution."""

    class State(models.TextChoices):
        STARTED = "started", "there is an execution"
        REFUSED = "refused", "it could not start one"
        TEST = "test", "it was a test run"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="calls", db_index=False)
    state = models.CharField(max_length=8, choices=State.choices)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=2000, blank=True, default="", help_text="What follows the token in the address.")
    query = models.JSONField(default=dict)
    headers = models.JSONField(default=dict, help_text="Without those that let the sender in.")
    body = models.JSONField(null=True, blank=True)
    size_bytes = models.IntegerField(default=0, help_text="Of the body as it came.")
    ip = models.GenericIPAddressField(null=True, blank=True)
    dedup_key = models.CharField(max_length=MAX_DEDUP_KEY, null=True, blank=True, help_text="A second call with it starts nothing.")
    duplicates = models.IntegerField(db_default=0, help_text="Further calls that came with this key.")
    execution = models.ForeignKey(Execution, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    error = models.JSONField(null=True, blank=True, help_text="Why it was refused.")
    replay_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    objects = WebhookCallQuerySet.as_manager()

    class Meta:
        db_table = "webhook_call"
        constraints = [
            models.UniqueConstraint(fields=["webhook", "dedup_key"], condition=Q(dedup_key__isnull=False), name="webhook_call_once"),
        ]
        indexes = [
            models.Index(fields=["webhook", "-created_at", "-id"], name="webhook_call_newest"),
            models.Index(fields=["workspace", "-created_at", "-id"], name="webhook_call_newest_of_all"),
            models.Index(F("created_at"), name="webhook_call_age"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path or '/'}"
