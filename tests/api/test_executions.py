"""Executions over HTTP, with the real runner in this process where one has to move."""

import threading
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection
from django.db.models import F

from apps.executions.models import Execution, NodeRun
from tests.api.clients import ORDER, make_workflow
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

TWO = {
    "name": "two",
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "set", "type": "data.set", "config": {"values": {"text": "${input.text}"}}},
    ],
    "edges": [{"source": "start", "target": "set"}],
    "output": {"text": "${nodes.set.text}"},
}


@pytest.fixture
def workflow(ada):
    return make_workflow(ada)


def start(client, workflow, amount=5, **more):
    return client.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": amount}, **more}, 202)


def test_a_start_is_accepted_and_its_end_can_be_read(ada, workflow):
    response = ada.post("/api/v1/executions", {"workflow": workflow["id"], "input": {"amount": 1500}, "business_key": "A-1"}, format="json")
    assert response.status_code == 202
    assert response.json()["status"] == "running"
    drive(UUID(response.json()["id"]))
    found = ada.get(response.headers["Location"]).json()
    assert found["status"] == "success"
    assert found["output"] == {"is_large": True}
    assert (found["workflow_name"], found["version_number"], found["business_key"]) == ("order", 1, "A-1")
    assert [(run["key"], run["status"]) for run in found["node_runs"]] == [("start", "success"), ("$output", "success")]
    assert found["node_runs_next"] is None


def test_a_start_that_ends_within_wait_answers_with_its_result(ada, workflow):
    def drive_what_comes():
        execution_id = None
        while execution_id is None:
            execution_id = Execution.objects.values_list("id", flat=True).first()
        drive(execution_id)
        connection.close()

    worker = threading.Thread(target=drive_what_comes)
    worker.start()
    answer = ada.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": 1500}, "wait": 30}, 200)
    worker.join(30)
    assert (answer["status"], answer["output"], answer["error"]) == ("success", {"is_large": True}, None)
    assert answer["finished_at"] is not None


def test_a_wait_that_passes_answers_that_it_runs(ada, workflow):
    assert start(ada, workflow, wait=0.05)["status"] == "running"


def test_a_start_by_version_needs_no_publishing(ada):
    made = make_workflow(ada, publish=False)
    body = ada.post_json("/executions", {"workflow": made["id"], "input": {"amount": 1}}, 409)
    assert body["code"] == "workflow_not_published"
    answer = ada.post_json("/executions", {"version": made["version"]["id"], "input": {"amount": 1}}, 202)
    assert drive(UUID(answer["id"])).status == "success"


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ", "a\tb"])
def test_a_wrong_idempotency_key_is_refused(ada, workflow, key):
    body = {"workflow": workflow["id"], "input": {"amount": 5}}
    assert ada.post_json("/executions", body, 422, **{"Idempotency-Key": key})["code"] == "invalid_idempotency_key"


def test_a_start_takes_three_queries(ada, workflow, django_assert_num_queries):
    """The token, the workflow, and the start itself; its version, which never changes, is read once in a process."""
    start(ada, workflow)
    with django_assert_num_queries(3):
        start(ada, workflow)


def test_an_input_that_does_not_fit_is_refused_with_its_place(ada, workflow):
    body = ada.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": "much"}}, 422)
    assert body["code"] == "invalid_input"
    assert body["details"]["errors"][0]["pointer"] == "/amount"
    assert not Execution.objects.exists()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"wait": 61}, "/wait"),
        ({"wait": -1}, "/wait"),
        ({"input": []}, "/input"),
        ({"input": None}, "/input"),
        ({"workflow": "x"}, "/workflow"),
        ({"workflow": None}, "/workflow"),
        ({"version": "00000000-0000-7000-8000-000000000000"}, ""),
        ({"priority": "urgent"}, "/priority"),
        ({"busines_key": "A"}, "/busines_key"),
    ],
    ids=str,
)
def test_a_wrong_start_is_refused_with_its_place(ada, workflow, change, pointer):
    body = {"workflow": workflow["id"], "input": {"amount": 1}, **change}
    assert ada.post_json("/executions", body, 422)["details"]["errors"][0]["pointer"] == pointer


def test_many_are_started_at_once_all_or_none(ada, workflow):
    starts = [{"input": {"amount": number}, "business_key": f"A-{number}"} for number in range(1000)]
    answer = ada.post_json("/executions/bulk", {"workflow": workflow["id"], "starts": starts}, 202)
    assert len({one["id"] for one in answer["executions"]}) == 1000
    ids = [str(execution_id) for execution_id in Execution.objects.order_by("id").values_list("id", flat=True)]
    assert sorted(one["id"] for one in answer["executions"]) == ids
    starts[500]["input"] = {"amount": "much"}
    body = ada.post_json("/executions/bulk", {"workflow": workflow["id"], "starts": starts}, 422)
    assert body["details"]["start"] == 500
    ada.post_json("/executions/bulk", {"workflow": workflow["id"], "starts": [*starts, starts[0]]}, 422)
    ada.post_json("/executions/bulk", {"workflow": workflow["id"], "starts": []}, 422)
    assert Execution.objects.count() == 1000


def test_a_list_is_narrowed_by_filters(ada, workflow):
    other = make_workflow(ada, {**ORDER, "name": "other"})
    one, two = start(ada, workflow, business_key="A-1"), start(ada, other, business_key="B-1")
    drive(UUID(one["id"]))
    created = ada.get_json(f"/executions/{two['id']}")["created_at"]

    def listed(**query):
        response = ada.get("/api/v1/executions", query)
        assert response.status_code == 200, response.content
        return [row["id"] for row in response.json()["results"]]

    assert listed() == [two["id"], one["id"]]
    assert listed(status="success") == listed(workflow=workflow["id"]) == listed(business_key="A-1") == [one["id"]]
    assert listed(created_after=created) == [two["id"]]
    assert listed(created_before=created) == [one["id"]]
    assert listed(trigger="schedule") == []


@pytest.mark.parametrize("query", ["status=done", "workflow=1", "created_after=yesterday", "statuss=success", "business_key=%00"])
def test_a_wrong_filter_is_refused(ada, query):
    assert ada.get_json(f"/executions?{query}", 422)["details"]["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


def test_lists_take_the_same_queries_for_one_row_and_for_fifty(ada, workflow, django_assert_num_queries):
    start(ada, workflow)
    with django_assert_num_queries(3):
        ada.get_json("/executions")
    ada.post_json("/executions/bulk", {"workflow": workflow["id"], "starts": [{"input": {"amount": 1}}] * 60}, 202)
    with django_assert_num_queries(3):
        assert len(ada.get_json("/executions")["results"]) == 50


def test_pages_of_rows_of_one_instant_have_no_gap(ada, workflow):
    ada.post_json("/executions/bulk", {"workflow": workflow["id"], "starts": [{"input": {"amount": 1}}] * 25}, 202)
    assert Execution.objects.values("created_at").distinct().count() == 1
    seen, path = [], "/api/v1/executions?limit=10"
    while path:
        page = ada.get(path).json()
        seen += [row["id"] for row in page["results"]]
        path = page["next"]
    assert len(seen) == len(set(seen)) == 25


def test_an_execution_is_read_in_the_same_queries_however_many_nodes_it_has(ada, workflow, django_assert_num_queries):
    started = start(ada, workflow)
    with django_assert_num_queries(7):  # one for whether somebody serves what is queued
        ada.get_json(f"/executions/{started['id']}")
    drive(UUID(started["id"]))
    copy_node_run(started["id"], 50)
    with django_assert_num_queries(6):
        assert len(ada.get_json(f"/executions/{started['id']}")["node_runs"]) == 52


def copy_node_run(execution_id, count):
    node_run = NodeRun.objects.get(execution_id=execution_id, key="start")
    for number in range(count):
        node_run.pk, node_run.key = None, f"copy{number}"
        node_run.save(force_insert=True)


def test_more_node_runs_than_one_answer_holds_come_page_by_page(ada, workflow, monkeypatch):
    monkeypatch.setattr("apps.executions.queries.MAX_NODE_RUNS", 20)
    monkeypatch.setattr("apps.executions.queries.list_node_runs.__kwdefaults__", {"after": 0, "limit": 20})
    started = start(ada, workflow)
    drive(UUID(started["id"]))
    copy_node_run(started["id"], 44)
    found = ada.get_json(f"/executions/{started['id']}")
    seen, path = found["node_runs"], found["node_runs_next"]
    while path:
        page = ada.get(path).json()
        seen, path = [*seen, *page["results"]], page["next"]
    assert len({run["key"] for run in seen}) == len(seen) == 46


def test_outputs_are_shown_where_they_are_small_and_linked_where_they_are_large(ada):
    made = make_workflow(ada, TWO)
    for text in ("short", "".join(str(uuid4()) for _ in range(500)), "".join(str(uuid4()) for _ in range(30_000))):
        started = ada.post_json("/executions", {"workflow": made["id"], "input": {"text": text}}, 202)
        drive(UUID(started["id"]))
        found = ada.get_json(f"/executions/{started['id']}")
        run = next(run for run in found["node_runs"] if run["key"] == "set")
        assert (run["output"] is None) == (run["output_url"] is not None) == (len(text) > 4096)
        assert (found["output"] is None) == (found["output_url"] is not None) == (len(text) > 65536)
        url = f"/api/v1/executions/{started['id']}/nodes/set/output"
        assert run["output_url"] in (None, url)
        assert orjson.loads(ada.get(url).content) == {"text": text}
        assert orjson.loads(ada.get(f"/api/v1/executions/{started['id']}/output").content) == {"text": text}


def test_an_output_whose_store_is_away_can_be_asked_for_again(ada, tmp_path, settings):
    settings.OBJECT_STORE_URL = f"file://{tmp_path}/outputs"
    started = ada.post_json("/executions", {"workflow": make_workflow(ada, TWO)["id"], "input": {"text": "x" * 100_000}}, 202)
    workspace = drive(UUID(started["id"])).workspace_id
    kept = (tmp_path / "outputs" / str(workspace)).rename(tmp_path / "away")
    (tmp_path / "outputs" / str(workspace)).touch()

    answer = ada.get(f"/api/v1/executions/{started['id']}/output")

    assert (answer.status_code, answer.json()["code"]) == (503, "object_store_failed")
    assert answer.headers["Retry-After"] == "2"
    (tmp_path / "outputs" / str(workspace)).unlink()
    assert ada.get_json(f"/executions/{started['id']}/output", 404)["code"] == "object_missing"
    kept.rename(tmp_path / "outputs" / str(workspace))
    assert ada.get(f"/api/v1/executions/{started['id']}/output").status_code == 200


def test_one_node_run_has_its_input_and_output(ada):
    made = make_workflow(ada, TWO)
    started = ada.post_json("/executions", {"workflow": made["id"], "input": {"text": "hello"}}, 202)
    path = f"/executions/{started['id']}/nodes/set"
    assert ada.get_json(path, 404)["code"] == "node_run_not_found"
    drive(UUID(started["id"]))
    found = ada.get_json(path)
    assert (found["output"], found["input"]["values"], found["attempt"]) == ({"text": "hello"}, {"text": "hello"}, 1)


def test_there_is_no_output_before_the_end(ada, workflow):
    started = start(ada, workflow)
    assert ada.get_json(f"/executions/{started['id']}/output", 404)["code"] == "no_output"
    assert ada.get_json(f"/executions/{started['id']}/nodes/start/output", 404)["code"] == "no_output"


def test_the_history_is_numbered_without_gap(ada, workflow):
    started = start(ada, workflow)
    ada.post_json(f"/executions/{started['id']}/pause")
    ada.post_json(f"/executions/{started['id']}/resume")
    drive(UUID(started["id"]))
    events = ada.get_json(f"/executions/{started['id']}/events")["results"]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["kind"] for event in events][:3] == ["started", "paused", "resumed"]
    assert events[-1]["status"] == "success"
    after = ada.get_json(f"/executions/{started['id']}/events?after=2")["results"]
    assert after == events[2:]


def test_an_execution_is_paused_resumed_and_cancelled_where_its_status_allows(ada, workflow):
    started = start(ada, workflow)
    path = f"/executions/{started['id']}"
    assert ada.post_json(f"{path}/resume", status=409)["details"] == {"status": "running"}
    assert ada.post_json(f"{path}/pause") == {"id": started["id"], "status": "paused"}
    assert ada.post_json(f"{path}/resume")["status"] == "running"
    assert ada.post_json(f"{path}/cancel")["status"] == "cancelled"
    for verb in ("pause", "resume", "cancel"):
        assert ada.post_json(f"{path}/{verb}", status=409)["code"] == "wrong_status"


@pytest.fixture
def uncertain(ada, workflow):
    """An execution whose worker died in the middle of an effect."""
    started = start(ada, workflow)
    NodeRun.objects.filter(execution_id=started["id"]).update(status="uncertain", due_at=None, revision=F("revision") + 1)
    return f"/executions/{started['id']}"


@pytest.mark.parametrize(
    ("decision", "status"), [({"decision": "success", "output": {"amount": 1}}, "success"), ({"decision": "failed"}, "failed")]
)
def test_a_person_says_how_an_uncertain_node_run_ended(ada, uncertain, decision, status):
    assert ada.post_json(f"{uncertain}/nodes/start/resolve", decision)["status"] == status
    assert drive(UUID(uncertain.rpartition("/")[2])).status == status
    assert ada.post_json(f"{uncertain}/nodes/start/resolve", decision, 409)["code"] == "not_uncertain"


def test_a_person_has_an_uncertain_node_run_again(ada, uncertain):
    assert ada.post_json(f"{uncertain}/nodes/start/resolve", {"decision": "rerun"})["status"] == "queued"
    assert drive(UUID(uncertain.rpartition("/")[2])).status == "success"


def test_what_others_own_does_not_exist(ada, bob, operator, workflow):
    path = f"/executions/{start(ada, workflow)['id']}"
    for address in (path, f"{path}/nodes", f"{path}/nodes/start", f"{path}/events"):
        ada.get_json(address)
        operator.get_json(address)
        bob.get_json(address, 404)
    for verb in ("cancel", "pause", "resume", "nodes/start/resolve"):
        bob.post_json(f"{path}/{verb}", {"decision": "rerun"} if "resolve" in verb else None, 404)
    assert bob.get_json("/executions")["results"] == []
    assert bob.get_json(f"/executions?workflow={workflow['id']}")["results"] == []
    bob.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": 1}}, 404)
    bob.post_json("/executions", {"version": workflow["version"]["id"], "input": {"amount": 1}}, 404)
    bob.post_json("/executions/bulk", {"workflow": workflow["id"], "starts": [{"input": {"amount": 1}}]}, 404)
    assert ada.get_json(path)["status"] == "running"
