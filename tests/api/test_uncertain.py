"""Over which node runs a person has to decide, and who may."""

from uuid import UUID

import pytest

from apps.executions.models import Execution, NodeRun
from tests.api.clients import make_workflow
from tests.api.workspaces import join, share, workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)


def begin_and_lose(client, name):
    """A workflow with an execution whose first node run is uncertain, as after a lost worker."""
    definition = {"name": name, "nodes": [{"key": "start", "type": "trigger.manual"}]}
    workflow = make_workflow(client, definition)
    started = client.post_json("/executions", {"workflow": workflow["id"]}, 202)
    NodeRun.objects.filter(execution_id=started["id"]).update(status="uncertain", due_at=None)
    return workflow, started["id"]


def test_all_that_waits_for_a_decision_is_listed_oldest_first_and_can_be_narrowed(ada):
    first, one = begin_and_lose(ada, "first")
    second, two = begin_and_lose(ada, "second")
    ada.post_json("/executions", {"workflow": first["id"]}, 202)

    rows = ada.get_json("/executions/uncertain")["results"]

    assert [(row["execution"], row["workflow_name"], row["key"]) for row in rows] == [(one, "first", "start"), (two, "second", "start")]
    assert [row["execution"] for row in ada.get_json(f"/executions/uncertain?workflow={second['id']}")["results"]] == [two]
    assert len(ada.get_json(f"/executions/uncertain?workspace={workspace_of(ada).pk}")["results"]) == 2
    assert ada.get_json("/executions/uncertain?workspace=00000000-0000-7000-8000-000000000000")["results"] == []
    assert ada.get_json("/executions/uncertain?node=x", 422)["code"] == "invalid"


def test_the_list_goes_on_from_page_to_page_in_one_query_each(ada, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr("apps.executions.queries_uncertain.MAX_UNCERTAIN", 2)
    monkeypatch.setattr("apps.executions.api.uncertain.MAX_UNCERTAIN", 2)
    executions = [begin_and_lose(ada, f"w{number}")[1] for number in range(3)]
    with django_assert_num_queries(3):  # the token, what was shared, and the list
        page = ada.get_json("/executions/uncertain")
    assert [row["execution"] for row in page["results"]] == executions[:2]
    rest = ada.get_json(page["next"].removeprefix("/api/v1"))
    assert ([row["execution"] for row in rest["results"]], rest["next"]) == (executions[2:], None)


def test_a_decision_at_the_given_address_takes_it_off_the_list(ada):
    _, execution = begin_and_lose(ada, "first")
    row = ada.get_json("/executions/uncertain")["results"][0]

    ada.post_json(row["resolve_url"].removeprefix("/api/v1"), {"decision": "success", "output": {"done": True}})

    assert ada.get_json("/executions/uncertain")["results"] == []
    drive(UUID(execution))
    assert Execution.objects.get(id=execution).output == {"done": True}


def test_who_may_not_steer_may_look_at_most(ada, bob):
    workflow, execution = begin_and_lose(ada, "first")
    path, decision = f"/executions/{execution}/nodes/start/resolve", {"decision": "rerun"}
    assert bob.get_json("/executions/uncertain")["results"] == []
    bob.post_json(path, decision, 404)

    share(ada, f"/workflows/{workflow['id']}", "viewer", user="bob")
    assert len(bob.get_json("/executions/uncertain")["results"]) == 1
    bob.post_json(path, decision, 403)

    join(bob, workspace_of(ada), "operator")
    assert bob.post_json(path, decision)["status"] == "queued"
