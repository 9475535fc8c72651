"""Events: sent plain and as CloudEvents, kept once, and what they start and wake."""

import json
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.executions.models import Execution
from apps.triggers.events.delivering import deliver, deliver_due
from apps.triggers.events.signals import emits
from apps.triggers.models import Event, EventListener
from tests.api.clients import client_of, make_workflow
from tests.api.workspaces import join, workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

PAID = {"type": "order.paid", "data": {"total": 3}}
STRUCTURED = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.paid", "subject": "A-1", "data": {"total": 3}}


def listener(types=("order.*",), **config):
    nodes = [{"key": "came", "type": "trigger.event", "config": {"types": list(types), **config}}]
    return {"name": f"listens for {types} {config}"[:100], "nodes": nodes, "output": {"got": "${nodes.came}"}}


def send(client, body, status=202, content_type="application/json", query="", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client.generic("POST", f"/api/v1/events{query}", raw, content_type=content_type, headers=headers)
    assert response.status_code == status, response.content
    return response.json()


def test_an_event_starts_the_workflows_that_listen_for_it(ada, bob):
    make_workflow(ada, listener())
    make_workflow(ada, listener(types=["order.lost", "invoice.*"]))
    make_workflow(bob, {**listener(), "name": "of another workspace"})
    sent = send(ada, {**PAID, "subject": "A-1", "source": "shop", "time": "2026-01-31T12:00:00+01:00"})["events"][0]
    execution = Execution.objects.get()
    assert (execution.trigger, execution.priority) == ("event", "normal")
    got = drive(execution.pk).output["got"]
    event = Event.objects.get()
    assert got == {
        "id": event.event_id,
        "type": "order.paid",
        "source": "shop",
        "subject": "A-1",
        "time": "2026-01-31T11:00:00Z",
        "data": {"total": 3},
    }
    shown = ada.get_json(f"/events/{sent['id']}")
    assert (shown["started"], shown["woken"], shown["problems"], shown["data"]) == ([str(execution.pk)], 0, [], {"total": 3})
    bob.get_json(f"/events/{sent['id']}", 404)
    assert bob.get_json("/events")["results"] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("${event.data.total > 2}", 1),
        ("${event.data.total > 3}", 0),
        ('${event.type == "order.paid" && event.subject == ""}', 1),
        ("${event.data.total}", 0),
    ],
)
def test_a_filter_decides(ada, text, count):
    make_workflow(ada, listener(filter=text))
    send(ada, PAID)
    assert Execution.objects.count() == count
    assert Event.objects.get().problems == []


def test_a_filter_that_fails_is_told(ada):
    made = make_workflow(ada, listener(filter="${event.data.nothing.there > 3}"))
    send(ada, PAID)
    (problem,) = Event.objects.get().problems
    assert (problem["workflow"], problem["node"]) == (made["id"], "came")
    assert not Execution.objects.exists()


def test_a_workflow_that_cannot_start_holds_up_no_other(ada):
    inputs = {"type": "object", "properties": {"data": {"type": "object", "required": ["customer"]}}}
    make_workflow(ada, {**listener(), "name": "a", "inputs": inputs})
    make_workflow(ada, {**listener(), "name": "b"})
    send(ada, PAID)
    assert Execution.objects.get().workflow.name == "b"
    assert [problem["code"] for problem in Event.objects.get().problems] == ["invalid_input"]


def test_unpublished_and_archived_workflows_hear_nothing(ada):
    made = make_workflow(ada, listener())
    ada.post_json(f"/workflows/{made['id']}/archive")
    send(ada, PAID)
    ada.post_json(f"/workflows/{made['id']}/unarchive")
    ada.post_json(f"/workflows/{made['id']}/unpublish")
    send(ada, PAID)
    assert not Execution.objects.exists()
    ada.post_json(f"/workflows/{made['id']}/versions/1/publish")
    send(ada, PAID)
    assert Execution.objects.count() == 1


def test_an_event_with_an_id_counts_once(ada):
    make_workflow(ada, listener())
    first = send(ada, {**PAID, "id": "7", "source": "shop"})["events"][0]
    again = send(ada, {**PAID, "id": "7", "source": "shop"}, status=200)["events"][0]
    assert again["created"] is False
    send(ada, {**PAID, "id": "7", "source": "another"})
    deliver(UUID(first["id"]))
    assert Execution.objects.count() == 2
    # As after a process that died between delivering and saying so.
    Event.objects.update(delivered_at=None)
    assert deliver_due() == 2
    assert Execution.objects.count() == 2


MODES = [
    ("application/cloudevents+json", STRUCTURED, {}),
    (
        "application/json",
        {"total": 3},
        {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/shop", "ce-type": "order.paid", "ce-subject": "A%2D1"},
    ),
    ("application/cloudevents-batch+json", [STRUCTURED], {}),
]


@pytest.mark.parametrize(("content_type", "body", "headers"), MODES)
def test_cloudevents_are_taken_in_each_mode(ada, content_type, body, headers):
    make_workflow(ada, listener())
    send(ada, body, content_type=content_type, **headers)
    event = Event.objects.get()
    assert (event.type, event.event_id, event.source, event.subject, event.data) == ("order.paid", "e-1", "/shop", "A-1", {"total": 3})
    send(ada, STRUCTURED, content_type="application/cloudevents+json", status=200)
    assert Execution.objects.count() == 1


WRONG = [
    ("application/json", {"data": 1}, 422, "/type"),
    ("application/json", {"type": "a b"}, 422, "/type"),
    ("application/json", {"type": "a", "colour": "red"}, 422, "/colour"),
    ("application/json", {"type": "a", "time": "yesterday"}, 422, "/time"),
    ("application/json", {"type": "a", "id": "x" * 256}, 422, "/id"),
    ("application/json", [PAID, {"type": 1}], 422, "/1/type"),
    ("application/json", [], 422, ""),
    ("application/json", "text", 422, ""),
    ("application/json", [PAID] * 101, 422, ""),
    ("application/cloudevents+json", {**STRUCTURED, "specversion": "0.3"}, 422, "/specversion"),
    ("application/cloudevents+json", {name: value for name, value in STRUCTURED.items() if name != "source"}, 422, "/source"),
    ("application/cloudevents+json", {**STRUCTURED, "Colour": "red"}, 422, "/Colour"),
    ("application/cloudevents+json", {**STRUCTURED, "data_base64": "%"}, 422, "/data_base64"),
    ("application/cloudevents-batch+json", STRUCTURED, 422, ""),
    ("application/json", b"{", 400, ""),
    ("application/xml", b"<a/>", 415, None),
]


@pytest.mark.parametrize(("content_type", "body", "status", "pointer"), WRONG)
def test_what_is_no_event_is_refused_with_its_place(ada, content_type, body, status, pointer):
    answer = send(ada, body, status=status, content_type=content_type)
    assert answer["details"].get("pointer") == pointer
    assert not Event.objects.exists()


def test_who_may_not_send_events_sends_none(ada, bob):
    workspace = workspace_of(ada)
    send(bob, PAID, status=404, query=f"?workspace={workspace.pk}")
    join(bob, workspace, "viewer")
    send(client_of(bob.user), PAID, status=403, query=f"?workspace={workspace.pk}")
    join(bob, workspace, "operator")
    send(client_of(bob.user), PAID, query=f"?workspace={workspace.pk}")
    assert Event.objects.get().workspace == workspace


def test_one_event_wakes_who_waits_and_starts_who_listens(ada):
    wait = {"key": "wait", "type": "control.wait_event", "config": {"event": "order.paid", "correlation_key": "A-1"}}
    made = make_workflow(ada, {"name": "waits", "nodes": [wait], "output": {"got": "${nodes.wait}"}})
    waiting = UUID(ada.post_json("/executions", {"workflow": made["id"]}, 202)["id"])
    drive(waiting, rounds=1)
    make_workflow(ada, listener())
    send(ada, {**PAID, "subject": "A-1"})
    assert drive(waiting).output == {"got": {"total": 3}}
    assert Event.objects.get().woken == 1
    assert Execution.objects.count() == 2


def failing():
    nodes = [{"key": "stop", "type": "control.fail", "config": {"message": "no", "code": "refused"}}]
    return {"name": "fails", "nodes": nodes}


def run(client, definition):
    made = make_workflow(client, definition)
    return drive(UUID(client.post_json("/executions", {"workflow": made["id"]}, 202)["id"]))


def test_this_installation_tells_of_itself(ada):
    make_workflow(ada, listener(types=["execution.finished", "node.failed"], filter='${event.data.workflow_name == "fails"}'))
    execution = run(ada, failing())
    assert {event.type for event in Event.objects.all()} == {"execution.finished", "node.failed"}
    assert deliver_due() == 2
    by_type = {started.input["type"]: started.input for started in Execution.objects.filter(trigger="event")}
    finished, failed = by_type["execution.finished"], by_type["node.failed"]
    assert finished["subject"] == failed["subject"] == str(execution.pk)
    assert (finished["data"]["status"], finished["data"]["workflow_name"]) == ("failed", "fails")
    assert (failed["data"]["node"], failed["data"]["error"]) == ("stop", "refused")


def test_nothing_is_written_where_nobody_listens(ada, bob):
    make_workflow(bob, listener(types=["execution.finished"]))
    make_workflow(ada, listener(types=["order.paid", "executionxfinished", "execution_finished"]))
    run(ada, failing())
    assert not Event.objects.exists()


def test_a_task_that_is_given_is_an_event(ada):
    make_workflow(ada, listener(types=["task.*"]))
    nodes = [{"key": "ask", "type": "human.task", "config": {"title": "Approve?", "candidate_roles": ["owner"]}}]
    made = make_workflow(ada, {"name": "asks", "nodes": nodes})
    drive(UUID(ada.post_json("/executions", {"workflow": made["id"]}, 202)["id"]), rounds=1)
    event = Event.objects.get()
    assert (event.type, event.data["title"], event.data["node"]) == ("task.created", "Approve?", "ask")


def test_events_that_lead_to_themselves_come_to_an_end(ada):
    make_workflow(ada, listener(types=["execution.finished"]))
    run(ada, failing())
    for _ in range(30):
        deliver_due()
        open_ones = Execution.objects.exclude(status__in=["success", "failed"]).order_by("id").values_list("pk", flat=True)
        if not open_ones:
            break
        for execution_id in open_ones:
            drive(execution_id)
    assert sorted(Event.objects.values_list("depth", flat=True)) == list(range(1, 12))
    last = Event.objects.get(depth=11)
    assert (last.started, [problem["code"] for problem in last.problems]) == ([], ["too_deep"])
    assert Execution.objects.filter(trigger="event").count() == 10


def test_rows_of_a_host_program_are_a_source(ada):
    make_workflow(ada, listener(types=["group.*"]))
    end = emits(Group, name="group", workspace=lambda group: workspace_of(ada), data=lambda group: {"name": group.name})
    try:
        group = Group.objects.create(name="one")
        group.name = "two"
        group.save()
        with transaction.atomic():
            Group.objects.create(name="undone")
            transaction.set_rollback(True)
        group.delete()
    finally:
        end()
    Group.objects.create(name="three")
    events = Event.objects.order_by("created_at", "id")
    assert [(event.type, event.data["name"], event.origin) for event in events] == [
        ("group.created", "one", "host"),
        ("group.updated", "two", "host"),
        ("group.deleted", "two", "host"),
    ]
    assert Execution.objects.filter(trigger="event").count() == 3


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ({"types": []}, "/nodes/0/config/types"),
        ({"types": ["a b"]}, "/nodes/0/config/types/0"),
        ({"types": ["a"], "filter": "true"}, "/nodes/0/config/filter"),
        ({"types": ["a"], "filter": "${event.}"}, "/nodes/0/config/filter"),
        ({"types": ["a"], "filter": "${other.x}"}, "/nodes/0/config/filter"),
    ],
)
def test_a_wrong_listener_is_refused(ada, config, pointer):
    body = {"name": "wrong", "nodes": [{"key": "came", "type": "trigger.event", "config": config}]}
    assert ada.post_json("/workflows", {"definition": body}, 422)["details"]["errors"][0]["pointer"] == pointer


def test_a_batch_is_kept_by_one_statement(ada):
    with CaptureQueriesContext(connection) as queries:
        send(ada, [{**PAID, "id": str(number)} for number in range(50)])
    assert sum("insert into event" in query["sql"] for query in queries) == 1
    assert Event.objects.count() == 50
    assert not EventListener.objects.exists()
