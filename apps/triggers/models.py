"""Whatever starts executions."""

from apps.triggers.models_schedules import Schedule, ScheduleAlert, ScheduleCalendar, ScheduleRun

__all__ = ["Schedule", "ScheduleAlert", "ScheduleCalendar", "ScheduleRun"]
