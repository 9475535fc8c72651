from apps.engine.errors import InvalidError


class InvalidScheduleError(InvalidError):
    """It could never be followed as it stands; details: {"pointer": str} of the field."""

    code = "invalid_schedule"
