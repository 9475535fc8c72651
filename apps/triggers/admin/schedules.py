"""Schedules in the admin: what is due, what became of it, and a button that lets one fire or not."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter

from apps.accounts.permissions import Permission
from apps.core.admin import IdSearch, act, badge
from apps.core.admin_pages import NONE, Table, documents, error_fact, error_words, id_link, list_link, row_link
from apps.executions.admin.pages import FactsAdmin
from apps.executions.models import Execution
from apps.triggers.models import Schedule, ScheduleAlert, ScheduleCalendar, ScheduleRun
from apps.triggers.schedules.actions import disable_schedule, enable_schedule
from apps.triggers.schedules.alerts import close_alert
from apps.triggers.schedules.queries import get_alert, get_schedule
from apps.triggers.schedules.timetables import TELLING
from apps.workflows.access import require

MAY_SWITCH = "triggers.change_schedule"
MAY_CLOSE = "triggers.change_schedulealert"
SHOWN_RUNS = 10
_LOOKS = {"active": ("schedule", "good"), "disabled": ("pause_circle", "wait"), "ended": ("check_circle", "calm")}
_RUN_LOOKS = {
    "started": ("play_circle", "good"),
    "waiting": ("hourglass_empty", "wait"),
    "skipped": ("redo", "calm"),
    "failed": ("error", "bad"),
}
_ALERT_LOOKS = {"missed": ("event_busy", "bad"), "failed": ("error", "bad"), "late": ("hourglass_empty", "wait")}


def telling(schedule: Schedule) -> str:
    """When it fires, in its own words: `30 6 * * * Europe/Berlin`, `every 60 s`."""
    value = getattr(schedule, TELLING[Schedule.Kind(schedule.kind)])
    if schedule.kind == Schedule.Kind.INTERVAL:
        return f"every {value} s"
    if schedule.kind == Schedule.Kind.DELAY:
        return f"after {value} s" + (f", then {schedule.delay_factor:g} times as long" if schedule.delay_factor != 1 else "")
    return f"{str(value).replace('T', ' ') if schedule.kind == Schedule.Kind.ONCE else value} {schedule.timezone}"


def _misfire(schedule: Schedule) -> str:
    return schedule.get_misfire_display().replace("catch_up_count", str(schedule.catch_up_count))


def _run_badge(run: ScheduleRun) -> SafeString:
    return badge(run.state, *_RUN_LOOKS[run.state])


def _why(run: ScheduleRun) -> str:
    return run.reason.replace("_", " ") or error_words(run.error)


@admin.register(Schedule)
class ScheduleAdmin(IdSearch, FactsAdmin):
    id_field = "pk"
    list_display = ("name", "of", "when", "state", "next_run_time", "last_run_time", "runs", "if_missed", "if_running")
    list_filter = ("kind", "enabled", ("next_run_time", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("workflow",)
    page_select_related = ("workflow", "workspace", "user")
    heavy_fields = ("input",)
    search_fields = ("name", "workflow__name")
    search_help_text = "Id, or a part of its name or its workflow's"
    ordering = ("-created_at", "-id")
    empty_hint = "Nothing is started by the clock. POST /api/v1/schedules makes a schedule for a published workflow."

    @admin.display(description="workflow", ordering="workflow__name")
    def of(self, schedule: Schedule) -> SafeString | str:
        return row_link(schedule.workflow)

    @admin.display(description="when")
    def when(self, schedule: Schedule) -> str:
        return telling(schedule)

    @admin.display(description="state")
    def state(self, schedule: Schedule) -> SafeString:
        return badge(schedule.status, *_LOOKS[schedule.status])

    @admin.display(description="runs", ordering="run_count")
    def runs(self, schedule: Schedule) -> SafeString:
        return list_link(ScheduleRun, schedule.run_count, q=schedule.pk)

    @admin.display(description="if missed", ordering="misfire")
    def if_missed(self, schedule: Schedule) -> str:
        return f"catch up {schedule.catch_up_count}" if schedule.misfire == "catch_up" else schedule.misfire.replace("_", " ")

    @admin.display(description="if one runs", ordering="overlap")
    def if_running(self, schedule: Schedule) -> str:
        return schedule.overlap.replace("_", " ")

    def get_urls(self) -> list[URLPattern]:
        switch = require_POST(self.admin_site.admin_view(self.switch_view))
        return [path("<uuid:schedule_id>/switch/", switch, name="schedule_switch"), *super().get_urls()]

    def content(self, request: HttpRequest, row: Schedule) -> dict[str, Any]:
        return _content(request, row)

    def switch_view(self, request: HttpRequest, schedule_id: UUID) -> HttpResponse:
        schedule = self.get_row(request, schedule_id)
        if not _may(request, MAY_SWITCH):
            raise PermissionDenied

        def switch() -> None:
            # The admin lets in no anonymous caller.
            own = get_schedule(request.user, schedule_id, Permission.WORKFLOW_EDIT, Permission.WORKFLOW_RUN)  # type: ignore[arg-type]
            (disable_schedule if own.enabled else enable_schedule)(schedule=own)

        done = "It fires no more." if schedule.enabled else "It fires from now on."
        return act(request, switch, done=done, back_to=reverse("admin:triggers_schedule_change", args=[schedule_id]))


def _content(request: HttpRequest, schedule: Schedule) -> dict[str, Any]:
    label, asks = ("Disable", "Let it fire no more?") if schedule.enabled else ("Enable", "Let it fire from now on?")
    button = {"label": label, "asks": asks, "url": reverse("admin:schedule_switch", args=[schedule.pk]), "is_danger": schedule.enabled}
    ran = f"{schedule.run_count} of {schedule.max_runs}" if schedule.max_runs else schedule.run_count
    alerts = schedule.alerts.filter(closed_at__isnull=True).count()
    return {
        "facts": [
            ("Workflow", row_link(schedule.workflow)),
            ("Workspace", row_link(schedule.workspace)),
            ("When", telling(schedule)),
            ("State", badge(schedule.status, *_LOOKS[schedule.status])),
            ("Next run", schedule.next_run_time or NONE),
            ("Last run", schedule.last_run_time or NONE),
            ("Runs", list_link(ScheduleRun, ran, q=schedule.pk)),
            ("Open alerts", list_link(ScheduleAlert, alerts, q=schedule.pk, closed_at__isempty=1) if alerts else 0),
            ("Not before", schedule.start_at or NONE),
            ("Not after", schedule.end_at or NONE),
            ("When one was missed", _misfire(schedule)),
            ("When one still runs", schedule.get_overlap_display()),
            ("Missed after", f"{schedule.grace_seconds} s"),
            ("Not on", ", ".join(map(str, [*schedule.exceptions, *schedule.calendars.all()])) or NONE),
            ("Alerts go to", ", ".join(schedule.notify) or NONE),
            ("Made by", schedule.user or NONE),
        ],
        "button": button if _may(request, MAY_SWITCH) else None,
        "tables": [_newest_runs(schedule)],
        "documents": documents(input=schedule.input),
    }


def _newest_runs(schedule: Schedule) -> Table:
    runs = ScheduleRun.objects.filter(schedule=schedule).order_by("-created_at", "-id")[:SHOWN_RUNS]
    rows = [(row_link(run, run.scheduled_for), _run_badge(run), id_link(Execution, run.execution_id), _why(run)) for run in runs]
    more = list_link(ScheduleRun, "All runs", q=schedule.pk) if rows else ""
    return Table("Newest runs", ("Scheduled for", "State", "Execution", "Why not"), rows, more)


def _may(request: HttpRequest, permission: str) -> bool:
    return bool(request.user.has_perm(permission))  # type: ignore[union-attr]  # the admin lets in no anonymous caller


@admin.register(ScheduleRun)
class ScheduleRunAdmin(IdSearch, FactsAdmin):
    id_field = "schedule_id"
    list_display = ("scheduled_for", "of", "state_badge", "why", "origin", "started", "created_at")
    list_filter = ("state", "origin", ("scheduled_for", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("schedule",)
    heavy_fields = ("schedule__input",)
    page_select_related = ("schedule__workflow",)
    search_fields = ("schedule__name",)
    search_help_text = "Id or name of a schedule"
    ordering = ("-created_at", "-id")
    empty_hint = "No schedule has fired yet."

    @admin.display(description="schedule", ordering="schedule__name")
    def of(self, run: ScheduleRun) -> SafeString | str:
        return row_link(run.schedule)

    @admin.display(description="state", ordering="state")
    def state_badge(self, run: ScheduleRun) -> SafeString:
        return _run_badge(run)

    @admin.display(description="why not")
    def why(self, run: ScheduleRun) -> str:
        return _why(run)

    @admin.display(description="execution")
    def started(self, run: ScheduleRun) -> SafeString | str:
        return id_link(Execution, run.execution_id)

    def heading(self, row: ScheduleRun) -> str:
        return f"Run of {row.schedule}"

    def content(self, request: HttpRequest, row: ScheduleRun) -> dict[str, Any]:
        return {
            "lead": row.get_state_display(),
            "facts": [
                ("State", _run_badge(row)),
                ("Scheduled for", row.scheduled_for),
                ("Schedule", row_link(row.schedule)),
                ("Workflow", row_link(row.schedule.workflow)),
                ("Execution", id_link(Execution, row.execution_id)),
                ("Number", row.number or NONE),
                ("Origin", row.get_origin_display()),
                *([("Why not", _why(row))] if row.reason or row.error else []),
            ],
            "documents": documents(error=row.error),
        }


@admin.register(ScheduleAlert)
class ScheduleAlertAdmin(IdSearch, FactsAdmin):
    id_field = "schedule_id"
    list_display = ("schedule_name", "of", "kind_badge", "is_open", "count", "first_for", "last_for", "created_at", "closed_by")
    list_filter = ("kind", ("closed_at", admin.EmptyFieldListFilter))
    list_select_related = ("workflow", "closed_by")
    page_select_related = ("workflow", "schedule", "closed_by")
    search_fields = ("schedule_name", "workflow__name")
    search_help_text = "Id of a schedule, or a part of its name or its workflow's"
    ordering = ("-created_at", "-id")
    empty_hint = "Nothing was missed: every run of every schedule has started in time."

    @admin.display(description="workflow", ordering="workflow__name")
    def of(self, alert: ScheduleAlert) -> SafeString | str:
        return row_link(alert.workflow)

    @admin.display(description="kind", ordering="kind")
    def kind_badge(self, alert: ScheduleAlert) -> SafeString:
        return badge(alert.kind, *_ALERT_LOOKS[alert.kind])

    @admin.display(description="state", ordering="closed_at")
    def is_open(self, alert: ScheduleAlert) -> SafeString:
        return badge("closed", "task_alt", "calm") if alert.closed_at else badge("open", "notification_important", "bad")

    def get_urls(self) -> list[URLPattern]:
        close = require_POST(self.admin_site.admin_view(self.close_view))
        return [path("<uuid:alert_id>/close/", close, name="schedule_alert_close"), *super().get_urls()]

    def content(self, request: HttpRequest, row: ScheduleAlert) -> dict[str, Any]:
        url = reverse("admin:schedule_alert_close", args=[row.pk])
        button = {"label": "Close", "url": url, "asks": "Has it been seen to? Further ones raise another alert."}
        return {
            "lead": row.get_kind_display(),
            "facts": [
                ("State", self.is_open(row)),
                ("Kind", self.kind_badge(row)),
                ("Schedule", row_link(row.schedule) if row.schedule else f"{row.schedule_name}, which is gone"),
                ("Runs", list_link(ScheduleRun, "Its runs", q=row.schedule_id) if row.schedule_id else NONE),
                ("Workflow", row_link(row.workflow)),
                ("How many", row.count),
                ("From", row.first_for),
                ("To", row.last_for),
                ("Told", row.told_at or NONE),
                ("Closed", str(row.closed_by or "by a run in time") if row.closed_at else NONE),
                *error_fact(row.error),
            ],
            "button": button if row.closed_at is None and _may(request, MAY_CLOSE) else None,
            "documents": documents(error=row.error),
        }

    def close_view(self, request: HttpRequest, alert_id: UUID) -> HttpResponse:
        self.get_row(request, alert_id)
        if not _may(request, MAY_CLOSE):
            raise PermissionDenied

        def close() -> None:
            user: Any = request.user
            alert = get_alert(user, alert_id)
            require(user, alert.workflow, Permission.EXECUTION_OPERATE)
            close_alert(alert=alert, closed_by=user)

        return act(request, close, done="The alert is closed.", back_to=reverse("admin:triggers_schedulealert_change", args=[alert_id]))


@admin.register(ScheduleCalendar)
class ScheduleCalendarAdmin(IdSearch, FactsAdmin):
    id_field = "pk"
    list_display = ("name", "workspace", "updated_at")
    list_select_related = ("workspace",)
    page_select_related = ("workspace",)
    heavy_fields = ("days",)
    search_fields = ("name", "workspace__name")
    search_help_text = "Id, or a part of its name or its workspace's"
    ordering = ("-created_at", "-id")
    empty_hint = "POST /api/v1/schedule-calendars keeps days on which schedules do not fire."

    def content(self, request: HttpRequest, row: ScheduleCalendar) -> dict[str, Any]:
        user: Any = request.user
        schedules = Schedule.objects.visible_to(user).filter(calendars=row).select_related("workflow").order_by("name", "pk")
        used = [(row_link(each), row_link(each.workflow), telling(each), badge(each.status, *_LOOKS[each.status])) for each in schedules]
        return {
            "facts": [("Workspace", row_link(row.workspace)), ("Changed", row.updated_at)],
            "tables": [
                Table("Days on which nothing fires", ("Day", "Meaning"), [(day, _meaning(str(day))) for day in row.days]),
                Table("Schedules that name it", ("Schedule", "Workflow", "When", "State"), used),
            ],
        }


def _meaning(day: str) -> str:
    if "/" in day:
        return "from the first to the last of these days"
    if day.isalpha():
        return "every week"
    return "every year" if len(day) == len("12-25") else "this day"
