"""Iterations and children over HTTP."""

from uuid import UUID, uuid4

import pytest

from apps.executions import queries
from apps.executions.models import Execution
from tests.api.clients import make_workflow
from tests.workers.driving import drive
from tests.workers.test_children import settle_all
from tests.workers.test_loops import fails_at, foreach, inside
from tests.workers.test_runner import START, document, put

pytestmark = pytest.mark.django_db(transaction=True)


def started(client, definition, input=None) -> str:
    made = client.post_json("/workflows", {"definition": {**definition, "name": str(uuid4())}, "publish": True}, 201)
    return client.post_json("/executions", {"workflow": made["id"], "input": input or {}}, 202)["id"]


@pytest.fixture
def nested(ada) -> str:
    """Id of an execution of 3 × 4 iterations, of which 1.2 failed."""
    nodes = {
        "start": START,
        "outer": foreach("${input.rows}"),
        "inner": inside("outer", foreach("${item}", on_failure="collect")),
        "cell": inside("inner", fails_at("item == 6")),
    }
    execution = started(ada, document(nodes, "start -> outer"), {"rows": [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]})
    assert drive(UUID(execution)).status == "success"
    return execution


def paths(answer) -> list[str]:
    return [row["path"] for row in answer["results"]]


def test_iterations_are_listed_by_loop_place_and_status(ada, nested):
    url = f"/executions/{nested}/iterations"

    assert len(ada.get_json(url)["results"]) == 3 + 12
    assert paths(ada.get_json(f"{url}?node=outer")) == ["0", "1", "2"]
    assert paths(ada.get_json(f"{url}?node=inner&path=1")) == ["1.0", "1.1", "1.2", "1.3"]
    failed = ada.get_json(f"{url}?status=failed")["results"]
    assert [(row["node"], row["path"], row["index"], row["error"]["node"]) for row in failed] == [("inner", "1.2", 2, "cell")]


def test_iterations_come_page_by_page(ada, nested, monkeypatch):
    monkeypatch.setattr(queries, "MAX_NODE_RUNS", 5)
    url, seen = f"/executions/{nested}/iterations?node=inner", []
    while url:
        page = ada.get_json(url)
        seen += paths(page)
        url = page["next"] and page["next"].removeprefix("/api/v1")

    assert sorted(seen) == sorted(f"{row}.{cell}" for row in range(3) for cell in range(4))


@pytest.mark.parametrize(
    ("query", "found"),
    [("path=1.2&key=cell", [("cell", "failed")]), ("key=inner", [("inner", "success")] * 3), ("status=failed", [("cell", "failed")])],
)
def test_node_runs_are_filtered_by_key_path_and_status(ada, nested, query, found):
    rows = ada.get_json(f"/executions/{nested}/nodes?{query}")["results"]

    assert [(row["key"], row["status"]) for row in rows] == found


@pytest.mark.parametrize("query", ["status=lost", "after=-1", "loop=outer"])
def test_what_cannot_be_asked_for_is_said(ada, nested, query):
    assert ada.get_json(f"/executions/{nested}/iterations?{query}", 422)["code"]


def test_a_stranger_sees_no_iterations(bob, nested):
    bob.get_json(f"/executions/{nested}/iterations", 404)


@pytest.fixture
def family(ada) -> tuple[str, str]:
    """Ids of an execution and of the one that it has started."""
    called = make_workflow(ada)
    call = {"type": "workflow.call", "config": {"workflow": called["id"], "input": {"amount": 5}}}
    execution = started(ada, document({"start": START, "call": call}, "start -> call"))
    settle_all()
    return execution, str(Execution.objects.get(depth=1).id)


def test_parent_and_children_know_each_other(ada, family):
    parent, child = family

    above = ada.get_json(f"/executions/{parent}")
    below = ada.get_json(f"/executions/{child}")

    assert [(one["id"], one["node"], one["status"]) for one in above["children"]] == [(child, "call", "success")]
    assert (above["parent"], above["depth"]) == (None, 0)
    assert (below["parent"], below["depth"], below["children"]) == ({"execution": parent, "node": "call", "path": ""}, 1, [])
    assert [row["id"] for row in ada.get_json(f"/executions?parent={parent}")["results"]] == [child]


def test_the_admin_shows_iterations_children_and_parents(client, family, nested, operator):
    client.force_login(operator.user)
    parent, child = family

    assert f"/executions/execution/{child}/" in client.get(f"/admin/executions/execution/{parent}/change/").content.decode()
    assert "a node of another execution" in client.get(f"/admin/executions/execution/{child}/change/").content.decode()
    assert "Iterations" in client.get(f"/admin/executions/execution/{nested}/change/").content.decode()
    assert "1.2" in client.get("/admin/executions/iteration/?status__exact=failed").content.decode()


def calling(workflow_id: object, **config) -> dict:
    return document(
        {"start": START, "call": {"type": "workflow.call", "config": {"workflow": str(workflow_id), **config}}}, "start -> call"
    )


def test_a_call_is_saved_of_a_workflow_only_that_one_may_run(ada, bob):
    mine, theirs = make_workflow(ada), make_workflow(bob)

    ada.post_json("/workflows", {"definition": calling(mine["id"])}, 201)
    for workflow_id in (theirs["id"], uuid4()):
        answer = ada.post_json("/workflows", {"definition": calling(workflow_id) | {"name": "other"}}, 422)
        assert [error["pointer"] for error in answer["details"]["errors"]] == ["/nodes/1/config/workflow"]
    answer = ada.post_json("/workflows", {"definition": calling(mine["id"], version=7) | {"name": "other"}}, 422)
    assert [error["pointer"] for error in answer["details"]["errors"]] == ["/nodes/1/config/version"]


def test_loops_that_cannot_run_are_refused_with_their_places(ada):
    nodes = {"start": START, "each": foreach([1]), "work": inside("each", put(x=1)), "after": put(x="${nodes.work.x}")}

    answer = ada.post_json("/workflows", {"definition": document(nodes, "start -> each -> after", "start -> work")}, 422)

    assert [error["pointer"] for error in answer["details"]["errors"]] == ["/edges/2"]
