"""Human tasks: what people are asked, who may answer, and what they answered."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.ids import uuid7
from apps.executions.models import Execution, NodeRun
from apps.tasks.keys import Keys, keys_of

FIRST = "first"
UNANIMOUS = "unanimous"
MAX_KEY = 128  # characters


class HumanTaskQuerySet(models.QuerySet["HumanTask"]):
    def visible_to(self, user: User) -> "HumanTaskQuerySet":
        """Those of workspaces whose executions `user` may see, and those that are theirs or offered to them."""
        access = user.access
        if access.is_operator:
            return self
        seen = access.workspaces_with(Permission.EXECUTION_VIEW)
        hidden = set(access.workspaces_with(Permission.TASK_WORK)).difference(seen)
        if not hidden:
            return self.filter(workspace_id__in=seen)
        return self.filter(Q(workspace_id__in=seen) | Q(workspace_id__in=hidden) & keys_of(user).holding())

    def open_for(self, keys: Keys) -> "HumanTaskQuerySet":
        """What awaits this person: their own tasks, those offered to them, and those of people for whom they stand in."""
        held = Holder.objects.filter(keys.held()).values("task")
        return self.filter(pk__in=held, status=HumanTask.Status.OPEN).exclude(voters__contains=[keys.user_id])


class HumanTask(models.Model):
    """One question to people, of one node run. Its row is made by a trigger, in the commit in which the node run begins to wait."""

    class Status(models.TextChoices):
        OPEN = "open"
        COMPLETED = "completed"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    class Priority(models.IntegerChoices):
        LOW = 0
        NORMAL = 1
        HIGH = 2
        URGENT = 3

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="human_tasks")
    node_run = models.ForeignKey(NodeRun, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)
    key = models.CharField(max_length=64, help_text="Key of the node.")
    path = models.CharField(max_length=64, default="", blank=True)
    title = models.CharField(max_length=500)
    description = models.TextField(blank=True, default="")
    form = models.JSONField(default=dict, blank=True, help_text="JSON Schema of the answers; empty: any.")
    decision = models.CharField(max_length=64, default="approved", help_text="Name of the answer that says yes or no.")
    quorum = models.JSONField(help_text='"first", "unanimous" or {"at_least": int}.')
    four_eyes = models.BooleanField(default=False)
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    in_place_of = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whom the assignee stands for.",
    )
    delegated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    candidates = models.JSONField(default=list, blank=True, help_text='To whom it is offered: [{"key", "kind", "name"}].')
    holders = ArrayField(models.CharField(max_length=MAX_KEY), default=list, help_text="Keys of those who may do it now.")
    voters = ArrayField(models.UUIDField(), default=list, help_text="Who has answered already, where several have to.")
    approved = models.BooleanField(null=True, help_text="Whether the decision was a yes.")
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = HumanTaskQuerySet.as_manager()

    class Meta:
        db_table = "human_task"
        constraints = [
            models.UniqueConstraint(fields=["node_run"], condition=Q(status="open"), name="human_task_one_open_of_node_run"),
            models.CheckConstraint(
                condition=Q(status="open", closed_at__isnull=True) | ~Q(status="open") & Q(closed_at__isnull=False),
                name="human_task_closed_at",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], condition=Q(status="open"), name="human_task_open"),
            models.Index(fields=["workspace", "-id"], name="human_task_newest"),
            models.Index(fields=["due_at", "id"], condition=Q(status="open", due_at__isnull=False), name="human_task_due"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def needs_votes(self) -> bool:
        """Whether several people have to answer."""
        return bool(self.quorum != FIRST)

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN


class Holder(models.Model):
    """One key of `holders` of an open task, kept by a trigger: what an inbox is read by.

    Behind the second fence PostgreSQL uses no index for a search in arrays; see docs/tenancy.md.
    """

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    task = models.ForeignKey(HumanTask, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=MAX_KEY)

    class Meta:
        db_table = "human_task_holder"
        constraints = [models.UniqueConstraint(fields=["task", "key"], name="human_task_holder_unique")]
        indexes = [models.Index(fields=["key", "-task"], name="human_task_holder_by_key")]

    def __str__(self) -> str:
        return self.key


class BelowTaskQuerySet(models.QuerySet["models.Model"]):
    def visible_to(self, user: User) -> "BelowTaskQuerySet":
        return self if user.access.is_operator else self.filter(task__in=HumanTask.objects.visible_to(user))


class BelowTask(models.Model):
    """What hangs below a task."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", help_text="Who did it.")
    created_at = models.DateTimeField(db_default=Now())

    objects = BelowTaskQuerySet.as_manager()

    class Meta:
        abstract = True


class Decision(BelowTask):
    """One answer. `voter` is whose right it was: the person, or whom the person stands for."""

    task = models.ForeignKey(HumanTask, on_delete=models.CASCADE, related_name="decisions")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    approved = models.BooleanField()
    variables = models.JSONField(default=dict, help_text="The answers.")

    class Meta:
        db_table = "human_task_decision"
        constraints = [
            models.UniqueConstraint(fields=["task", "user"], name="human_task_one_answer_a_person"),
            models.UniqueConstraint(fields=["task", "voter"], name="human_task_one_answer_a_right"),
        ]

    def __str__(self) -> str:
        return "yes" if self.approved else "no"


class Comment(BelowTask):
    task = models.ForeignKey(HumanTask, on_delete=models.CASCADE, related_name="comments")
    text = models.TextField()

    class Meta:
        db_table = "human_task_comment"

    def __str__(self) -> str:
        return self.text[:80]


class Attachment(BelowTask):
    """A file; its bytes are in the object store."""

    task = models.ForeignKey(HumanTask, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=127)
    size_bytes = models.BigIntegerField()
    ref = models.CharField(max_length=128)

    class Meta:
        db_table = "human_task_attachment"

    def __str__(self) -> str:
        return self.name


class Timer(models.Model):
    """Something to be done about a task at an instant, once."""

    class Kind(models.TextChoices):
        OFFERED = "offered", "tell those whose task it is"
        REMINDER = "reminder"
        ESCALATION = "escalation"

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    task = models.ForeignKey(HumanTask, on_delete=models.CASCADE, related_name="timers")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    what = models.JSONField(null=True, help_text='Of an escalation: {"action", "assignee", "candidates"}.')
    due_at = models.DateTimeField()
    fired_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "human_task_timer"
        indexes = [models.Index(F("due_at"), condition=Q(fired_at__isnull=True), name="human_task_timer_due")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.due_at}"


class AbsenceQuerySet(models.QuerySet["Absence"]):
    def in_force(self) -> "AbsenceQuerySet":
        return self.filter(starts_at__lte=Now(), ends_at__gt=Now())

    def visible_to(self, user: User) -> "AbsenceQuerySet":
        """One's own, those in which one stands in, and those of workspaces whose people one may see."""
        access = user.access
        if access.is_operator:
            return self
        own = Q(user=user) | Q(substitute=user)
        inside = Q(workspace_id__in=access.workspaces_with(Permission.TASK_WORK))
        return self.filter(own & inside | Q(workspace_id__in=access.workspaces_with(Permission.MEMBER_VIEW)))


class Absence(models.Model):
    """While somebody is away, somebody else may do the tasks that are theirs by name."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="absences")
    substitute = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    objects = AbsenceQuerySet.as_manager()

    class Meta:
        db_table = "absence"
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="absence_ends_after_its_start"),
            models.CheckConstraint(condition=~Q(substitute=F("user")), name="absence_has_another_as_substitute"),
        ]

    def __str__(self) -> str:
        return f"{self.user} until {self.ends_at:%Y-%m-%d}"
