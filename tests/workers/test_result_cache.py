"""Outputs that are taken again in place of running a node, with the real runner and the real PostgreSQL."""

from typing import Any

import pytest

from apps.core import object_store
from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from apps.executions import result_cache
from apps.executions.actions import start_execution
from apps.executions.connection import fetch
from apps.executions.models import CachedResult, Execution, NodeRun
from apps.nodes.registry import all_types
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import drive
from tests.workers.test_runner import START, document, put

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_calls():
    functions.calls.clear()


def counting(cache: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    """A definition whose node `work` notes each call, and is told apart by the input `id`."""
    work = {"type": "function", "config": {"function": "tests.echo", "arguments": {"value": "${input.id}"}}, **more}
    if cache is not None:
        work["cache"] = cache
    return document(
        {"start": START, "work": work, "after": put(x="${nodes.work}")}, "start -> work -> after", output={"x": "${nodes.after.x}"}
    )


def run(version, **input) -> Execution:
    return drive(start_execution(workflow=version.workflow, input=input).execution_id)


def origin(execution: Execution) -> tuple[str | None, Any]:
    run = NodeRun.objects.get(execution=execution, key="work")
    return run.origin, run.origin_execution


def test_the_same_config_is_not_run_again_and_the_row_says_so():
    version = make_version(counting({"ttl_seconds": 60}))

    first, second, third = run(version, id=1), run(version, id=1), run(version, id=2)

    assert [one.output for one in (first, second, third)] == [{"x": 1}, {"x": 1}, {"x": 2}]
    assert functions.calls == [1, 2]
    assert [origin(one) for one in (first, second, third)] == [(None, None), ("cached", first.id), (None, None)]


def test_without_the_setting_every_run_runs():
    version = make_version(counting(None))
    run(version, id=1)
    run(version, id=1)
    assert functions.calls == [1, 1]
    assert not CachedResult.objects.exists()


def test_the_key_tells_runs_apart_beside_the_config():
    version = make_version(counting({"ttl_seconds": 60, "key": "${input.day}"}))
    run(version, id=1, day="monday")
    run(version, id=1, day="monday")
    run(version, id=1, day="tuesday")
    assert functions.calls == [1, 1]


def test_another_workspace_has_a_cache_of_its_own():
    run(make_version(counting({"ttl_seconds": 60}), username="ada"), id=1)
    run(make_version(counting({"ttl_seconds": 60}), username="bob"), id=1)
    assert functions.calls == [1, 1]
    assert len(set(CachedResult.objects.values_list("digest", flat=True))) == 2


def test_what_has_expired_is_not_taken_and_is_pruned():
    version = make_version(counting({"ttl_seconds": 60}))
    run(version, id=1)
    fetch("update cached_result set expires_at = clock_timestamp() returning 1 as one", {})

    assert origin(run(version, id=1)) == (None, None)
    assert functions.calls == [1, 1]

    assert fetch(result_cache.PRUNE, {"limit": 10}) == []  # kept anew by the second run
    fetch("update cached_result set expires_at = clock_timestamp() returning 1 as one", {})
    assert len(fetch(result_cache.PRUNE, {"limit": 10})) == 1
    assert not CachedResult.objects.exists()


def test_a_failure_is_not_kept():
    definition = counting({"ttl_seconds": 60}, on_error="continue")
    definition["nodes"][1]["config"] = {"function": "tests.flaky", "arguments": {"failures": 9}}
    version = make_version(definition)
    run(version, id=1)
    assert not CachedResult.objects.exists()


def test_a_large_output_is_kept_by_reference_and_run_again_when_it_is_lost(monkeypatch):
    version = make_version(counting({"ttl_seconds": 60}))
    text = "x" * 70_000
    first = run(version, id=text)
    kept = CachedResult.objects.get()
    assert (kept.output, kept.output_ref) == (None, NodeRun.objects.get(execution=first, key="work").output_ref)

    second = run(version, id=text)
    assert origin(second) == ("cached", first.id)
    assert NodeRun.objects.get(execution=second, key="work").output_ref == kept.output_ref
    assert orjson_size(second) > 70_000

    CachedResult.objects.update(output_ref=f"{version.workspace_id}/{'0' * 64}")
    assert origin(run(version, id=text)) == (None, None)
    assert functions.calls == [text, text]


def orjson_size(execution: Execution) -> int:
    return len(object_store.get(execution.output_ref))


def test_no_part_of_the_config_is_stored_beside_the_output():
    version = make_version(counting({"ttl_seconds": 60}))
    run(version, id="a secret text")
    kept = CachedResult.objects.values().get()
    assert "a secret text" not in str({**kept, "output": None})


def test_variables_are_written_again():
    put_variable = {"type": "data.set", "config": {"values": {"n": 1}, "variables": {"seen": "${input.id}"}}, "cache": {"ttl_seconds": 60}}
    definition = document(
        {"start": START, "work": put_variable, "after": put(x="${vars.seen}")}, "start -> work -> after", output={"x": "${nodes.after.x}"}
    )
    version = make_version(definition | {"variables": {"seen": None}})
    first, second = run(version, id=1), run(version, id=1)
    assert (first.output, second.output, second.variables) == ({"x": 1}, {"x": 1}, {"seen": 1})
    assert origin(second) == ("cached", first.id)


@pytest.mark.parametrize(
    ("node", "pointer"),
    [
        (
            {"type": "http.request", "config": {"method": "POST", "url": "https://example.org/"}, "cache": {"ttl_seconds": 60}},
            "/nodes/1/cache",
        ),
        ({**put(x=1), "cache": {"ttl_seconds": 0}}, "/nodes/1/cache/ttl_seconds"),
        ({**put(x=1), "cache": {"ttl_seconds": 60, "key": "${nodes.nowhere}"}}, "/nodes/1/cache/key"),
        ({**put(x=1), "cache": {"ttl_seconds": 60, "key": "${"}}, "/nodes/1/cache/key"),
        ({**put(x=1), "cache": {"ttl": 60}}, "/nodes/1/cache/ttl"),
        ({**START, "cache": {"ttl_seconds": 60}}, "/nodes/1/cache"),
    ],
    ids=str,
)
def test_a_cache_that_cannot_be_is_refused_at_save(node, pointer):
    definition = document({"start": START, "work": node}, *(() if node["type"] == "trigger.manual" else ("start -> work",)))
    with pytest.raises(InvalidDefinitionError) as caught:
        validate(definition, all_types())
    assert pointer in [each["pointer"] for each in caught.value.details["errors"]]


def test_a_get_may_be_cached():
    get = {"type": "http.request", "config": {"url": "https://example.org/"}, "cache": {"ttl_seconds": 60, "key": "${input.day}"}}
    assert validate(document({"start": START, "work": get}, "start -> work"), all_types())
