"""Schedules, the days on which they do not fire, what each instant came to, and what did not happen though it was expected."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.ids import uuid7
from apps.core.models import BaseModel
from apps.executions.models import Execution
from apps.triggers.timing.misfire import Misfire
from apps.workflows.models import Workflow
from apps.workflows.shares import shared_with


def _of_readable_workflows(user: User) -> Q:
    """Rows of workflows whose definition `user` may read."""
    mine = Q(workspace_id__in=user.access.workspaces_with(Permission.WORKFLOW_VIEW))
    shared = shared_with(user)
    if not shared:
        return mine
    return mine | shared.where(workflow="workflow_id", folder="workflow__folder_id", permission=Permission.WORKFLOW_VIEW)


class ScheduleCalendarQuerySet(models.QuerySet["ScheduleCalendar"]):
    def visible_to(self, user: User) -> "ScheduleCalendarQuerySet":
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.WORKFLOW_VIEW))


class ScheduleCalendar(BaseModel):
    """Days on which the schedules that name it do not fire."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=128)
    days = models.JSONField(default=list, help_text="2026-12-25, 2026-12-24/2027-01-01, 12-25 for every year, or SAT.")

    objects = ScheduleCalendarQuerySet.as_manager()

    class Meta:
        db_table = "schedule_calendar"
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="schedule_calendar_name_unique")]

    def __str__(self) -> str:
        return self.name


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    def visible_to(self, user: User) -> "ScheduleQuerySet":
        """Those of workflows whose definition `user` may read."""
        return self if user.access.is_operator else self.filter(_of_readable_workflows(user))


class Schedule(BaseModel):
    """Starts the published version of a workflow, when its rule says so."""

    class Kind(models.TextChoices):
        CRON = "cron", "by a cron line"
        INTERVAL = "interval", "every so many seconds"
        ONCE = "once", "once, at run_at"
        DELAY = "delay", "after a delay"

    class Misfire(models.TextChoices):
        SKIP = Misfire.SKIP.value, "start none of the missed"
        FIRE_ONCE = Misfire.FIRE_ONCE.value, "start once for all of them"
        CATCH_UP = Misfire.CATCH_UP.value, "start the newest catch_up_count"

    class Overlap(models.TextChoices):
        ALLOW = "allow", "start beside what still runs"
        SKIP = "skip", "do not start"
        QUEUE = "queue", "start when it has ended"
        CANCEL_PREVIOUS = "cancel_previous", "cancel it, and start when it has ended"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="schedules")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", help_text="Who made it.")
    name = models.CharField(max_length=128)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    cron_expr = models.CharField(max_length=255, blank=True, default="")
    timezone = models.CharField(max_length=64, default="UTC")
    interval_seconds = models.BigIntegerField(null=True, blank=True)
    run_at = models.CharField(
        max_length=40, blank=True, default="", help_text="ISO 8601; without an offset a time on the wall of its zone."
    )
    delay_seconds = models.BigIntegerField(null=True, blank=True)
    delay_factor = models.FloatField(default=1.0, help_text="Of each further delay to the one before.")
    max_delay_seconds = models.BigIntegerField(default=86_400)
    anchor_at = models.DateTimeField(help_text="What intervals and delays are counted from.")
    start_at = models.DateTimeField(null=True, blank=True, help_text="It fires for no instant before.")
    end_at = models.DateTimeField(null=True, blank=True, help_text="It fires for no instant after.")
    exceptions = models.JSONField(default=list, blank=True, help_text="Days of its own on which it does not fire.")
    calendars = models.ManyToManyField(ScheduleCalendar, related_name="schedules", blank=True, db_table="schedule_on_calendar")
    jitter_seconds = models.IntegerField(default=0)
    input = models.JSONField(default=dict, blank=True, help_text="Input of the executions, with expressions over `schedule`.")
    misfire = models.CharField(max_length=16, choices=Misfire.choices, default=Misfire.FIRE_ONCE)
    catch_up_count = models.IntegerField(default=1, help_text="Of the rule catch_up.")
    overlap = models.CharField(max_length=16, choices=Overlap.choices, default=Overlap.ALLOW)
    grace_seconds = models.IntegerField(default=60, help_text="A run that starts later is missed.")
    notify = ArrayField(models.CharField(max_length=2000), default=list, blank=True, help_text="Addresses and URLs that alerts go to.")
    enabled = models.BooleanField(default=True)
    max_runs = models.IntegerField(default=0, help_text="0: any number.")
    run_count = models.BigIntegerField(default=0)
    next_run_time = models.DateTimeField(null=True, blank=True, help_text="Empty: never again, or not while it is disabled.")
    next_fire_at = models.DateTimeField(null=True, blank=True, help_text="As next_run_time, with its jitter.")
    last_run_time = models.DateTimeField(null=True, blank=True)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        db_table = "schedule"
        constraints = [
            models.CheckConstraint(
                condition=Q(next_run_time__isnull=True, next_fire_at__isnull=True)
                | Q(next_run_time__isnull=False, next_fire_at__isnull=False, enabled=True),
                name="schedule_is_due_only_while_enabled",
            ),
            models.CheckConstraint(condition=Q(max_runs=0) | Q(run_count__lte=F("max_runs")), name="schedule_max_runs"),
        ]
        indexes = [
            # The clock looks here and nowhere else, however many schedules there are. Those of one workflow that are due at once stand
            # together, for one statement starts them.
            models.Index(F("next_fire_at"), F("workflow"), condition=Q(next_fire_at__isnull=False), name="schedule_due"),
            models.Index(fields=["workspace", "-created_at", "-id"], name="schedule_newest"),
            models.Index(fields=["-created_at", "-id"], name="schedule_newest_of_all"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def status(self) -> str:
        """active, disabled, or ended: it never fires again."""
        if not self.enabled:
            return "disabled"
        return "ended" if self.next_run_time is None else "active"


class ScheduleRunQuerySet(models.QuerySet["ScheduleRun"]):
    def visible_to(self, user: User) -> "ScheduleRunQuerySet":
        return self if user.access.is_operator else self.filter(schedule__in=Schedule.objects.visible_to(user))


class ScheduleRun(models.Model):
    """What an instant of a schedule came to. One row for each, whoever fires it and however often."""

    class State(models.TextChoices):
        STARTED = "started", "there is an execution"
        WAITING = "waiting", "starts when the run before has ended"
        SKIPPED = "skipped", "not started, by a rule"
        FAILED = "failed", "could not be started"

    class Origin(models.TextChoices):
        SCHEDULE = "schedule"
        BACKFILL = "backfill"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs", db_index=False)
    scheduled_for = models.DateTimeField()
    origin = models.CharField(max_length=8, choices=Origin.choices, default=Origin.SCHEDULE)
    state = models.CharField(max_length=8, choices=State.choices)
    reason = models.CharField(max_length=32, blank=True, default="", help_text="Of one that was skipped: overlap, superseded and so on.")
    number = models.BigIntegerField(default=0, help_text="Of the runs of its schedule, from 1; 0 of a backfill.")
    execution = models.ForeignKey(Execution, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    error = models.JSONField(null=True, blank=True)
    watched_until = models.DateTimeField(null=True, blank=True, help_text="When it is late, if it has not begun by then.")
    created_at = models.DateTimeField(db_default=Now())

    objects = ScheduleRunQuerySet.as_manager()

    class Meta:
        db_table = "schedule_run"
        constraints = [
            models.UniqueConstraint(fields=["schedule", "scheduled_for"], name="schedule_run_unique"),
            models.CheckConstraint(condition=Q(state="started") | Q(execution__isnull=True), name="schedule_run_started_has_execution"),
        ]
        indexes = [
            models.Index(fields=["schedule", "-created_at", "-id"], name="schedule_run_newest"),
            models.Index(fields=["schedule", "-id"], condition=Q(execution__isnull=False), name="schedule_run_executions"),
            models.Index(fields=["schedule", "scheduled_for"], condition=Q(state="waiting"), name="schedule_run_waiting"),
            models.Index(F("watched_until"), condition=Q(watched_until__isnull=False), name="schedule_run_watched"),
            models.Index(fields=["created_at"], name="schedule_run_age"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.scheduled_for.isoformat()}"


class ScheduleAlertQuerySet(models.QuerySet["ScheduleAlert"]):
    def visible_to(self, user: User) -> "ScheduleAlertQuerySet":
        return self if user.access.is_operator else self.filter(_of_readable_workflows(user))


class ScheduleAlert(models.Model):
    """Expected runs that did not start, or not in time. Further ones are counted here until one starts in time, or somebody has seen it."""

    class Kind(models.TextChoices):
        MISSED = "missed", "nobody started it in time"
        FAILED = "failed", "it could not be started"
        LATE = "late", "it waits for its turn longer than its grace time"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="+")
    schedule = models.ForeignKey(Schedule, on_delete=models.SET_NULL, null=True, related_name="alerts")
    schedule_name = models.CharField(max_length=128)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    count = models.BigIntegerField(default=1)
    first_for = models.DateTimeField(help_text="The first instant that was missed.")
    last_for = models.DateTimeField(help_text="The last one.")
    error = models.JSONField(null=True, blank=True)
    notify = ArrayField(models.CharField(max_length=2000), default=list, blank=True, help_text="Of its schedule, which may be gone.")
    created_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True, blank=True, help_text="When messages about it were written down.")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="Empty: a run in time."
    )

    objects = ScheduleAlertQuerySet.as_manager()

    class Meta:
        db_table = "schedule_alert"
        constraints = [
            models.UniqueConstraint(fields=["schedule", "kind"], condition=Q(closed_at__isnull=True), name="schedule_alert_one_open"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="schedule_alert_newest"),
            models.Index(fields=["-created_at", "-id"], name="schedule_alert_newest_of_all"),
            models.Index(F("created_at"), condition=Q(told_at__isnull=True), name="schedule_alert_untold"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.schedule_name}"
