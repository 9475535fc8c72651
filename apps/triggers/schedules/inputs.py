"""The input of an execution that a schedule starts: JSON with expressions over `schedule` and `env`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from apps.engine.errors import InvalidError
from apps.engine.expressions import ExpressionError, Names, Scope, compile_template
from apps.triggers.models import Schedule
from apps.triggers.schedules.timetables import as_facts

_NAMES = Names(inputs=frozenset({"schedule"}))


class InvalidScheduleInputError(InvalidError):
    """An expression of the input cannot be evaluated; details: {"pointer": str}."""

    code = "invalid_schedule_input"


def input_of(schedule: Schedule, instant: datetime, *, number: int) -> dict[str, Any]:
    """The input for one instant. Raises InvalidScheduleInputError."""
    return resolve(schedule.input, as_facts(schedule, instant, number=number))


def resolve(document: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Raises InvalidScheduleInputError."""
    if not document:
        return {}
    try:
        found = compile_template(document, _NAMES).resolve(Scope(input={"schedule": facts}, env=settings.WORKFLOW_ENV))
    except ExpressionError as error:
        pointer = f"/input{error.details.get('pointer') or ''}"
        raise InvalidScheduleInputError(f"{pointer}: {error.message}", **{**error.details, "pointer": pointer}) from error
    return dict(found)
