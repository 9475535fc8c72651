"""Running executions again over HTTP."""

from uuid import UUID

import pytest

from apps.core import object_store
from apps.core.quotas import QuotaName
from apps.executions.admission import admit
from apps.executions.models import Execution, Gate, NodeRun
from apps.quotas.actions import set_quota
from apps.workflows.models import Workflow
from tests.api.clients import make_workflow
from tests.api.workspaces import join, share, workspace_of
from tests.workers.driving import drive, statuses

pytestmark = pytest.mark.django_db(transaction=True)


def put(key, values, **more):
    return {"key": key, "type": "data.set", "config": {"values": values, **more}}


# start ─▶ first ─┬▶ check ─▶ last
#                 └▶ side ────▶ ┘
DEFINITION = {
    "name": "checked",
    "inputs": {"amount": "number"},
    "variables": {"count": 0, "seen": 0},
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        put("first", {"amount": "${amount}"}, variables={"count": "${count + 1}"}),
        {"key": "check", "type": "control.if", "config": {"condition": "${nodes.first.amount > 0}"}},
        put("side", {"text": "side"}),
        put("last", {"half": "${10 / nodes.first.amount}"}, variables={"seen": "${seen + 1}"}),
    ],
    "edges": [
        {"source": "start", "target": "first"},
        {"source": "first", "target": "check"},
        {"source": "first", "target": "side"},
        {"source": "check", "port": "true", "target": "last"},
        {"source": "check", "port": "false", "target": "last"},
        {"source": "side", "target": "last"},
    ],
    "output": {"half": "${nodes.last.half}"},
}


@pytest.fixture
def workflow(ada):
    return make_workflow(ada, DEFINITION)


@pytest.fixture
def failed(ada, workflow):
    """An execution whose last node divided by nothing."""
    return run(ada, workflow, amount=0)


def run(client, workflow, *, amount):
    started = client.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": amount}}, 202)
    drive(UUID(started["id"]))
    return client.get_json(f"/executions/{started['id']}")


def rerun(client, execution, status=202, **body):
    answer = client.post_json(f"/executions/{execution['id']}/rerun", body, status)
    if status == 202:
        drive(UUID(answer["id"]))
    return answer


def test_from_where_it_failed_with_an_edited_output(ada, failed):
    assert (failed["status"], failed["error"]["node"]) == ("failed", "last")
    made = rerun(ada, failed, **{"from": "failed"}, outputs={"first": {"amount": 4}})

    found = ada.get_json(f"/executions/{made['id']}")
    assert (found["status"], found["output"]) == ("success", {"half": 2.5})
    assert (found["rerun_of"], found["trigger"], found["sequence"] > 1) == (failed["id"], "rerun", True)
    origins = {run["key"]: (run["origin"], run["origin_execution"]) for run in found["node_runs"]}
    old = failed["id"]
    assert origins == {
        "start": ("reused", old),
        "first": ("edited", old),
        "check": ("reused", old),
        "side": ("reused", old),
        "last": (None, None),
        "$output": (None, None),
    }
    assert [row["key"] for row in made["reused"]] == ["start", "first", "check", "side"]
    assert ada.get_json(f"/executions?rerun_of={old}")["results"][0]["id"] == made["id"]
    assert ada.get_json(f"/executions/{old}") == failed


def test_variables_are_as_they_were_but_for_those_of_nodes_that_run_again(ada, workflow):
    first = run(ada, workflow, amount=5)
    assert first["variables"] == {"count": 1, "seen": 1}

    made = rerun(ada, first, **{"from": "last"})

    assert ada.get_json(f"/executions/{made['id']}")["variables"] == {"count": 1, "seen": 1}


def test_from_the_start_nothing_is_reused_and_the_input_may_be_another(ada, failed):
    made = rerun(ada, failed, **{"from": "start"}, input={"amount": 5})

    found = ada.get_json(f"/executions/{made['id']}")
    assert (found["output"], found["input"], made["reused"]) == ({"half": 2}, {"amount": 5}, [])
    assert {run["origin"] for run in found["node_runs"]} == {None}


def test_from_a_node_that_had_succeeded_all_after_it_runs_again(ada, workflow):
    done = run(ada, workflow, amount=5)

    made = rerun(ada, done, **{"from": {"key": "check"}})

    assert [row["key"] for row in made["reused"]] == ["start", "first", "side"]
    assert statuses(UUID(made["id"])) == statuses(UUID(done["id"]))


def test_a_gate_that_edges_had_reached_is_counted_on(ada, workflow):
    done = run(ada, workflow, amount=5)

    answer = ada.post_json(f"/executions/{done['id']}/rerun", {"from": "check"}, 202)

    gate = Gate.objects.get(execution_id=answer["id"], key="last")
    assert (gate.expected, gate.settled, gate.live) == (3, 1, 1)
    assert drive(UUID(answer["id"])).status == "success"


def test_a_rerun_can_be_run_again_and_names_where_a_node_ran(ada, workflow):
    done = run(ada, workflow, amount=5)
    second = rerun(ada, done, **{"from": "last"})

    third = rerun(ada, second, **{"from": "last"})

    assert {row["origin_execution"] for row in third["reused"]} == {done["id"]}
    assert ada.get_json(f"/executions/{third['id']}")["rerun_of"] == second["id"]


def test_a_preview_tells_and_makes_nothing(ada, failed):
    answer = ada.post_json(f"/executions/{failed['id']}/rerun?preview=true", {"from": "failed"}, 200)

    assert (answer["id"], answer["created"], Execution.objects.count()) == (None, False, 1)
    assert answer["runs"] == [{"key": "last", "path": "", "effect": "pure", "has_run": True, "starts_now": True}]
    assert answer["repeated_effects"] == []


def test_a_preview_names_the_effects_that_would_happen_again(ada):
    post = {"key": "post", "type": "http.request", "config": {"method": "POST", "url": "http://127.0.0.1:9/"}}
    definition = {
        "name": "posts",
        "nodes": [{"key": "start", "type": "trigger.manual"}, post],
        "edges": [{"source": "start", "target": "post"}],
    }
    done = run(ada, make_workflow(ada, definition), amount=1)

    answer = ada.post_json(f"/executions/{done['id']}/rerun?preview=true", {"from": "start"}, 200)

    assert answer["repeated_effects"] == ["post"]


def test_the_same_idempotency_key_makes_one_rerun(ada, failed):
    path, body = f"/executions/{failed['id']}/rerun", {"from": "failed"}
    first = ada.post_json(path, body, 202, **{"Idempotency-Key": "again-1"})
    second = ada.post_json(path, body, 202, **{"Idempotency-Key": "again-1"})
    assert second == first
    other = ada.post_json(path, {"from": "start"}, 422, **{"Idempotency-Key": "again-1"})
    assert other["code"] == "idempotency_key_reused"
    assert Execution.objects.filter(rerun_of=failed["id"]).count() == 1


def test_the_idempotency_key_of_the_old_execution_stays_with_it(ada, workflow):
    body = {"workflow": workflow["id"], "input": {"amount": 5}}
    started = ada.post_json("/executions", body, 202, **{"Idempotency-Key": "order-1"})
    drive(UUID(started["id"]))
    made = rerun(ada, started, **{"from": "start"})
    assert ada.post_json("/executions", body, 202, **{"Idempotency-Key": "order-1"})["id"] == started["id"] != made["id"]


def test_a_large_output_is_reused_by_reference(ada):
    large = put("large", {"text": "${'x'.replace('x', input.text)}"})
    definition = {
        "name": "large",
        "nodes": [{"key": "start", "type": "trigger.manual"}, large, put("size", {"n": "${size(nodes.large.text)}"})],
        "edges": [{"source": "start", "target": "large"}, {"source": "large", "target": "size"}],
        "output": {"n": "${nodes.size.n}"},
    }
    workflow = make_workflow(ada, definition)
    started = ada.post_json("/executions", {"workflow": workflow["id"], "input": {"text": "y" * 70_000}}, 202)
    drive(UUID(started["id"]))
    old = NodeRun.objects.get(execution_id=started["id"], key="large")
    assert old.output_ref is not None

    made = rerun(ada, started, **{"from": "size"})

    assert NodeRun.objects.get(execution_id=made["id"], key="large").output_ref == old.output_ref
    assert Execution.objects.get(id=made["id"]).output == {"n": 70_000}

    edited = rerun(ada, started, **{"from": "size"}, outputs={"large": {"text": "z" * 80_000}})
    ref = NodeRun.objects.get(execution_id=edited["id"], key="large").output_ref
    assert len(object_store.get(ref)) > 80_000
    assert Execution.objects.get(id=edited["id"]).output == {"n": 80_000}


def test_what_has_not_ended_is_not_run_again(ada, workflow):
    started = ada.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": 1}}, 202)
    body = rerun(ada, started, 409, **{"from": "start"})
    assert (body["code"], body["details"]["status"]) == ("wrong_status", "running")


@pytest.mark.parametrize(
    ("body", "status", "code", "details"),
    [
        ({"from": "nowhere"}, 422, "unknown_node", {"nodes": ["nowhere"]}),
        ({"from": {"key": "last", "path": "3"}}, 422, "unknown_node", {"nodes": ["last[3]"]}),
        ({"from": "failed", "outputs": {"nowhere": 1}}, 422, "unknown_node", {"nodes": ["nowhere"]}),
        ({"from": "check", "outputs": {"last": {}}}, 422, "edited_node_runs_again", {"nodes": ["last"]}),
        (
            {"from": "failed", "outputs": {"first": "much"}},
            422,
            "wrong_output_type",
            {"pointer": "/outputs/first", "found": "string", "expected": "object"},
        ),
    ],
    ids=str,
)
def test_a_wrong_rerun_is_refused_with_its_place(ada, failed, body, status, code, details):
    answer = rerun(ada, failed, status, **body)
    assert (answer["code"], answer["details"]) == (code, details)
    assert Execution.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"from": 5}, "/from"),
        ({"from": {"path": ""}}, "/from"),
        ({"from": {"key": "a", "item": 1}}, "/from"),
        ({"version": "latest"}, "/version"),
        ({"input": []}, "/input"),
        ({"outputs": []}, "/outputs"),
        ({"output": {}}, "/output"),
    ],
    ids=str,
)
def test_a_body_of_another_shape_is_refused_with_its_place(ada, failed, change, pointer):
    assert rerun(ada, failed, 422, **change)["details"]["errors"][0]["pointer"] == pointer


def test_an_output_that_is_not_json_or_too_long_is_refused(ada, failed, settings):
    path = f"/api/v1/executions/{failed['id']}/rerun"
    assert ada.post(path, b'{"outputs": {"first": NaN}}', content_type="application/json").status_code == 400
    settings.MAX_BODY_BYTES = 1000
    assert ada.post(path, {"outputs": {"first": {"text": "x" * 1000}}}, format="json").status_code == 413


def test_an_input_that_does_not_fit_is_refused(ada, failed):
    body = rerun(ada, failed, 422, **{"from": "start"}, input={"amount": "much"})
    assert (body["code"], body["details"]["errors"][0]["pointer"]) == ("invalid_input", "/amount")


def save(client, workflow, **changes):
    nodes = [{**node, **changes.get(node["key"], {})} for node in DEFINITION["nodes"]]
    body = {"definition": {**DEFINITION, "nodes": nodes, **changes.get("", {})}}
    return client.post_json(f"/workflows/{workflow['id']}/versions", body, 201)


def test_the_newest_version_goes_on_where_the_old_one_failed(ada, workflow, failed):
    save(ada, workflow, last=put("last", {"half": 0}))

    made = rerun(ada, failed, **{"from": "failed"}, version="newest")

    assert (made["version_number"], Execution.objects.get(id=made["id"]).output) == (2, {"half": 0})
    assert rerun(ada, failed, **{"from": "failed"}, version="published")["version_number"] == 1


def test_a_version_that_differs_upstream_is_refused_with_the_nodes(ada, workflow, failed):
    save(ada, workflow, first=put("first", {"amount": 7}))

    body = rerun(ada, failed, 409, **{"from": "failed"}, version="newest")

    assert (body["code"], body["details"]["nodes"]) == ("upstream_differs", [{"key": "first", "reason": "config"}])
    assert rerun(ada, failed, **{"from": "first"}, version="newest")["created"]


def test_an_input_that_the_newest_version_does_not_take_is_refused(ada, workflow, failed):
    save(ada, workflow, **{"": {"inputs": {"amount": "number", "currency": "string"}}})
    assert rerun(ada, failed, 422, **{"from": "start"}, version="newest")["code"] == "invalid_input"


def test_an_archived_workflow_is_not_run_again(ada, workflow, failed):
    ada.post_json(f"/workflows/{workflow['id']}/archive", None, 200)
    assert rerun(ada, failed, 409, **{"from": "start"})["code"] == "workflow_archived"


def test_who_may_not_start_the_workflow_may_not_run_it_again(ada, bob, workflow, failed):
    path = f"/executions/{failed['id']}/rerun"
    bob.post_json(path, {"from": "start"}, 404)
    share(ada, f"/workflows/{workflow['id']}", "viewer", user="bob")
    assert bob.post_json(path, {"from": "start"}, 403)["details"]["permission"] == "workflow.run"
    join(bob, workspace_of(ada), "operator")
    assert Execution.objects.get(id=bob.post_json(path, {"from": "start"}, 202)["id"]).started_by == bob.user
    assert Workflow.objects.get(id=workflow["id"]).executions.count() == 2


def test_a_rerun_stands_in_line_as_any_start(ada):
    workflow = make_workflow(ada, {**DEFINITION, "settings": {"max_concurrency": 1}})
    old = run(ada, workflow, amount=4)
    other = ada.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": 1}}, 202)["id"]

    again = ada.post_json(f"/executions/{old['id']}/rerun", {"from": "last"}, 202)["id"]

    assert ada.get_json(f"/executions/{again}")["status"] == "pending"
    drive(UUID(other))
    admit()
    drive(UUID(again))
    assert ada.get_json(f"/executions/{again}")["status"] == "success"


def test_reruns_count_against_the_executions_of_the_day(ada, workflow, failed, monkeypatch):
    monkeypatch.undo()  # of the fixture that knows no limits
    set_quota(name=QuotaName.EXECUTIONS_PER_DAY, limit=3, workspace=Workflow.objects.get(pk=workflow["id"]).workspace)

    rerun(ada, failed, **{"from": "failed"})
    rerun(ada, failed, **{"from": "start"})
    refused = rerun(ada, failed, 409, **{"from": "start"})

    assert refused["code"] == "quota_exceeded"
