from apps.triggers.admin import schedules

__all__ = ["schedules"]
