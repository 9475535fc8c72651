"""What wakes node runs, and what keeps them back."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.ids import uuid7
from apps.workflows.models import Workflow
from apps.workflows.shares import shared_with

WAITS_FOR_LENGTH = 400


class HoldQuerySet(models.QuerySet["Hold"]):
    def visible_to(self, user: User) -> "HoldQuerySet":
        """Those of the person's workspaces, of workflows shared for viewing, and of the installation, which hold everybody's."""
        access = user.access
        if access.is_operator:
            return self
        mine = Q(workspace_id__isnull=True) | Q(workspace_id__in=access.workspaces_with(Permission.WORKFLOW_VIEW))
        shared = shared_with(user)
        return self.filter(
            mine | shared.where(workflow="workflow_id", folder="workflow__folder_id", permission=Permission.WORKFLOW_VIEW)
            if shared
            else mine
        )

    def in_force(self) -> "HoldQuerySet":
        return self.filter(released_at__isnull=True)


class Hold(models.Model):
    """While it is in force, no node run that it covers begins: of a node, a workflow, a workspace, or the installation."""

    class Scope(models.TextChoices):
        NODE = "node"
        WORKFLOW = "workflow"
        WORKSPACE = "workspace"
        INSTALLATION = "installation"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, null=True, related_name="holds", db_index=False)
    node_key = models.CharField(max_length=64, blank=True, default="", help_text="Empty: every node.")
    reason = models.CharField(max_length=500)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(null=True, blank=True, help_text="When it ends by itself; empty: not before somebody releases it.")
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    is_done = models.BooleanField(default=False, help_text="Released, and all that it had kept back was sent.")

    objects = HoldQuerySet.as_manager()

    class Meta:
        db_table = "hold"
        constraints = [
            models.CheckConstraint(
                condition=(Q(node_key="") | Q(workflow__isnull=False)) & (Q(workflow__isnull=True) | Q(workspace__isnull=False)),
                name="hold_names_its_place",
            )
        ]
        indexes = [
            # Every claim looks here: it holds what is in force and nothing else.
            models.Index(F("workspace"), condition=Q(released_at__isnull=True), name="hold_in_force"),
            models.Index(F("released_at"), condition=Q(released_at__isnull=False, is_done=False), name="hold_released"),
            models.Index(fields=["-created_at", "-id"], name="hold_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.scope}: {self.reason}"

    @property
    def scope(self) -> str:
        if self.node_key:
            return self.Scope.NODE
        if self.workflow_id is not None:
            return self.Scope.WORKFLOW
        return self.Scope.INSTALLATION if self.workspace_id is None else self.Scope.WORKSPACE


class ReceivedEventQuerySet(models.QuerySet["ReceivedEvent"]):
    def visible_to(self, user: User) -> "ReceivedEventQuerySet":
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.EXECUTION_VIEW))


class ReceivedEvent(models.Model):
    """An event, or a request to a node run's own address, that came from outside. Written by SQL functions alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    event = models.CharField(max_length=128)
    waits_for = models.CharField(max_length=WAITS_FOR_LENGTH, help_text="What node runs wait for that it wakes.")
    payload = models.JSONField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=WAITS_FOR_LENGTH, null=True, blank=True)
    sent_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    keep_until = models.DateTimeField(null=True, blank=True, help_text="Until then it waits for somebody to wake; empty: it does not.")
    woken = models.IntegerField(default=0, help_text="Node runs that it woke.")
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = ReceivedEventQuerySet.as_manager()

    class Meta:
        db_table = "received_event"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="received_event_idempotency_key_unique",
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="received_event_newest"),
            models.Index(F("workspace"), F("created_at"), condition=Q(delivered_at__isnull=True), name="received_event_undelivered"),
            models.Index(fields=["created_at"], name="received_event_age"),
        ]

    def __str__(self) -> str:
        return self.event
