"""Waiting for the result of a start: `wait` and `Prefer`, and asking again only for what has changed."""

import threading
from uuid import UUID

import pytest
from django.db import connection

from apps.executions import wait as waiting
from apps.executions.models import Execution
from tests.api.clients import make_workflow
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

FAILING = {
    "name": "failing",
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "bad", "type": "control.fail", "config": {"message": "no", "code": "broken"}},
    ],
    "edges": [{"source": "start", "target": "bad"}],
}


@pytest.fixture
def workflow(ada):
    return make_workflow(ada)


@pytest.fixture
def worker():
    """Runs the first execution that comes."""

    def run() -> None:
        execution_id = None
        while execution_id is None:
            execution_id = Execution.objects.values_list("id", flat=True).first()
        drive(execution_id)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(60)


def start(client, workflow, *, prefer=None, **more):
    headers = {"Prefer": prefer} if prefer else {}
    body = {"workflow": workflow["id"], "input": {"amount": 1500}, **more}
    return client.post("/api/v1/executions", body, format="json", headers=headers)


@pytest.mark.parametrize(("more", "applied"), [({"prefer": "wait=50"}, "wait=50"), ({"wait": 50}, None)])
def test_who_waits_is_answered_with_the_result(ada, workflow, worker, more, applied):
    answer = start(ada, workflow, **more)
    body = answer.json()
    assert (answer.status_code, body["status"], body["output"]) == (200, "success", {"is_large": True})
    assert body["finished_at"] is not None
    assert answer.headers.get("Preference-Applied") == applied
    assert answer.headers["Location"] == body["links"]["self"] == f"/api/v1/executions/{body['id']}"


def test_a_failure_in_the_time_is_an_answer_like_any_other(ada, worker):
    answer = start(ada, make_workflow(ada, FAILING), wait=50)
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]["code"]) == (200, "failed", "broken")


def test_when_the_time_passes_the_answer_is_that_of_a_start_that_does_not_wait(ada, workflow):
    at_once, waited = start(ada, workflow), start(ada, workflow, wait=0.05)
    assert (at_once.status_code, waited.status_code) == (202, 202)
    assert without_ids(waited) == without_ids(at_once)
    assert at_once.headers["Retry-After"] == waited.headers["Retry-After"] == "1"
    for link in ("self", "events"):
        assert ada.get(waited.json()["links"][link]).status_code == 200


def without_ids(answer):
    return answer.content.replace(answer.json()["id"].encode(), b"<id>")


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("respond-async", "respond-async"),
        ("respond-async, wait=0", "respond-async"),
        ("wait=0", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("handling=lenient", None),
        ('foo="a, b"; wait=5', None),
        ("=; ,,", None),
    ],
)
def test_what_is_not_understood_is_passed_over(ada, workflow, prefer, applied):
    answer = start(ada, workflow, prefer=prefer)
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (202, applied)


def test_nobody_waits_longer_than_a_minute(ada, workflow, worker):
    answer = start(ada, workflow, prefer="respond-async, WAIT=99999")
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=60")


def test_the_body_goes_before_the_header(ada, workflow):
    answer = start(ada, workflow, prefer="wait=60", wait=0)
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (202, None)


def test_the_database_is_looked_at_when_it_begins_to_listen_and_when_the_time_is_over(ada, workflow, monkeypatch):
    looks, is_settled = [], waiting._is_settled

    def look(execution_id):
        looks.append(execution_id)
        return is_settled(execution_id)

    monkeypatch.setattr(waiting, "_is_settled", look)
    start(ada, workflow, wait=0.01)  # there is a connection to Redis from here on
    looks.clear()
    assert start(ada, workflow, wait=2).status_code == 202
    assert 1 <= len(looks) <= 2


def test_a_state_that_has_not_changed_is_not_sent_again(ada, workflow):
    path = f"/api/v1/executions/{start(ada, workflow).json()['id']}"
    first = ada.get(path)
    again = ada.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")

    drive(UUID(first.json()["id"]))
    changed = ada.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (changed.status_code, changed.json()["status"]) == (200, "success")
