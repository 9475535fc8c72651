"""When schedules fire: pure calculation, without Django, database or clock. The rules for people are in docs/schedules.md."""
