"""Templates of steps as definitions: pure."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.dialects.cycles import find_cycle
from apps.dialects.steps.form import TemplateForm
from apps.dialects.steps.translation import LibraryStep, Translated, translate
from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from apps.nodes.registry import all_types

NAMES = "abcdefgh"
LIBRARY = {number: LibraryStep(number, name, "shell", {"command": f"echo {name}"}, 300, 0) for number, name in enumerate(NAMES, start=1)}


def made(*steps: dict[str, Any], **library: LibraryStep) -> Translated:
    form = TemplateForm.model_validate_json(_json({"name": "t", "steps": steps}))
    return translate(form, {**LIBRARY, **{each.id: each for each in library.values()}})


def _json(value: object) -> bytes:
    import orjson  # noqa: PLC0415

    return orjson.dumps(value)


def edges(translated: Translated) -> list[str]:
    return sorted(f"{edge['source']}{edge['target']}" for edge in translated.definition["edges"])


def refused(*steps: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(InvalidDefinitionError) as caught:
        made(*steps)
    [problem] = caught.value.details["errors"]
    return problem


def test_serial_steps_follow_each_other_by_their_order():
    assert edges(made({"step_id": 2, "order_num": 2}, {"step_id": 1, "order_num": 1}, {"step_id": 3, "order_num": 3})) == ["ab", "bc"]


def test_parallel_steps_that_follow_each_other_run_side_by_side():
    #  a ─┬▶ b ─┬▶ d
    #     └▶ c ─┘
    side = {"run_mode": "parallel"}
    assert edges(made({"step_id": 1}, {"step_id": 2, **side}, {"step_id": 3, **side}, {"step_id": 4})) == ["ab", "ac", "bd", "cd"]


def test_dependencies_go_before_the_order():
    #  a ─┬▶ b ─▶ d      named by number, by name and by key
    #     └▶ c
    steps = (
        {"step_id": 4, "dependencies": ["b"]},
        {"step_id": 1},
        {"step_id": 2, "dependencies": [1]},
        {"step_id": 3, "dependencies": ["a"]},
    )
    assert edges(made(*steps)) == ["ab", "ac", "bd"]


def test_a_cycle_is_named_at_its_place():
    problem = refused({"step_id": 1, "dependencies": [3]}, {"step_id": 2, "dependencies": [1]}, {"step_id": 3, "dependencies": [2]})
    assert problem["message"].startswith("The dependencies go round in a circle: ")
    assert set(problem["found"].split(" -> ")) == {"a", "b", "c"}
    assert problem["found"].split(" -> ")[0] == problem["found"].split(" -> ")[-1]
    index = "abc".index(problem["found"][-1])
    assert problem["pointer"] == f"/steps/{index}/dependencies"


def test_a_step_that_depends_on_itself_is_a_cycle():
    assert refused({"step_id": 1, "dependencies": [1]})["found"] == "a -> a"


@pytest.mark.parametrize(
    ("steps", "pointer", "words"),
    [
        ([{"step_id": 99}], "/steps/0/step_id", "no step 99"),
        ([{"step_id": 1}, {"step_id": 2, "dependencies": ["x"]}], "/steps/1/dependencies/0", "No step 'x'"),
        ([{"step_id": 1}, {"step_id": 1}, {"step_id": 2, "dependencies": [1]}], "/steps/2/dependencies/0", "2 times"),
        ([{"step_id": 1, "key": "x"}, {"step_id": 2, "key": "x"}], "/steps/1/key", "already"),
    ],
)
def test_what_names_nothing_is_refused_at_its_place(steps, pointer, words):
    problem = refused(*steps)
    assert problem["pointer"] == pointer
    assert words in problem["message"]


def test_failures_and_retries_become_the_nodes_own():
    retried = LibraryStep(20, "r", "http", {"url": "https://example.com", "credential": "0" * 8}, 30, 2)
    translated = made(
        {"step_id": 1, "on_failure": "continue"}, {"step_id": 2, "on_failure": "retry"}, {"step_id": 3}, {"step_id": 20}, r=retried
    )
    on_error = {node["key"]: (node["on_error"], node.get("retry"), node["timeout_seconds"]) for node in translated.definition["nodes"]}
    assert on_error == {
        "a": ("continue", None, 300),
        "b": ("fail", {"max_attempts": 3}, 300),
        "c": ("fail", None, 300),
        "r": ("fail", {"max_attempts": 3}, 30),
    }
    node = translated.definition["nodes"][-1]
    assert (node["type"], node["credentials"]) == ("http.request", {"default": "0" * 8})


def test_the_same_step_twice_gets_a_key_of_its_own_and_faults_of_nodes_name_their_step():
    translated = made({"step_id": 1}, {"step_id": 1})
    assert [node["key"] for node in translated.definition["nodes"]] == ["a", "a_2"]
    assert translated.places.origin("/nodes/1/config/script") == "/steps/1/step_id/script"


forms = st.lists(
    st.fixed_dictionaries(
        {
            "step_id": st.integers(1, len(NAMES)),
            "run_mode": st.sampled_from(["serial", "parallel"]),
            "on_failure": st.sampled_from(["abort", "continue", "retry"]),
            "order_num": st.integers(-3, 3),
            "dependencies": st.lists(st.integers(1, len(NAMES)), max_size=2),
        }
    ),
    min_size=1,
    max_size=len(NAMES),
    unique_by=lambda each: each["step_id"],
)


@given(forms)
def test_every_template_is_a_definition_that_can_run_or_is_refused_with_places(steps):
    ids = [step["step_id"] for step in steps]
    steps = [{**step, "dependencies": [each for each in step["dependencies"] if each in ids]} for step in steps]
    if find_cycle({str(step["step_id"]): map(str, step["dependencies"]) for step in steps}):
        assert refused(*steps)["pointer"].endswith("/dependencies")
        return
    translated = made(*steps)
    validate(translated.definition, all_types())
    there = {f"{NAMES[source - 1]}{NAMES[step['step_id'] - 1]}" for step in steps for source in step["dependencies"]}
    assert there <= set(edges(translated))
    free = {NAMES[step["step_id"] - 1] for step in steps if not step["dependencies"]}
    serial = [each.key for each in translated.steps if each.key in free and each.form.run_mode == "serial"]
    entered = {edge["target"] for edge in translated.definition["edges"]}
    assert all(key in entered for key in serial if key != translated.steps[0].key)
