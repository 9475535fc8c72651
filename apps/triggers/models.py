"""Whatever starts executions."""

from apps.triggers.models_events import Event, EventListener
from apps.triggers.models_schedules import Schedule, ScheduleAlert, ScheduleCalendar, ScheduleRun
from apps.triggers.models_webhooks import Webhook, WebhookCall

__all__ = ["Event", "EventListener", "Schedule", "ScheduleAlert", "ScheduleCalendar", "ScheduleRun", "Webhook", "WebhookCall"]
