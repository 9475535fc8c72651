"""Events and resume addresses over HTTP."""

from uuid import UUID

import pytest

from apps.accounts.models import Membership
from apps.executions.models import NodeRun
from tests.api.clients import client_of, make_workflow
from tests.api.workspaces import join, share, workspace_of
from tests.workers.driving import drive, step

pytestmark = pytest.mark.django_db(transaction=True)


def waiting_for(client, type_name, **config):
    """The address of an execution whose node `wait` waits."""
    definition = {
        "name": f"waits {type_name}",
        "nodes": [{"key": "start", "type": "trigger.manual"}, {"key": "wait", "type": type_name, "config": config}],
        "edges": [{"source": "start", "target": "wait"}],
    }
    made = make_workflow(client, definition)
    started = client.post_json("/executions", {"workflow": made["id"]}, 202)
    step(UUID(started["id"]))
    return f"/executions/{started['id']}"


def test_an_event_wakes_and_says_how_many(ada):
    path = waiting_for(ada, "control.wait_event", event="order.paid", correlation_key="A-1")
    shown = ada.get_json(f"{path}/nodes/wait")
    assert (shown["status"], shown["waits_for"], shown["resume_url"]) == ("waiting", "event:order.paid:A-1", None)
    body = {"event": "order.paid", "correlation_key": "A-1", "payload": {"amount": 3}, "idempotency_key": "e-1"}

    first = ada.post_json("/signals", body, 202)
    again = ada.post_json("/signals", body, 200)

    assert (first["created"], first["woken"], first["is_kept"]) == (True, 1, False)
    assert again == {**first, "created": False}
    assert drive(UUID(path.rpartition("/")[2])).output == {"amount": 3}


def test_a_number_is_a_key_as_the_node_has_it(ada):
    waiting_for(ada, "control.wait_event", event="order.paid", correlation_key=17)
    assert ada.post_json("/signals", {"event": "order.paid", "correlation_key": 17.0}, 202)["woken"] == 1


def test_an_event_is_kept_where_it_is_asked(ada):
    assert ada.post_json("/signals", {"event": "tick", "keep_seconds": 60}, 202)["is_kept"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/event"),
        ({"event": "no name"}, "/event"),
        ({"event": "a", "correlation_key": ["x"]}, "/correlation_key"),
        ({"event": "a", "keep_seconds": 0}, "/keep_seconds"),
        ({"event": "a", "keep_seconds": 10**7}, "/keep_seconds"),
        ({"event": "a", "workspace": "x"}, "/workspace"),
        ({"event": "a", "payloads": 1}, "/payloads"),
    ],
    ids=str,
)
def test_a_wrong_event_is_refused_with_its_place(ada, body, pointer):
    details = ada.post_json("/signals", body, 422)["details"]
    assert (details.get("pointer") or details["errors"][0]["pointer"]) == pointer


def test_a_payload_over_the_limit_is_refused(ada):
    ada.post_json("/signals", {"event": "a", "payload": "x" * 300_000}, 413)


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 202), ("builder", 202), ("owner", 202)])
def test_who_may_send_in_a_workspace(ada, bob, role, status):
    waiting_for(ada, "control.wait_event", event="tick")
    join(bob, workspace_of(ada), role)
    client_of(bob.user).post_json("/signals", {"event": "tick", "workspace": str(workspace_of(ada).pk)}, status)


def test_a_stranger_and_a_guest_wake_nothing(ada, bob):
    path = waiting_for(ada, "control.wait_event", event="tick")
    workflow = ada.get_json(path)["workflow"]
    body = {"event": "tick", "workspace": str(workspace_of(ada).pk)}
    bob.post_json("/signals", body, 404)
    assert bob.post_json("/signals", {"event": "tick"}, 202)["woken"] == 0, "his own workspace"
    share(ada, f"/workflows/{workflow}", "editor", user="bob")
    client_of(bob.user).post_json("/signals", body, 404)
    assert not Membership.objects.filter(user=bob.user, workspace=workspace_of(ada)).exists()
    assert NodeRun.objects.get(key="wait").status == "waiting"


@pytest.fixture
def resume_url(ada):
    path = waiting_for(ada, "control.wait_webhook", timeout_seconds=3600)
    return next(run for run in ada.get_json(path)["node_runs"] if run["key"] == "wait")["resume_url"]


def output_of_wait():
    return drive(NodeRun.objects.get(key="wait").execution_id).output


def test_a_request_to_the_shown_address_resumes_once(ada, anonymous, resume_url):
    response = anonymous.post(
        f"{resume_url}?by=ada&tag=a&tag=b",
        {"approved": True},
        format="json",
        headers={"X-Event-Type": "approval", "Authorization": "Bearer x"},
    )
    assert (response.status_code, response.json()) == (200, {"status": "resumed"})
    assert response.headers["Cache-Control"] == "no-store"
    assert anonymous.post(resume_url).status_code == 409
    assert output_of_wait() == {
        "method": "POST",
        "query": {"by": "ada", "tag": ["a", "b"]},
        "headers": {"content-type": "application/json", "x-event-type": "approval"},
        "body": {"approved": True},
    }
    again = anonymous.get(resume_url)
    assert (again.status_code, again.json()["code"]) == (409, "already_resumed")
    assert ada.get_json(f"/executions/{NodeRun.objects.get(key='wait').execution_id}/nodes/wait")["resume_url"] is None


@pytest.mark.parametrize(
    ("content_type", "raw", "body"),
    [
        ("application/json", b"", None),
        ("application/vnd.x+json", b"[1]", [1]),
        ("application/x-www-form-urlencoded", b"a=1&b=2&b=3", {"a": "1", "b": ["2", "3"]}),
        ("text/plain", b"yes", "yes"),
        ("application/octet-stream", b"\xff", "�"),
    ],
)
def test_a_body_of_any_kind_becomes_a_value(anonymous, resume_url, content_type, raw, body):
    assert anonymous.generic("POST", resume_url, raw, content_type=content_type).status_code == 200
    assert output_of_wait()["body"] == body


def test_a_get_resumes_too(anonymous, resume_url):
    assert anonymous.get(f"{resume_url}?answer=yes").status_code == 200
    output = output_of_wait()
    assert (output["method"], output["query"], output["body"]) == ("GET", {"answer": "yes"}, None)


def test_a_wrong_body_leaves_it_waiting(anonymous, resume_url):
    assert anonymous.generic("POST", resume_url, b"{", content_type="application/json").status_code == 400
    assert anonymous.generic("POST", resume_url, b'"' + b"x" * 300_000 + b'"', content_type="application/json").status_code == 413
    assert anonymous.generic("POST", resume_url, b"x" * 300_000, content_type="text/plain").status_code == 413
    assert NodeRun.objects.get(key="wait").status == "waiting"


def test_an_address_that_somebody_changed_is_none(anonymous, resume_url):
    for changed in (resume_url[:-2], resume_url.replace("sfr_", "sfr_A"), "/api/v1/resume/nothing"):
        response = anonymous.post(changed)
        assert (response.status_code, response.json()["code"]) == (404, "resume_token_not_found")


def test_an_address_ends_with_its_execution(ada, anonymous, resume_url):
    ada.post_json(f"/executions/{NodeRun.objects.get(key='wait').execution_id}/cancel")
    response = anonymous.post(resume_url)
    assert (response.status_code, response.json()["code"]) == (410, "wait_is_over")


def test_an_address_is_tried_so_often_and_no_more(anonymous, resume_url):
    statuses = [anonymous.post(resume_url).status_code for _ in range(31)]
    assert (statuses[0], set(statuses[1:30]), statuses[30]) == (200, {409}, 429)


def test_a_whole_address_is_shown_where_the_public_one_is_known(ada, settings):
    settings.PUBLIC_URL = "https://flows.example.com"
    path = waiting_for(ada, "control.wait_webhook")
    assert ada.get_json(f"{path}/nodes/wait")["resume_url"].startswith("https://flows.example.com/api/v1/resume/sfr_")
