from apps.triggers.admin import events, schedules, webhooks

__all__ = ["events", "schedules", "webhooks"]
