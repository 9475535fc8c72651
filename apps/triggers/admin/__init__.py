from apps.triggers.admin import schedules, webhooks

__all__ = ["schedules", "webhooks"]
