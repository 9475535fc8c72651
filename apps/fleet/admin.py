"""Workers, and Celery's own tables, in the admin. The engine keeps neither its timers nor its results there."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_celery_beat.admin import ClockedScheduleAdmin as BeatClockedScheduleAdmin
from django_celery_beat.admin import CrontabScheduleAdmin as BeatCrontabScheduleAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as BeatPeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm as BeatPeriodicTaskForm
from django_celery_beat.admin import TaskSelectWidget
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from django_celery_results.admin import GroupResultAdmin as ResultsGroupResultAdmin
from django_celery_results.admin import TaskResultAdmin as ResultsTaskResultAdmin
from django_celery_results.models import GroupResult, TaskResult
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.core.admin import Audited, ReadOnlyAdmin, badge
from apps.core.admin_export import Exported
from apps.fleet.models import Worker
from apps.fleet.queries import LIVE_SECONDS, unserved_queues

for celery_model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule, GroupResult, TaskResult):
    admin.site.unregister(celery_model)


class _TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):  # type: ignore[misc]  # neither has types
    """celery-beat's list of registered tasks, in unfold's clothes."""


class PeriodicTaskForm(BeatPeriodicTaskForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = _TaskSelect()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(Audited, Exported, BeatPeriodicTaskAdmin, ModelAdmin):  # type: ignore[misc]
    form = PeriodicTaskForm
    # A select would load every schedule there is.
    autocomplete_fields = ("interval", "crontab", "solar", "clocked")
    list_select_related = ("interval", "crontab", "solar", "clocked")


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(Audited, Exported, ModelAdmin):  # type: ignore[misc]
    search_fields = ("every", "period")


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(Audited, Exported, BeatCrontabScheduleAdmin, ModelAdmin):  # type: ignore[misc]
    search_fields = ("minute", "hour", "day_of_week", "timezone")


@admin.register(SolarSchedule)
class SolarScheduleAdmin(Audited, Exported, ModelAdmin):  # type: ignore[misc]
    search_fields = ("event",)


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(Audited, Exported, BeatClockedScheduleAdmin, ModelAdmin):  # type: ignore[misc]
    search_fields = ("clocked_time",)


@admin.register(TaskResult)
class TaskResultAdmin(Audited, Exported, ResultsTaskResultAdmin, ModelAdmin):  # type: ignore[misc]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(GroupResult)
class GroupResultAdmin(Audited, Exported, ResultsGroupResultAdmin, ModelAdmin):  # type: ignore[misc]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "serves", "pool", "concurrency", "life", "started_at", "seen_at")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "queues", "pool", "concurrency", "started_at", "seen_at")
    readonly_fields = fields

    @admin.display(description="queues")
    def serves(self, worker: Worker) -> str:
        return ", ".join(worker.queues)

    @admin.display(description="life")
    def life(self, worker: Worker) -> SafeString:
        is_alive = (timezone.now() - worker.seen_at).total_seconds() < LIVE_SECONDS
        return badge("alive", "check_circle", "good") if is_alive else badge("silent", "error", "bad")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        for queue, count in unserved_queues().items() if request.user.is_superuser else ():
            messages.warning(request, f"No worker serves queue {queue}: {count} node runs wait for it.")
        return super().changelist_view(request, extra_context)  # type: ignore[no-any-return]  # unfold has no types
