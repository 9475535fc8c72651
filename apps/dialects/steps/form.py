"""The form of a template: steps of the library, placed."""

from typing import Literal

from pydantic import Field

from apps.engine.definition import Part

MAX_STEPS = 1000
MAX_SECONDS = 366 * 86_400


class PlacedStep(Part):
    """One step of a template."""

    step_id: int
    """Number of a step of the library."""
    key: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    """What others may name it by, where the same step stands twice."""
    dependencies: tuple[int | str, ...] = Field(default=(), max_length=MAX_STEPS)
    """Steps that end before it begins: numbers or names of steps, or keys."""
    run_mode: Literal["serial", "parallel"] = "serial"
    """Of a step without dependencies: after all that stands before it, or beside the parallel steps around it."""
    on_failure: Literal["abort", "continue", "retry"] = "abort"
    """What follows a failure."""
    order_num: int | None = Field(default=None, ge=-(2**31), le=2**31 - 1)
    """Steps are sorted by it; its place in the list where it is missing."""


class TemplateForm(Part):
    """A template."""

    name: str = Field(min_length=1, max_length=128)
    description: str = Field(default="", max_length=10_000)
    status: Literal["active", "inactive"] = "active"
    steps: tuple[PlacedStep, ...] = Field(min_length=1, max_length=MAX_STEPS)
