"""Shapes of schedules, their runs, alerts and calendars."""

import re
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from apps.core.api.serializers import InputSerializer, JsonObject
from apps.engine.statuses import ExecutionStatus
from apps.triggers.models import Schedule, ScheduleAlert, ScheduleCalendar, ScheduleRun
from apps.triggers.schedules.actions import MAX_CALENDARS
from apps.triggers.schedules.queries import MAX_PREVIEWED, PREVIEWED
from apps.triggers.timing.exceptions import MAX_ENTRIES
from apps.triggers.timing.misfire import MAX_CATCH_UP
from apps.triggers.timing.rules import MAX_DELAY_SECONDS, MAX_INTERVAL_SECONDS

_NOTIFIED = re.compile(r"https?://\S+|[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")
MAX_GRACE_SECONDS = 7 * 86_400
MAX_COUNT = 2**31 - 1


def _days(**options: Any) -> serializers.ListField:
    help_text = "2026-12-25, 2026-12-24/2027-01-01, 12-25 for every year, or SAT."
    return serializers.ListField(child=serializers.CharField(max_length=40), max_length=MAX_ENTRIES, help_text=help_text, **options)


def _notify_field(**options: Any) -> serializers.ListField:
    child = serializers.RegexField(rf"^(?:{_NOTIFIED.pattern})$", max_length=2000)
    return serializers.ListField(child=child, max_length=20, help_text="Mail addresses and URLs that alerts go to.", **options)


class _TimingInput(InputSerializer):
    """When it fires. Of cron_expr, interval_seconds, run_at and delay_seconds the kind has one."""

    kind = serializers.ChoiceField(choices=Schedule.Kind.choices, required=False)
    cron_expr = serializers.CharField(max_length=255, required=False, help_text="5 fields, or 6 with seconds first.")
    timezone = serializers.CharField(max_length=64, required=False, help_text="Such as Europe/Berlin; UTC where it is missing.")
    interval_seconds = serializers.IntegerField(min_value=1, max_value=MAX_INTERVAL_SECONDS, required=False)
    run_at = serializers.CharField(max_length=40, required=False, help_text="ISO 8601; without an offset as the zone's clocks show it.")
    delay_seconds = serializers.IntegerField(min_value=1, max_value=MAX_DELAY_SECONDS, required=False)
    delay_factor = serializers.FloatField(required=False, help_text="Of each further delay to the one before: 1 is fixed.")
    max_delay_seconds = serializers.IntegerField(min_value=1, max_value=MAX_DELAY_SECONDS, required=False)
    start_at = serializers.DateTimeField(required=False, allow_null=True)
    end_at = serializers.DateTimeField(required=False, allow_null=True)
    exceptions = _days(required=False)
    jitter_seconds = serializers.IntegerField(min_value=0, max_value=86_400, required=False)


class _ScheduleFieldsInput(_TimingInput):
    name = serializers.CharField(max_length=128, required=False)
    calendars = serializers.ListField(child=serializers.UUIDField(), max_length=MAX_CALENDARS, required=False)
    input = JsonObject(required=False, help_text="With expressions such as ${schedule.local_date}.")
    misfire = serializers.ChoiceField(choices=Schedule.Misfire.choices, required=False)
    catch_up_count = serializers.IntegerField(min_value=1, max_value=MAX_CATCH_UP, required=False)
    overlap = serializers.ChoiceField(choices=Schedule.Overlap.choices, required=False)
    grace_seconds = serializers.IntegerField(min_value=1, max_value=MAX_GRACE_SECONDS, required=False)
    notify = _notify_field(required=False)
    max_runs = serializers.IntegerField(min_value=0, max_value=MAX_COUNT, required=False, help_text="0: any number.")


class ScheduleInput(_ScheduleFieldsInput):
    workflow = serializers.UUIDField()
    name = serializers.CharField(max_length=128)
    kind = serializers.ChoiceField(choices=Schedule.Kind.choices, required=False, help_text="By the column given, where it is missing.")
    enabled = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return with_kind(attrs)


class ScheduleChangeInput(_ScheduleFieldsInput):
    pass


class PreviewInput(_TimingInput):
    calendars = serializers.ListField(child=serializers.UUIDField(), max_length=MAX_CALENDARS, required=False)
    workspace = serializers.UUIDField(required=False, default=None, help_text="Of the calendars; the personal one where it is missing.")
    after = serializers.DateTimeField(required=False, default=None, help_text="Now, where it is missing.")
    count = serializers.IntegerField(min_value=1, max_value=MAX_PREVIEWED, required=False, default=PREVIEWED)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return with_kind(attrs)


def with_kind(attrs: dict[str, Any]) -> dict[str, Any]:
    """Where no kind is named, the one telling field says it."""
    if "kind" not in attrs:
        named = [kind for kind, column in _TELLING.items() if column in attrs]
        if len(named) != 1:
            raise serializers.ValidationError({"kind": [f"Expected one of {', '.join(_TELLING.values())}, found {len(named)} of them."]})
        attrs["kind"] = named[0]
    return attrs


_TELLING = {"cron": "cron_expr", "interval": "interval_seconds", "once": "run_at", "delay": "delay_seconds"}


class SchedulesQuery(InputSerializer):
    workflow = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(choices=Schedule.Kind.choices, required=False)
    enabled = serializers.BooleanField(required=False)


class PreviewQuery(InputSerializer):
    after = serializers.DateTimeField(required=False, default=None, help_text="Now, where it is missing.")
    count = serializers.IntegerField(min_value=1, max_value=MAX_PREVIEWED, required=False, default=PREVIEWED)


class ScheduleRunsQuery(InputSerializer):
    state = serializers.ChoiceField(choices=ScheduleRun.State.choices, required=False, default=None)


class AlertsQuery(InputSerializer):
    schedule = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    open = serializers.BooleanField(required=False, help_text="true: without those that are closed; false: these alone.")


class BackfillInput(InputSerializer):
    to = serializers.DateTimeField(help_text="The last instant that may be filled in; not in the future.")
    one_at_a_time = serializers.BooleanField(
        required=False, default=True, help_text="Each starts when the one before has ended; else all start now."
    )

    def get_fields(self) -> Any:
        # `from` is no name in Python.
        return {"from": serializers.DateTimeField(help_text="The first."), **super().get_fields()}


class CalendarInput(InputSerializer):
    name = serializers.CharField(max_length=128)
    days = _days()
    workspace = serializers.UUIDField(required=False, default=None, help_text="The caller's personal one where it is missing.")


class CalendarChangeInput(InputSerializer):
    name = serializers.CharField(max_length=128, required=False, default=None)
    days = _days(required=False, default=None)


class CalendarsQuery(InputSerializer):
    workspace = serializers.UUIDField(required=False, default=None)


class ScheduleOutput(serializers.ModelSerializer[Schedule]):
    workspace = serializers.UUIDField(source="workspace_id")
    workflow = serializers.UUIDField(source="workflow_id")
    workflow_name = serializers.CharField(source="workflow.name")
    user = serializers.UUIDField(source="user_id", allow_null=True, help_text="Who made it.")
    status = serializers.ChoiceField(choices=["active", "disabled", "ended"])
    calendars = serializers.PrimaryKeyRelatedField(many=True, read_only=True)
    exceptions = serializers.ListField(child=serializers.CharField())
    input = JsonObject()

    class Meta:
        model = Schedule
        fields = [
            *(
                "id",
                "workspace",
                "workflow",
                "workflow_name",
                "user",
                "name",
                "kind",
                "cron_expr",
                "timezone",
                "interval_seconds",
                "run_at",
            ),
            *("delay_seconds", "delay_factor", "max_delay_seconds", "start_at", "end_at", "exceptions", "calendars", "jitter_seconds"),
            *("input", "misfire", "catch_up_count", "overlap", "grace_seconds", "notify", "enabled", "status", "max_runs", "run_count"),
            *("next_run_time", "last_run_time", "created_at", "updated_at"),
        ]
        read_only_fields = fields


class InstantOutput(serializers.Serializer[Any]):
    run_time = serializers.DateTimeField()
    local_time = serializers.CharField(help_text="As the clocks of its zone show it.")
    fires_at = serializers.DateTimeField(help_text="With its jitter.")


class PreviewOutput(serializers.Serializer[Any]):
    results = InstantOutput(many=True)


class ScheduleRunOutput(serializers.ModelSerializer[ScheduleRun]):
    execution = serializers.UUIDField(source="execution_id", allow_null=True)
    execution_status = serializers.ChoiceField(
        source="execution.status", choices=[status.value for status in ExecutionStatus], default=None, allow_null=True
    )
    execution_url = serializers.SerializerMethodField()
    error = JsonObject(allow_null=True)

    class Meta:
        model = ScheduleRun
        fields = [
            *("id", "scheduled_for", "origin", "state", "reason", "number"),
            *("execution", "execution_status", "execution_url", "error", "created_at"),
        ]
        read_only_fields = fields

    def get_execution_url(self, run: ScheduleRun) -> str | None:
        return None if run.execution_id is None else reverse("execution", args=[run.execution_id])


class BackfillOutput(serializers.Serializer[Any]):
    results = ScheduleRunOutput(many=True)


class AlertOutput(serializers.ModelSerializer[ScheduleAlert]):
    workflow = serializers.UUIDField(source="workflow_id")
    schedule = serializers.UUIDField(source="schedule_id", allow_null=True, help_text="null: it was deleted.")
    closed_by = serializers.CharField(source="closed_by.username", default=None, allow_null=True, help_text="null: a run in time.")
    error = JsonObject(allow_null=True)

    class Meta:
        model = ScheduleAlert
        fields = [
            *("id", "workflow", "schedule", "schedule_name", "kind", "count", "first_for", "last_for", "error"),
            *("created_at", "closed_at", "closed_by"),
        ]
        read_only_fields = fields


class CalendarOutput(serializers.ModelSerializer[ScheduleCalendar]):
    workspace = serializers.UUIDField(source="workspace_id")
    days = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ScheduleCalendar
        fields = ["id", "workspace", "name", "days", "created_at", "updated_at"]
        read_only_fields = fields
