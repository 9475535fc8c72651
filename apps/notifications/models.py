"""What is to be told to people and programs about ends of executions, and the key that signs it."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.ids import uuid7
from apps.executions.models import Execution


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def visible_to(self, user: User) -> "DeliveryQuerySet":
        """Those about executions that `user` may see, and those about schedules of their workspaces."""
        access = user.access
        if access.is_operator:
            return self
        of_schedules = Q(execution__isnull=True, workspace__in=access.workspaces_with(Permission.EXECUTION_VIEW))
        return self.filter(Q(execution__in=Execution.objects.visible_to(user)) | of_schedules)


class Delivery(models.Model):
    """One message to one address about an end of an execution or an alert of a schedule. It arrives at least once, under one id."""

    class Channel(models.TextChoices):
        EMAIL = "email"
        WEBHOOK = "webhook"

    class State(models.TextChoices):
        PENDING = "pending", "to be sent, perhaps again"
        DELIVERED = "delivered", "taken by the other side"
        DEAD = "dead", "given up"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    execution = models.ForeignKey(
        Execution, on_delete=models.CASCADE, null=True, blank=True, related_name="deliveries", help_text="None: it is about a schedule."
    )
    event = models.CharField(
        max_length=32, help_text="success, failed, cancelled, retrying, compensation_failed; callback_ or schedule_ and its kind."
    )
    channel = models.CharField(max_length=8, choices=Channel.choices)
    target = models.CharField(max_length=2000, help_text="An address, or a URL.")
    payload = models.JSONField(help_text="What is told.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    attempts = models.IntegerField(default=0, help_text="Since it was last asked for.")
    next_try_at = models.DateTimeField(db_default=Now())
    token = models.UUIDField(null=True, blank=True, help_text="Of the worker that is sending it.")
    leased_until = models.DateTimeField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True, help_text="Why the last attempt failed.")
    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        db_table = "notification_delivery"
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(state="delivered", delivered_at__isnull=False) | ~Q(state="delivered") & Q(delivered_at__isnull=True),
                name="notification_delivered_at",
            ),
        ]
        indexes = [
            models.Index(F("next_try_at"), condition=Q(state="pending"), name="notification_due"),
            models.Index(fields=["-created_at", "-id"], name="notification_newest_of_all"),
            models.Index(fields=["workspace", "-created_at", "-id"], name="notification_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.target}"


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    def visible_to(self, user: User) -> "SigningKeyQuerySet":
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.WORKSPACE_MANAGE))


class SigningKey(models.Model):
    """What signs the webhooks of a workspace. Kept encrypted; told once, when it is made."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="signing_key")
    secret = models.TextField(help_text="Encrypted.")
    made_at = models.DateTimeField(db_default=Now())
    former = models.TextField(blank=True, help_text="Encrypted; signs beside the new one for a while.")
    former_until = models.DateTimeField(null=True, blank=True)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        db_table = "signing_key"

    def __str__(self) -> str:
        return f"signing key of {self.workspace_id}"
