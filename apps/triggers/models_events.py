"""Events, and the nodes that listen for them."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.ids import uuid7
from apps.core.models import BaseModel
from apps.workflows.models import Workflow

MAX_ID = 255


class EventListener(BaseModel):
    """A node `trigger.event` of a published version. Written by a trigger of `workflow`, as webhooks are."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="event_listeners", db_index=False)
    node_key = models.CharField(max_length=64)
    types = models.JSONField(default=list)
    filter = models.TextField(blank=True, default="")
    has_siblings = models.BooleanField(default=False, help_text="The workflow has other nodes that it may begin with.")

    class Meta:
        db_table = "event_listener"
        constraints = [models.UniqueConstraint(fields=["workflow", "node_key"], name="event_listener_node_unique")]
        indexes = [models.Index(F("workspace"), name="event_listener_workspace")]

    def __str__(self) -> str:
        return self.node_key


class EventQuerySet(models.QuerySet["Event"]):
    def visible_to(self, user: User) -> "EventQuerySet":
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.EXECUTION_VIEW))


class Event(models.Model):
    """Something that happened. It is kept first, in the transaction of what it tells of, and delivered then: the outbox and the inbox."""

    class Origin(models.TextChoices):
        API = "api", "sent to us"
        INTERNAL = "internal", "of this installation"
        HOST = "host", "of the program around it"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    origin = models.CharField(max_length=8, choices=Origin.choices)
    type = models.CharField(max_length=128)
    source = models.CharField(max_length=MAX_ID, blank=True, default="")
    event_id = models.CharField(max_length=MAX_ID, help_text="The sender's; once for each source.")
    subject = models.CharField(max_length=MAX_ID, blank=True, default="", help_text="Correlation key of the nodes that it wakes.")
    time = models.DateTimeField(help_text="When it happened, as the sender says.")
    data = models.JSONField(null=True, blank=True)
    depth = models.IntegerField(db_default=0, default=0, help_text="Executions that led to it.")
    sent_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, blank=True)
    started = models.JSONField(default=list, help_text="Ids of the executions that it started.")
    woken = models.IntegerField(db_default=0, default=0, help_text="Node runs that it woke.")
    problems = models.JSONField(default=list, blank=True, help_text="What it could not start: [{workflow, node, code, message}].")

    objects = EventQuerySet.as_manager()

    class Meta:
        db_table = "event"
        constraints = [models.UniqueConstraint(fields=["workspace", "source", "event_id"], name="event_once")]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="event_newest"),
            models.Index(fields=["-created_at", "-id"], name="event_newest_of_all"),
            models.Index(F("created_at"), condition=Q(delivered_at__isnull=True), name="event_undelivered"),
        ]

    def __str__(self) -> str:
        return self.type
