"""Executions that wait go on in another version."""

from itertools import pairwise
from uuid import UUID

import pytest

from apps.executions import migrating
from apps.executions.connection import fetch
from apps.executions.models import Execution, ExecutionEvent, NodeRun
from tests.api.clients import make_workflow
from tests.api.workspaces import join, workspace_of
from tests.workers.driving import drive, statuses, step

pytestmark = pytest.mark.django_db(transaction=True)


def put(key, **values):
    return {"key": key, "type": "data.set", "config": {"values": values}}


def wait(key="wait"):
    return {"key": key, "type": "control.delay", "config": {"seconds": 3600}}


def definition(*nodes, edges, **more):
    listed = [line.split(" -> ") for line in edges]
    pairs = [{"source": a, "target": b} for stops in listed for a, b in pairwise(stops)]
    return {"name": "waits", "nodes": [{"key": "start", "type": "trigger.manual"}, *nodes], "edges": pairs, **more}


# start ─▶ wait ──▶ after
OLD = definition(wait(), put("after", text="old"), edges=["start -> wait -> after"])


@pytest.fixture
def workflow(ada):
    return make_workflow(ada, OLD)


def begin(client, workflow, **input):
    """An execution that has come to its delay."""
    started = client.post_json("/executions", {"workflow": workflow["id"], "input": input}, 202)
    while "queued" in statuses(UUID(started["id"])).values():
        step(UUID(started["id"]))
    assert statuses(UUID(started["id"]))["wait"] == "waiting"
    return started["id"]


def save(client, workflow, document):
    client.post_json(f"/workflows/{workflow['id']}/versions", {"definition": document}, 201)


def migrate(client, workflow, status=200, **body):
    return client.post_json(f"/workflows/{workflow['id']}/migrate", {"from_version": 1, "to_version": 2, **body}, status)


def test_a_waiting_execution_goes_on_in_the_new_version_with_renamed_and_added_nodes(ada, workflow):
    execution = begin(ada, workflow)
    nodes = (wait("pause"), put("more", n=1), put("after", text="new"))
    save(ada, workflow, definition(*nodes, edges=["start -> pause -> after", "start -> more"], variables={"added": 5}))

    answer = migrate(ada, workflow, mapping={"wait": "pause"})

    assert (answer["moved"], answer["impossible"], answer["left"]) == ([execution], [], 0)
    found = drive(UUID(execution))
    assert (found.status, found.version.number, found.variables) == ("success", 2, {"added": 5})
    assert found.output == {"after": {"text": "new"}, "more": {"n": 1}}
    assert set(statuses(found.id)) == {"start", "pause", "more", "after", "$output"}
    kinds = list(ExecutionEvent.objects.filter(execution=found).order_by("sequence").values_list("kind", flat=True))
    assert "migrated" in kinds
    assert not fetch("select * from broken_invariants_v1()", {})


def test_a_dry_run_says_what_is_impossible_and_moves_nothing(ada, workflow):
    execution = begin(ada, workflow)
    save(ada, workflow, definition(put("after", text="new"), edges=["start -> after"]))

    answer = migrate(ada, workflow, dry_run=True)

    assert (answer["possible"], answer["moved"]) == ([], [])
    assert answer["impossible"][0]["execution"] == execution
    assert [(each["code"], each["node"]) for each in answer["impossible"][0]["problems"]] == [("removed", "wait")]
    assert Execution.objects.get(id=execution).version.number == 1


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (definition(put("wait", n=1), put("after", n=1), edges=["start -> wait -> after"]), ("type_changed", "wait")),
        (definition(put("first", n=1), wait(), edges=["start -> first -> wait"]), ("new_before_begun", "wait")),
        (definition(wait(), put("after", n=1), edges=["start -> wait -> after"], inputs={"day": "string"}), ("input_does_not_fit", "")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_is_in_the_way_is_named(ada, workflow, new, problem):
    execution = begin(ada, workflow)
    save(ada, workflow, new)

    problems = migrate(ada, workflow)["impossible"][0]["problems"]

    assert problem in [(each["code"], each["node"]) for each in problems]
    assert Execution.objects.get(id=execution).version.number == 1
    assert drive(UUID(execution)).status == "success"


def test_a_join_that_edges_have_reached_must_join_as_many(ada):
    # start ─┬▶ wait ─┬▶ both
    #        └▶ side ─┘
    nodes = (wait(), put("side", n=1), put("both", n=2))
    workflow = make_workflow(ada, definition(*nodes, edges=["start -> wait -> both", "start -> side -> both"]))
    execution = begin(ada, workflow)
    save(
        ada,
        workflow,
        definition(*nodes, put("third", n=3), edges=["start -> wait -> both", "start -> side -> both", "start -> third -> both"]),
    )
    save(ada, workflow, definition(wait(), put("side", n=1), put("both", n=9), edges=["start -> wait -> both", "start -> side -> both"]))

    problems = migrate(ada, workflow)["impossible"][0]["problems"]
    assert [(each["code"], each["node"]) for each in problems] == [("gate_changed", "both")]

    assert migrate(ada, workflow, to_version=3)["moved"] == [execution]
    assert drive(UUID(execution)).output == {"n": 9}


def test_what_is_queued_must_be_paused_and_goes_on_when_resumed(ada, workflow):
    started = ada.post_json("/executions", {"workflow": workflow["id"]}, 202)["id"]
    save(ada, workflow, definition(wait(), put("after", text="new"), edges=["start -> wait -> after"]))
    assert [each["code"] for each in migrate(ada, workflow)["impossible"][0]["problems"]] == ["busy"]

    ada.post_json(f"/executions/{started}/pause")
    before = NodeRun.objects.get(execution_id=started).id
    assert migrate(ada, workflow)["moved"] == [started]
    assert NodeRun.objects.get(execution_id=started).id != before, "a late claim would find the row by what it was"
    ada.post_json(f"/executions/{started}/resume")
    assert drive(UUID(started)).output == {"text": "new"}


def test_what_moved_on_since_it_was_read_stays(ada, workflow, monkeypatch):
    execution = begin(ada, workflow)
    save(ada, workflow, definition(wait(), put("after", text="new"), edges=["start -> wait -> after"]))
    read = migrating._read

    def read_and_wake(candidates):
        read(candidates)
        fetch("update node_run set wake_at = clock_timestamp() where wake_at is not null returning key", {})
        fetch("select count(*) as moved from sweep_wake_v1(500, interval '15 s')", {})

    monkeypatch.setattr(migrating, "_read", read_and_wake)
    answer = migrate(ada, workflow)

    assert ([each["code"] for each in answer["impossible"][0]["problems"]], answer["moved"]) == (["busy"], [])
    assert drive(UUID(execution)).output == {"text": "old"}


def test_a_few_first_then_all(ada, workflow):
    executions = [begin(ada, workflow) for _ in range(3)]
    save(ada, workflow, definition(wait(), put("after", text="new"), edges=["start -> wait -> after"]))

    assert (migrate(ada, workflow, first=1)["moved"], migrate(ada, workflow, dry_run=True)["possible"]) == (executions[:1], executions[1:])
    assert migrate(ada, workflow)["moved"] == executions[1:]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"to_version": 1}, "same_version"),
        ({"mapping": {"nowhere": "after"}}, "unknown_node"),
        ({"mapping": {"wait": "nowhere"}}, "unknown_node"),
        ({"mapping": {"wait": "after"}}, "ambiguous_mapping"),
        ({"mapping": []}, "invalid"),
        ({"first": 0}, "invalid"),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused(ada, workflow, body, code):
    save(ada, workflow, definition(wait(), put("after", text="new"), edges=["start -> wait -> after"]))
    assert migrate(ada, workflow, 422, **body)["code"] == code
    assert migrate(ada, workflow, 404, to_version=9)["code"] == "version_not_found"


def test_who_may_not_steer_executions_may_not_move_them(ada, bob, workflow):
    save(ada, workflow, definition(wait(), put("after", text="new"), edges=["start -> wait -> after"]))
    migrate(bob, workflow, 404)
    join(bob, workspace_of(ada), "viewer")
    assert migrate(bob, workflow, 403)["details"]["permission"] == "execution.operate"
