"""Holds over HTTP."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from tests.api.clients import client_of, make_workflow
from tests.api.workspaces import join, share, workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workflow(ada):
    return make_workflow(ada)


def hold(client, status=201, **body):
    return client.post_json("/holds", {"reason": "the bank is closed", **body}, status)


def test_a_node_is_held_shown_and_released(ada, workflow):
    until = (timezone.now() + timedelta(days=1)).isoformat()
    made = hold(ada, scope="node", workflow=workflow["id"], node="start", until=until)
    assert (made["scope"], made["node"], made["by"], made["released_at"]) == ("node", "start", "ada", None)
    started = ada.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": 1}}, 202)
    drive(UUID(started["id"]), rounds=3)
    path = f"/executions/{started['id']}"

    shown = ada.get_json(path)["node_runs"][0]
    assert shown["status"] == "queued"
    assert {name: shown["hold"][name] for name in ("id", "scope", "by", "reason")} == {
        "id": made["id"],
        "scope": "node",
        "by": "ada",
        "reason": "the bank is closed",
    }
    assert shown["hold"]["since"].startswith(made["since"][:19])
    assert ada.get_json(f"{path}/nodes/start")["hold"] == shown["hold"]

    ada.delete_json(f"/holds/{made['id']}")
    assert ada.delete_json(f"/holds/{made['id']}", 409)["code"] == "already_released"
    assert ada.get_json(path)["node_runs"][0]["hold"] is None
    assert drive(UUID(started["id"])).status == "success"
    assert ada.get_json(f"/holds/{made['id']}")["released_by"] == "ada"


def test_holds_are_listed_by_what_they_hold(ada, workflow, django_assert_num_queries):
    node = hold(ada, scope="node", workflow=workflow["id"], node="start")["id"]
    whole = hold(ada, scope="workflow", workflow=workflow["id"])["id"]
    space = hold(ada, scope="workspace", workspace=str(workspace_of(ada).pk))["id"]
    ada.delete_json(f"/holds/{whole}")

    def listed(query=""):
        return [row["id"] for row in ada.get_json(f"/holds{query}")["results"]]

    assert listed() == [space, whole, node]
    assert listed("?in_force=true") == [space, node]
    assert listed("?in_force=false") == [whole]
    assert listed(f"?workflow={workflow['id']}") == [whole, node]
    assert ada.get_json("/holds?scope=node", 422)["details"]["errors"][0]["pointer"] == "/scope"
    with django_assert_num_queries(3):
        listed()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scope": "node", "workflow": "<workflow>"}, "/node"),
        ({"scope": "node", "node": "start"}, "/workflow"),
        ({"scope": "workflow", "workflow": "<workflow>", "node": "start"}, "/node"),
        ({"scope": "workspace"}, "/workspace"),
        ({"scope": "all"}, "/scope"),
        ({"scope": "workflow", "workflow": "<workflow>", "reason": ""}, "/reason"),
        ({"scope": "workflow", "workflow": "<workflow>", "until": "2020-01-01T00:00:00Z"}, "/until"),
        ({"scope": "node", "workflow": "<workflow>", "node": "nowhere"}, "/node"),
    ],
    ids=str,
)
def test_a_wrong_hold_is_refused_with_its_place(ada, workflow, body, pointer):
    body = {name: workflow["id"] if value == "<workflow>" else value for name, value in body.items()}
    details = hold(ada, 422, **body)["details"]
    assert (details.get("pointer") or details["errors"][0]["pointer"]) == pointer


@pytest.mark.parametrize(
    ("role", "of_workflow", "of_workspace"),
    [("viewer", 403, 403), ("operator", 403, 403), ("builder", 201, 403), ("admin", 201, 201), ("owner", 201, 201)],
)
def test_who_may_hold_by_role(ada, bob, workflow, role, of_workflow, of_workspace):
    join(bob, workspace_of(ada), role)
    member = client_of(bob.user)
    hold(member, of_workflow, scope="workflow", workflow=workflow["id"])
    hold(member, of_workspace, scope="workspace", workspace=str(workspace_of(ada).pk))
    hold(member, 403, scope="installation")
    made = hold(ada, scope="workflow", workflow=workflow["id"])
    member.delete_json(f"/holds/{made['id']}", 204 if of_workflow == 201 else 403)


@pytest.mark.parametrize(
    ("level", "status", "sees"), [("viewer", 403, 200), ("executor", 403, 404), ("editor", 201, 200), ("owner", 201, 200)]
)
def test_who_may_hold_by_a_share(ada, bob, workflow, level, status, sees):
    share(ada, f"/workflows/{workflow['id']}", level, user="bob")
    guest = client_of(bob.user)
    hold(guest, status, scope="workflow", workflow=workflow["id"])
    guest.get_json(f"/holds/{hold(ada, scope='node', workflow=workflow['id'], node='start')['id']}", sees)
    guest.get_json(f"/holds/{hold(ada, scope='workspace', workspace=str(workspace_of(ada).pk))['id']}", 404)


def test_a_stranger_neither_sees_nor_releases(ada, bob, workflow):
    made = hold(ada, scope="workflow", workflow=workflow["id"])
    bob.get_json(f"/holds/{made['id']}", 404)
    bob.delete_json(f"/holds/{made['id']}", 404)
    hold(bob, 404, scope="workflow", workflow=workflow["id"])
    hold(bob, 404, scope="workspace", workspace=str(workspace_of(ada).pk))
    assert bob.get_json("/holds")["results"] == []


def test_the_installation_is_held_by_an_operator_and_everybody_sees_why(ada, operator, workflow):
    made = hold(operator, scope="installation")
    started = ada.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": 1}}, 202)
    assert drive(UUID(started["id"]), rounds=3).status == "running"
    assert ada.get_json(f"/executions/{started['id']}")["node_runs"][0]["hold"]["scope"] == "installation"
    assert [row["id"] for row in ada.get_json("/holds")["results"]] == [made["id"]]
    ada.delete_json(f"/holds/{made['id']}", 403)
    operator.delete_json(f"/holds/{made['id']}")
    assert drive(UUID(started["id"])).status == "success"


def test_an_execution_is_read_in_the_same_queries_whatever_is_held(ada, workflow, django_assert_num_queries):
    started = ada.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": 1}}, 202)
    for _ in range(5):
        hold(ada, scope="workflow", workflow=workflow["id"])
    with django_assert_num_queries(7):
        ada.get_json(f"/executions/{started['id']}")
