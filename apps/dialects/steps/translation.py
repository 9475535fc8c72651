"""From a template of steps to a definition: pure, the same form always gives the same definition.

Sorted by their dependencies and then by `order_num`, the steps form stages: a serial step is one of its own, parallel steps that follow
each other are one together. A step with dependencies begins after those; one without begins after the stage before its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from apps.dialects.cycles import find_cycle, shown
from apps.dialects.places import Places
from apps.dialects.steps.executors import node_of
from apps.dialects.steps.form import PlacedStep, TemplateForm
from apps.engine.outcomes import OUT
from apps.engine.pointers import pointer_to
from apps.engine.problems import InvalidDefinitionError, Problem, listed, nearest

DEFAULT_ATTEMPTS = 3
MAX_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class LibraryStep:
    """A step of the library, as a translation reads it."""

    id: int
    name: str
    executor_type: str
    executor_config: Mapping[str, Any]
    timeout: int
    retry_count: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A step in its place: the key of its node, its number in the order, and the index of the form that it comes from."""

    key: str
    step: LibraryStep
    form: PlacedStep
    index: int
    order_num: int

    def at(self, *parts: str | int) -> str:
        return pointer_to("steps", self.index, *parts)


@dataclass(frozen=True, slots=True)
class Translated:
    definition: dict[str, Any]
    places: Places
    steps: tuple[Placed, ...]


def translate(form: TemplateForm, library: Mapping[int, LibraryStep]) -> Translated:
    """The definition of a template. Raises InvalidDefinitionError, with pointers into the form; a cycle is named.

    library   {number: step} of the workspace
    """
    faults: list[Problem] = []
    placed = _placed(form, library, faults)
    dependencies = {} if faults else {each.key: _dependencies(each, placed, faults) for each in placed}
    if not faults:
        faults += _cycle(placed, dependencies)
    if faults:
        raise InvalidDefinitionError(faults)
    placed = _sorted(placed, dependencies)
    before = _before(placed, dependencies)
    places, nodes = Places(), []
    for index, each in enumerate(placed):
        places.note(pointer_to("nodes", index), each.at())
        places.note(pointer_to("nodes", index, "config"), each.at("step_id"))
        nodes.append(_node(each))
    edges = [{"source": source, "port": OUT, "target": each.key} for each in placed for source in before[each.key]]
    return Translated(_definition(form, nodes, edges), places, tuple(placed))


def _definition(form: TemplateForm, nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schema": 1, "name": form.name, "description": form.description, "nodes": nodes, "edges": edges}


def _placed(form: TemplateForm, library: Mapping[int, LibraryStep], faults: list[Problem]) -> list[Placed]:
    keys: set[str] = {step.key for step in form.steps if step.key}
    placed: list[Placed] = []
    seen: dict[str, int] = {}
    for index, each in enumerate(form.steps):
        step = library.get(each.step_id)
        if step is None:
            message = f"There is no step {each.step_id} in this workspace."
            faults.append(Problem(pointer_to("steps", index, "step_id"), message, str(each.step_id), "the id of a step"))
            continue
        if each.key in seen:
            message = f"The key '{each.key}' is that of step {seen[each.key]} of the template already."
            faults.append(Problem(pointer_to("steps", index, "key"), message, each.key, "a key of its own"))
        key = each.key or _free(_key_of(step), keys)
        keys.add(key)
        seen[key] = index
        placed.append(Placed(key, step, each, index, index if each.order_num is None else each.order_num))
    return placed


def _key_of(step: LibraryStep) -> str:
    """A key out of a name: "Check stock" → "check_stock"; "step_7" where nothing of it can be one."""
    words = re.sub(r"[^a-z0-9]+", "_", step.name.lower()).strip("_")[:48]
    return f"step_{step.id}" if not words else words if not words[0].isdigit() else f"step_{words}"


def _free(name: str, taken: set[str]) -> str:
    return next(each for each in (name, *(f"{name}_{number}" for number in range(2, len(taken) + 3))) if each not in taken)


def _sorted(placed: Sequence[Placed], dependencies: Mapping[str, Sequence[str]]) -> list[Placed]:
    """What others depend on first, and else by `order_num`."""
    named = {each.key: each for each in placed}
    sorter = TopologicalSorter(dependencies)
    sorter.prepare()
    order: list[Placed] = []
    waiting: list[Placed] = []
    while sorter.is_active():
        waiting += [named[key] for key in sorter.get_ready()]
        waiting.sort(key=lambda each: (each.order_num, each.index))
        order.append(waiting.pop(0))
        sorter.done(order[-1].key)
    return order


def _before(placed: Sequence[Placed], dependencies: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """{key: keys of the steps that end before it begins}, of steps in their order."""
    before: dict[str, Sequence[str]] = {}
    stage: list[str] = []  # the last whole one
    current: list[str] = []
    was_parallel = False
    for each in placed:
        is_parallel = each.form.run_mode == "parallel"
        if current and not (is_parallel and was_parallel):
            stage, current = current, []
        current.append(each.key)
        was_parallel = is_parallel
        before[each.key] = dependencies[each.key] or list(stage)
    return before


def _dependencies(each: Placed, placed: Sequence[Placed], faults: list[Problem]) -> list[str]:
    found: list[str] = []
    for place, wanted in enumerate(each.form.dependencies):
        keys = [other.key for other in placed if wanted in (other.form.key, other.step.id, other.step.name, other.key)]
        # A key goes before the name of another step, which may be the same word.
        exact = [key for key in keys if key == wanted]
        keys = exact or keys
        pointer = each.at("dependencies", place)
        if len(keys) == 1:
            found += keys
        elif keys:
            message = f"Step {wanted!r} stands in the template {len(keys)} times: name one by its key."
            faults.append(Problem(pointer, message, str(wanted), f"one of {listed(keys)}"))
        else:
            names = [name for other in placed for name in (other.key, other.step.name)]
            message = f"No step {wanted!r} stands in the template."
            faults.append(Problem(pointer, message, str(wanted), "the id, name or key of a step of the template", nearest(wanted, names)))
    return list(dict.fromkeys(found))


def _cycle(placed: Sequence[Placed], dependencies: Mapping[str, Sequence[str]]) -> list[Problem]:
    followers: dict[str, list[str]] = {key: [] for key in dependencies}
    for key, sources in dependencies.items():
        for source in sources:
            followers[source].append(key)
    if (cycle := find_cycle(followers)) is None:
        return []
    named = {each.key: each for each in placed}
    message = f"The dependencies go round in a circle: {shown(cycle)}."
    return [Problem(named[cycle[-1]].at("dependencies"), message, shown(cycle), "dependencies without a cycle")]


def _node(each: Placed) -> dict[str, Any]:
    step, on_failure = each.step, each.form.on_failure
    attempts = step.retry_count + 1
    if on_failure == "retry" and attempts == 1:
        attempts = DEFAULT_ATTEMPTS
    return {
        "key": each.key,
        "name": step.name,
        **node_of(step.executor_type, step.executor_config, timeout=step.timeout),
        "timeout_seconds": step.timeout,
        "on_error": "continue" if on_failure == "continue" else "fail",
        **({"retry": {"max_attempts": min(attempts, MAX_ATTEMPTS)}} if attempts > 1 else {}),
    }
