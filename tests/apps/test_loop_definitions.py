"""What a definition with loops may say, and what is refused with its place."""

from typing import Any

import pytest

from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from apps.nodes.registry import all_types
from tests.workers.test_loops import foreach, inside
from tests.workers.test_runner import START, document, put

DEEPEST = 5


def faults(nodes: dict[str, dict[str, Any]], *lines: str) -> list[tuple[str, str]]:
    try:
        validate(document({"start": START, **nodes}, *lines), all_types())
    except InvalidDefinitionError as error:
        return [(each["pointer"], each["message"]) for each in error.details["errors"]]
    return []


def nested(depth: int) -> dict[str, dict[str, Any]]:
    loops = {f"l{level}": foreach([1]) if level == 1 else inside(f"l{level - 1}", foreach([1])) for level in range(1, depth + 1)}
    return {**loops, "work": inside(f"l{depth}", put(x="${item}"))}


def test_loops_lie_five_deep_inside_one_another():
    assert faults(nested(DEEPEST), "start -> l1") == []
    assert [message for _, message in faults(nested(DEEPEST + 1), "start -> l1")] != []


LOOP = {"each": foreach([1]), "work": inside("each", put(x=1))}


@pytest.mark.parametrize(
    ("nodes", "lines", "pointer", "message"),
    [
        ({"each": foreach([1])}, ["start -> each"], "/nodes/1", "has no body"),
        ({**LOOP, "after": put(x=1)}, ["start -> each", "work -> after"], "/edges/1", "after"),
        (LOOP, ["start -> each", "start -> work"], "/edges/1", "work"),
        ({**LOOP, "work": inside("eahc", put(x=1))}, ["start -> each"], "/nodes/2/parent", "eahc"),
        ({**LOOP, "stray": inside("work", put(x=1))}, ["start -> each"], "/nodes/3/parent", "work"),
        ({**LOOP, "each": inside("each", foreach([1]))}, [], "/nodes/1/parent", "each"),
        ({**LOOP, "after": put(x="${nodes.work.x}")}, ["start -> each -> after"], "/nodes/3/config/values/x", "work"),
        ({**LOOP, "after": put(x="${item}")}, ["start -> each -> after"], "/nodes/3/config/values/x", "item"),
        ({**LOOP, "again": inside("each", START)}, ["start -> each"], "/nodes/3", "trigger"),
        ({**LOOP, "each": {**foreach([1]), "cache": {"ttl_seconds": 60}}}, ["start -> each"], "/nodes/1/cache", "may act"),
        (
            {**LOOP, "work": {**inside("each", put(x=1)), "compensate": "undo"}, "undo": put(x=1)},
            ["start -> each"],
            "/nodes/2/compensate",
            "inside a loop",
        ),
        ({**LOOP, "first": {**put(x=1), "compensate": "each"}}, ["start -> first"], "/nodes/3/compensate", "is a loop"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_run_is_refused_with_its_place(nodes, lines, pointer, message):
    found = faults(nodes, *lines)

    assert [message for place, message in found if place.startswith(pointer)], found
    assert message in next(each for place, each in found if place.startswith(pointer))


def test_a_loop_names_the_node_that_undoes_it():
    nodes = {**LOOP, "each": {**foreach([1]), "compensate": "undo"}, "undo": put(x="${nodes.each}")}

    assert faults(nodes, "start -> each") == []
