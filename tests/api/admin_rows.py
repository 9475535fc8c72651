"""A row of any model, and more like it, for pages that list them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.accounts.models import Workspace
from apps.executions.models import ExecutionLimit
from apps.quotas.models import Quota

Row = models.Model
FAR = 20  # beyond the numbers that rows have which were there before


def first_row(model: type[Row]) -> Row:
    """One that is there, or else one made of what its columns need."""
    return model._default_manager.first() or MADE.get(model, _made)(model)


def _made(model: type[Row]) -> Row:
    columns = [field for field in model._meta.concrete_fields if not field.has_default() and not field.null]
    return model._default_manager.create(**{field.name: _value(field) for field in columns if not _fills_itself(field)})


def _periodic_task(model: type[Row]) -> Row:
    return model._default_manager.create(name="x", task="x", interval=first_row(IntervalSchedule))


def _quota(model: type[Row]) -> Row:
    return model._default_manager.create(scope="workspace", workspace=first_row(Workspace), name="workflows", limit=1)


def _limit(model: type[Row]) -> Row:
    return model._default_manager.create(kind="workspace", workspace=first_row(Workspace), max_running=1)


# Models that ask for more than their columns say.
MADE: dict[type[Row], Callable[[type[Row]], Row]] = {PeriodicTask: _periodic_task, Quota: _quota, ExecutionLimit: _limit}


def _fills_itself(field: Any) -> bool:
    return (
        isinstance(field, models.AutoField) or getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False) or field.generated
    )


def _value(field: Any) -> Any:
    """The plainest that the column takes."""
    if field.is_relation:
        return first_row(field.related_model)
    if field.choices:
        return field.flatchoices[0][0]
    kinds: tuple[tuple[type[models.Field[Any, Any]], Any], ...] = (
        (models.DateTimeField, timezone.now()),
        (models.DateField, timezone.now().date()),
        (models.DurationField, timedelta(seconds=1)),
        (models.BooleanField, False),
        (models.IntegerField, 1),
        (models.DecimalField, 1),
        (models.JSONField, {}),
        (ArrayField, []),
        (models.BinaryField, b"x"),
        (models.Field, "x"),
    )
    return next(value for kind, value in kinds if isinstance(field, kind))


def copy_of(row: Row, number: int, copied: dict[tuple[Any, ...], Row] | None = None) -> Row:
    """A row that differs from this one in its id and where rows must differ, saved.

    number   one that no copy was made with before
    """
    copied = {} if copied is None else copied
    if (known := copied.get((type(row), row.pk))) is not None:
        return known
    twin = type(row)._default_manager.get(pk=row.pk)
    setattr(twin, row._meta.pk.name, _other_id(row, number, copied))
    twin._state.adding = True
    copied[type(row), row.pk] = twin
    for names in _unique(type(row)):
        field = _to_change(type(row), names)
        if field is not None and field.is_relation and not field.db_constraint:
            setattr(twin, field.attname, -FAR - number)  # it may point nowhere, and no row need be made for it
        elif field is not None:
            setattr(twin, field.name, _other(getattr(row, field.name), field, number, copied))
    twin.save(force_insert=True)
    return twin


def _other_id(row: Row, number: int, copied: dict[tuple[Any, ...], Row]) -> Any:
    field = row._meta.pk
    if field.has_default():
        return field.get_default()
    return None if isinstance(field, models.AutoField) else _other(getattr(row, field.name), field, number, copied)


def _unique(model: type[Row]) -> list[tuple[str, ...]]:
    """Sets of columns in which no two rows are alike, without the id."""
    single = [(field.name,) for field in model._meta.concrete_fields if field.unique and not field.primary_key]
    several = [_columns(constraint) for constraint in model._meta.constraints if isinstance(constraint, models.UniqueConstraint)]
    return [*single, *several, *map(tuple, model._meta.unique_together)]


def _columns(constraint: models.UniqueConstraint) -> tuple[str, ...]:
    inner = [part for expression in constraint.expressions for part in _parts(expression)]
    return (*constraint.fields, *(part.name for part in inner if isinstance(part, models.F)))


def _parts(expression: Any) -> list[Any]:
    return (
        [expression]
        if isinstance(expression, models.F)
        else [each for part in expression.get_source_expressions() for each in _parts(part)]
    )


def _to_change(model: type[Row], names: tuple[str, ...]) -> Any:
    """A text or number rather than a reference."""
    fields = [model._meta.get_field(name) for name in names]
    plain = [field for field in fields if not field.is_relation and not field.choices and not isinstance(field, models.BooleanField)]
    return (plain or [field for field in fields if field.is_relation and field.related_model is not ContentType] or [None])[0]


def _other(value: Any, field: Any, number: int, copied: dict[tuple[Any, ...], Row]) -> Any:
    if value is None:
        return None
    if field.is_relation:
        return copy_of(value, number, copied)
    if isinstance(value, str):
        suffix = f"~{number}"
        return value[: (field.max_length or 100) - len(suffix)] + suffix
    if isinstance(value, datetime):
        return value + timedelta(seconds=number)
    if isinstance(value, Decimal):
        return value + Decimal(number) / 1000
    return value + FAR + number if isinstance(value, int) else value
