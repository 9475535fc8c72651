"""Test runs over HTTP."""

from uuid import UUID

import pytest

from tests.api.clients import client_of, make_workflow
from tests.api.workspaces import join, workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

SUM = {
    "name": "sum",
    "inputs": {"amount": "number"},
    "variables": {"rate": 2},
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "sum", "type": "data.set", "config": {"values": {"total": "${input.amount * vars.rate}"}}},
        {"key": "end", "type": "data.set", "config": {"values": {"total": "${nodes.sum.total}"}}},
    ],
    "edges": [{"source": "start", "target": "sum"}, {"source": "sum", "target": "end"}],
}


@pytest.fixture
def workflow(ada):
    return make_workflow(ada, SUM)


def begin(client, workflow, *breakpoints):
    body = {"workflow": workflow["id"], "input": {"amount": 5}, "breakpoints": list(breakpoints)}
    started = client.post_json("/executions", body, 202)
    drive(UUID(started["id"]), rounds=5)
    return f"/executions/{started['id']}"


def go(path):
    return drive(UUID(path.rpartition("/")[2]), rounds=5)


def test_a_run_stops_is_changed_stepped_and_goes_on(ada, workflow):
    path = begin(ada, workflow, {"node": "sum"})
    shown = ada.get_json(f"{path}/breakpoints")
    assert (shown["nodes"], shown["is_stepping"]) == ({"sum": None}, False)
    assert [(stop["key"], stop["path"], stop["fault"]) for stop in shown["stopped_at"]] == [("sum", "", None)]
    assert next(run for run in ada.get_json(path)["node_runs"] if run["key"] == "sum")["waits_for"] == "breakpoint"

    assert ada.post_json(f"{path}/edit", {"variables": {"rate": 3}})["status"] == "running"
    assert ada.post_json(f"{path}/step", {"node": "sum"})["status"] == "running"
    go(path)
    shown = ada.get_json(f"{path}/breakpoints")
    assert (shown["is_stepping"], [stop["key"] for stop in shown["stopped_at"]]) == (True, ["end"])
    assert ada.get_json(f"{path}/nodes/sum")["output"] == {"total": 15}

    ada.post_json(f"{path}/edit", {"outputs": [{"key": "sum", "output": {"total": 99}}]})
    ada.post_json(f"{path}/continue")
    assert go(path).output == {"total": 99}
    assert ada.post_json(f"{path}/continue", status=409)["code"] == "not_stopped"
    assert [event["kind"] for event in ada.get_json(f"{path}/events")["results"]].count("edited") == 2
    assert ada.get_json(path)["trigger"] == "test"


def test_an_ordinary_execution_is_no_test_run(ada, workflow):
    started = ada.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": 5}}, 202)
    for verb, body in (("continue", None), ("step", {"node": "sum"}), ("edit", {"variables": {"rate": 1}})):
        assert ada.post_json(f"/executions/{started['id']}/{verb}", body, 409)["code"] == "not_a_test_run"
    assert ada.get_json(f"/executions/{started['id']}/breakpoints", 409)["code"] == "not_a_test_run"


@pytest.mark.parametrize(
    ("breakpoints", "pointer"),
    [
        ([{"node": "nowhere"}], "/breakpoints/0/node"),
        ([{"node": "sum"}, {"node": "end", "condition": "${"}], "/breakpoints/1/condition"),
        ([{"nod": "sum"}], "/breakpoints/0/nod"),
        ("sum", "/breakpoints"),
    ],
    ids=str,
)
def test_a_wrong_breakpoint_is_refused_with_its_place(ada, workflow, breakpoints, pointer):
    body = {"workflow": workflow["id"], "input": {"amount": 5}, "breakpoints": breakpoints}
    details = ada.post_json("/executions", body, 422)["details"]
    assert (details.get("pointer") or details["errors"][0]["pointer"]) == pointer


def test_who_may_look_may_not_steer(ada, bob, workflow):
    path = begin(ada, workflow, {"node": "sum"})
    bob.get_json(f"{path}/breakpoints", 404)
    join(bob, workspace_of(ada), "viewer")
    viewer = client_of(bob.user)
    viewer.get_json(f"{path}/breakpoints")
    for verb, body in (("continue", None), ("step", {"node": "sum"}), ("edit", {"variables": {"rate": 1}})):
        viewer.post_json(f"{path}/{verb}", body, 403)
    assert go(path).status == "running"
