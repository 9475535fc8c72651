"""Whatever starts executions."""

from apps.triggers.models_schedules import Schedule, ScheduleAlert, ScheduleCalendar, ScheduleRun
from apps.triggers.models_webhooks import Webhook, WebhookCall

__all__ = ["Schedule", "ScheduleAlert", "ScheduleCalendar", "ScheduleRun", "Webhook", "WebhookCall"]
