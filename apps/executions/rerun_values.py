"""Outputs and items that a person gives to a re-run, in place of those that there were."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from django.db.models import F, Func, Q, TextField

from apps.core import object_store
from apps.engine.errors import InvalidError
from apps.engine.graph import Graph
from apps.engine.planner import Settled
from apps.engine.rerun_places import Place, iteration_level
from apps.engine.rerun_tree import RerunTree
from apps.engine.reruns import Compiled, NotReachedError
from apps.executions.loop_items import item_at, store_items
from apps.executions.models import Execution, LoopRun, NodeRun
from apps.executions.settlement import stored
from apps.workflows.compiled import entry_of

MAX_GIVEN = 1000


class WrongOutputTypeError(InvalidError):
    """An edited output or item is of another type than the one it stands for; details: {"pointer", "found", "expected"}."""

    code = "wrong_output_type"


class OutputTooLargeError(InvalidError):
    code = "output_too_large"


class ItemNotReadError(InvalidError):
    """An item is given for an iteration of which nothing runs again; details: {"pointer": str}."""

    code = "item_not_read"


class TooManyGivenError(InvalidError):
    """More outputs or items are given than may be edited by hand; details: {"pointer", "max"}."""

    code = "too_many_given"


# Outputs


def check_outputs(execution: Execution, outputs: Mapping[Place, Any]) -> None:
    """An edited output is of the type of the old one, where there was one: what comes after reads it in the same way."""
    if not outputs:
        return
    _check_count("/outputs", outputs)
    places = Q()
    for place in outputs:
        places |= Q(key=place.key, path=place.path)
    kind = Func(F("output"), function="jsonb_typeof", output_field=TextField())
    rows = NodeRun.objects.filter(places, execution=execution, status="success").annotate(kind=kind)
    for key, path, expected in rows.values_list("key", "path", "kind"):
        place = Place(key, path)
        _check_type(outputs[place], expected, f"The output of '{place}'", f"/outputs/{place}")


def outputs_given(graph: Graph, tree: RerunTree, outputs: Mapping[Place, Any], workspace_id: UUID) -> list[dict[str, Any]]:
    """Node runs with these outputs, as `rerun_v1` takes them. Raises OutputTooLargeError."""
    ends = _ends_of(tree) if outputs else {}
    return [
        {**entry_of(graph, place.key), "path": place.path, "port": ends[place].port, "is_edited": True}
        | _stored(place, value, workspace_id)
        for place, value in outputs.items()
    ]


def _ends_of(tree: RerunTree) -> dict[Place, Settled]:
    ends = {Place(key): end for key, end in tree.outer.reused.items()}
    return ends | {Place(key, path): end for group in tree.iterations for path in group.paths for key, end in group.plan.reused.items()}


def _stored(place: Place, value: Any, workspace_id: UUID) -> dict[str, Any]:
    output, ref, fault = stored(value, workspace_id)
    if fault is not None:
        raise OutputTooLargeError(f"The output of '{place}': {fault.error.message}", pointer=f"/outputs/{place}")
    return {"output_ref": ref} if output is None else {"output": orjson.Fragment(output)}


# Items


def check_items(execution: Execution, new: Compiled, tree: RerunTree, items: Mapping[Place, Any]) -> None:
    """An edited item is of the type of the old one, and its iteration runs again. Raises also NotReachedError and UnknownNodeError."""
    if not items:
        return
    _check_count("/items", items)
    for place in items:
        iteration_level(new.graph, place)
    loops = _loops_of(execution, items)
    again = {(loop.key, loop.path): loop for loop in tree.loops}
    for place, value in items.items():
        path, index = _run_of(place)
        pointer, loop = f"/items/{place}", loops.get((place.key, path))
        if loop is None or index >= loop.total:
            raise NotReachedError(f"The execution has not come to '{place}'.", nodes=[{"key": str(place), "waits_for": []}])
        if loop.asks:
            message = f"'{place}' has no item of its own: each iteration is about the output of the one before (at '{pointer}')."
            raise ItemNotReadError(message, pointer=pointer)
        found = again.get((place.key, path))
        if found is None or not found.reads(index):
            message = f"An item is given for '{place}', but nothing in it runs again: name a place in it in 'from' (at '{pointer}')."
            raise ItemNotReadError(message, pointer=pointer)
        _check_type(value, _json_type(_item(loop, index)), f"The item of '{place}'", pointer)


def stored_items(execution: Execution, items: Mapping[Place, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """{(loop, its path): {"items": []} or {"blocks": []}} of the loops of which an item is edited. Raises ItemsTooLargeError."""
    edited: defaultdict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    for place, value in items.items():
        path, index = _run_of(place)
        edited[place.key, path][index] = value
    loops = _loops_of(execution, items) if items else {}
    return {where: _with_items(loops[where], values) for where, values in edited.items()}


def _with_items(loop: LoopRun, values: Mapping[int, Any]) -> dict[str, Any]:
    if loop.blocks is None:
        changed = [values.get(index, item) for index, item in enumerate(loop.items or [])]
        return dict(store_items(changed, loop.workspace_id))
    blocks = [list(block) for block in loop.blocks]
    for number, (first, reference) in enumerate(loop.blocks):
        last = loop.blocks[number + 1][0] if number + 1 < len(loop.blocks) else loop.total
        if here := {index - first: value for index, value in values.items() if first <= index < last}:
            changed = [here.get(offset, item) for offset, item in enumerate(orjson.loads(object_store.get(reference)))]
            blocks[number][1] = object_store.put(str(loop.workspace_id), orjson.dumps(changed))
    return {"blocks": blocks}


def _loops_of(execution: Execution, items: Mapping[Place, Any]) -> dict[tuple[str, str], LoopRun]:
    places = Q()
    for place in items:
        places |= Q(key=place.key, path=_run_of(place)[0])
    return {(loop.key, loop.path): loop for loop in LoopRun.objects.filter(places, execution=execution)}


def _run_of(place: Place) -> tuple[str, int]:
    path, _, index = place.path.rpartition(".")
    return path, int(index)


def _item(loop: LoopRun, index: int) -> Any:
    return item_at(loop.blocks, index) if loop.blocks is not None else (loop.items or [])[index]


# Both


def _check_count(pointer: str, given: Mapping[Place, Any]) -> None:
    if len(given) > MAX_GIVEN:
        raise TooManyGivenError(
            f"Expected at most {MAX_GIVEN} values, found {len(given)} (at '{pointer}').", pointer=pointer, max=MAX_GIVEN
        )


def _check_type(value: Any, expected: str | None, what: str, pointer: str) -> None:
    found = _json_type(value)
    if expected not in (None, "null", found):
        message = f"{what} was of type {expected}; found {found} (at '{pointer}')."
        raise WrongOutputTypeError(message, pointer=pointer, found=found, expected=expected)


def _json_type(value: Any) -> str:
    kinds: dict[type, str] = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")
