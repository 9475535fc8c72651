"""Schedules in the admin: what is due, what became of it, and a button that lets one fire or not."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter

from apps.accounts.permissions import Permission
from apps.core.admin import IdSearch, ReadOnlyAdmin, act, badge, pretty_json
from apps.executions.admin.pages import page_context
from apps.triggers.models import Schedule, ScheduleAlert, ScheduleCalendar, ScheduleRun
from apps.triggers.schedules.actions import disable_schedule, enable_schedule
from apps.triggers.schedules.queries import get_schedule
from apps.triggers.schedules.timetables import TELLING

MAY_SWITCH = "triggers.change_schedule"
_LOOKS = {"active": ("schedule", "good"), "disabled": ("pause_circle", "wait"), "ended": ("check_circle", "wait")}
_RUN_LOOKS = {
    "started": ("play_circle", "good"),
    "waiting": ("hourglass_empty", "wait"),
    "skipped": ("redo", "wait"),
    "failed": ("error", "bad"),
}


def telling(schedule: Schedule) -> str:
    """When it fires, in its own words: `30 6 * * * Europe/Berlin`, `every 60 s`."""
    value = getattr(schedule, TELLING[Schedule.Kind(schedule.kind)])
    if schedule.kind == Schedule.Kind.INTERVAL:
        return f"every {value} s"
    if schedule.kind == Schedule.Kind.DELAY:
        return f"after {value} s"
    return f"{value} {schedule.timezone}"


@admin.register(Schedule)
class ScheduleAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("name", "workflow", "when", "state", "next_run_time", "last_run_time", "run_count", "misfire", "overlap")
    list_filter = ("kind", "enabled", ("next_run_time", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("workflow",)
    page_select_related = ("workflow", "workspace", "user")
    heavy_fields = ("input",)
    search_fields = ("name", "workflow__name")
    search_help_text = "Id, or a part of its name or its workflow's"
    ordering = ("-created_at", "-id")

    @admin.display(description="when")
    def when(self, schedule: Schedule) -> str:
        return telling(schedule)

    @admin.display(description="state")
    def state(self, schedule: Schedule) -> SafeString:
        return badge(schedule.status, *_LOOKS[schedule.status])

    def get_urls(self) -> list[URLPattern]:
        switch = require_POST(self.admin_site.admin_view(self.switch_view))
        return [path("<uuid:schedule_id>/switch/", switch, name="schedule_switch"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        schedule = self.get_row(request, object_id)
        context = page_context(self, request, schedule, schedule.name)
        return TemplateResponse(request, "admin/structforge/facts.html", {**context, **_content(request, schedule)})

    def switch_view(self, request: HttpRequest, schedule_id: UUID) -> HttpResponse:
        schedule = self.get_row(request, schedule_id)
        if not _may_switch(request):
            raise PermissionDenied

        def switch() -> None:
            # The admin lets in no anonymous caller.
            own = get_schedule(request.user, schedule_id, Permission.WORKFLOW_EDIT, Permission.WORKFLOW_RUN)  # type: ignore[arg-type]
            (disable_schedule if own.enabled else enable_schedule)(schedule=own)

        done = "It fires no more." if schedule.enabled else "It fires from now on."
        return act(request, switch, done=done, back_to=reverse("admin:triggers_schedule_change", args=[schedule_id]))


def _content(request: HttpRequest, schedule: Schedule) -> dict[str, Any]:
    label, asks = ("Disable", "Let it fire no more?") if schedule.enabled else ("Enable", "Let it fire from now on?")
    button = {"label": label, "asks": asks, "url": reverse("admin:schedule_switch", args=[schedule.pk])}
    bounds = f"{schedule.start_at or '–'} to {schedule.end_at or '–'}"
    return {
        "facts": [
            ("Workflow", schedule.workflow),
            ("Workspace", schedule.workspace),
            ("When", telling(schedule)),
            ("State", badge(schedule.status, *_LOOKS[schedule.status])),
            ("Next run", schedule.next_run_time or "–"),
            ("Last run", schedule.last_run_time or "–"),
            ("Runs", f"{schedule.run_count} of {schedule.max_runs or 'any number'}"),
            ("Bounds", bounds),
            ("When one was missed", schedule.get_misfire_display()),
            ("When one still runs", schedule.get_overlap_display()),
            ("Missed after", f"{schedule.grace_seconds} s"),
            ("Made by", schedule.user or "–"),
        ],
        "button": button if _may_switch(request) else None,
        "documents": [("Input", pretty_json(schedule.input)), ("Exceptions", pretty_json(schedule.exceptions))],
    }


def _may_switch(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(MAY_SWITCH))  # type: ignore[union-attr]  # the admin lets in no anonymous caller


@admin.register(ScheduleRun)
class ScheduleRunAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "schedule_id"
    list_display = ("schedule", "scheduled_for", "state_badge", "reason", "origin", "execution", "created_at")
    list_filter = ("state", "origin", ("scheduled_for", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("schedule",)
    search_fields = ("schedule__name",)
    search_help_text = "Id or name of a schedule"
    ordering = ("-created_at", "-id")
    fields = ("schedule", "scheduled_for", "state", "reason", "origin", "number", "execution", "error", "created_at")
    readonly_fields = fields

    @admin.display(description="state", ordering="state")
    def state_badge(self, run: ScheduleRun) -> SafeString:
        return badge(run.state, *_RUN_LOOKS[run.state])

    @admin.display(description="execution")
    def execution(self, run: ScheduleRun) -> str:
        return str(run.execution_id or "–")


@admin.register(ScheduleAlert)
class ScheduleAlertAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "schedule_id"
    list_display = ("schedule_name", "workflow", "kind", "count", "first_for", "last_for", "created_at", "closed_at", "closed_by")
    list_filter = ("kind", ("closed_at", admin.EmptyFieldListFilter))
    list_select_related = ("workflow", "closed_by")
    search_fields = ("schedule_name", "workflow__name")
    search_help_text = "Id of a schedule, or a part of its name or its workflow's"
    ordering = ("-created_at", "-id")
    fields = (
        "schedule_name",
        "workflow",
        "kind",
        "count",
        "first_for",
        "last_for",
        "error",
        "created_at",
        "told_at",
        "closed_at",
        "closed_by",
    )
    readonly_fields = fields


@admin.register(ScheduleCalendar)
class ScheduleCalendarAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("name", "workspace", "updated_at")
    list_select_related = ("workspace",)
    heavy_fields = ("days",)
    search_fields = ("name", "workspace__name")
    search_help_text = "Id, or a part of its name or its workspace's"
    ordering = ("-created_at", "-id")
    fields = ("name", "workspace", "days", "created_at", "updated_at")
    readonly_fields = fields
