"""How many executions led to one: said by a header, kept with what it starts, and bounded, over HTTP, events and calls alike."""

from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.depth import HEADER, MAX_DEPTH, depth_in
from apps.executions.bulk_reruns import advance_bulk_reruns
from apps.executions.models import Execution, NodeRun
from apps.triggers.events.delivering import deliver_due
from apps.triggers.models import Event, Webhook, WebhookCall
from tests.api.clients import make_workflow
from tests.api.test_events import PAID, listener, send
from tests.api.test_routes import PROCESS, STEP
from tests.api.test_webhooks import Address, definition
from tests.api.workspaces import workspace_of
from tests.realtime.web import web
from tests.workers.driving import drive, step
from workers import aftermath

pytestmark = pytest.mark.django_db(transaction=True)

AMOUNT = {"input": {"amount": 1}}
FAILING = {"key": "stop", "type": "control.fail", "config": {"message": "refused", "code": "refused"}}


@pytest.mark.parametrize(
    ("header", "depth"),
    [("0", 0), ("7", 7), (" 10 ", 10), ("99", 99), ("3, 4", 4), ("x, 4", 4)]
    + [(text, 0) for text in ("", "100", "007", "-1", "+1", "1.0", "1e1", "٣", "²", "ten", "0x5", "None", "9" * 5000)],
)
def test_only_a_plain_number_counts(header, depth):
    assert depth_in({HEADER: header}) == depth


def test_no_header_is_no_depth():
    assert depth_in({}) == 0


def started(client, workflow, depth, status=202):
    body = {"workflow": workflow["id"], "input": {"amount": 1}}
    return client.post_json("/executions", body, status, **{HEADER: str(depth)})


def test_a_start_over_http_keeps_what_led_to_it(ada):
    workflow = make_workflow(ada)
    for said, kept in ((0, 0), (4, 4), (MAX_DEPTH, MAX_DEPTH), ("much", 0)):
        assert ada.get_json(f"/executions/{started(ada, workflow, said)['id']}")["depth"] == kept
    for said in (MAX_DEPTH + 1, 99):
        refused = started(ada, workflow, said, status=422)
        assert (refused["code"], refused["details"]) == ("too_deep", {"depth": said, "max_depth": MAX_DEPTH})

    ada.post_json("/executions/bulk", {"workflow": workflow["id"], "starts": [AMOUNT, AMOUNT]}, 202, **{HEADER: "5"})
    assert Execution.objects.filter(depth=5).count() == 2
    ada.post_json("/executions/bulk", {"workflow": workflow["id"], "starts": [AMOUNT]}, 422, **{HEADER: "11"})
    assert Execution.objects.count() == 6


def test_a_start_that_nothing_led_to_costs_no_statement_more(ada):
    workflow = make_workflow(ada)
    for depth in (0, 1):
        started(ada, workflow, depth)
    counts = []
    for depth in (0, 1):
        with CaptureQueriesContext(connection) as queries:
            started(ada, workflow, depth)
        counts.append([query["sql"] for query in queries if "depth" in query["sql"]])
    assert counts[0] == []
    assert [sql for sql in counts[1] if sql.startswith("update execution set depth")]


def hook_of(workflow) -> Address:
    return Address(Webhook.objects.get(workflow=workflow["id"]).token)


def test_a_webhook_keeps_what_led_to_the_call_and_refuses_what_is_too_deep(ada):
    workflow = make_workflow(ada, definition())
    address = hook_of(workflow)
    ids = [address.send({}, **{HEADER: said}).json()["id"] for said in ("3", "10", "-3")]
    assert [Execution.objects.get(pk=each).depth for each in ids] == [3, 10, 0]

    assert address.send({}, status=422, **{HEADER: "11"}).json()["code"] == "too_deep"
    refused = WebhookCall.objects.get(state="refused")
    assert (refused.error["code"], refused.execution_id) == ("too_deep", None)

    # Somebody decides anew: a person at 0, an execution at its own depth.
    again = ada.post_json(f"/webhook-calls/{refused.pk}/replay", None, 202)["execution"]
    assert Execution.objects.get(pk=again).depth == 0
    again = ada.post_json(f"/webhook-calls/{refused.pk}/replay", None, 202, **{HEADER: "2"})["execution"]
    assert Execution.objects.get(pk=again).depth == 2
    ada.post_json(f"/webhook-calls/{refused.pk}/replay", None, 422, **{HEADER: "11"})


def test_a_call_of_a_test_address_that_is_too_deep_leaves_the_listener_listening(ada):
    workflow = make_workflow(ada, definition())
    ada.post_json("/webhooks/listen", {"workflow": workflow["id"]})
    address = Address(Webhook.objects.get().token, test=True)
    address.send({}, status=422, **{HEADER: "11"})
    assert WebhookCall.objects.get().error["code"] == "too_deep"
    execution = address.send({}, **{HEADER: "9"}).json()["id"]
    assert Execution.objects.get(pk=execution).depth == 9


def test_an_event_and_what_it_starts_keep_what_led_to_it(ada):
    make_workflow(ada, listener())
    for said in ("6", "none"):
        send(ada, PAID, **{HEADER: said})
    assert sorted(Event.objects.values_list("depth", flat=True)) == [0, 6]
    assert sorted(Execution.objects.values_list("depth", flat=True)) == [0, 6]
    assert send(ada, PAID, status=422, **{HEADER: "11"})["code"] == "too_deep"
    assert Event.objects.count() == 2


def test_a_share_link_keeps_it_too(ada):
    workflow = make_workflow(ada)
    link = ada.post_json(f"/workflows/{workflow['id']}/links", {"level": "executor"}, 201)
    ada.post_json(f"/shared/{link['token']}/executions", {"input": {"amount": 1}}, 202, **{HEADER: "4"})
    assert Execution.objects.get().depth == 4


def test_the_other_vocabularies_keep_it_too(ada):
    process = ada.post_json("/process-definitions", PROCESS, 201)["id"]
    step = ada.post_json("/steps", STEP, 201)["id"]
    template = ada.post_json("/templates", {"name": "steps", "steps": [{"step_id": step}]}, 201)["id"]
    for path, body in (("/process-instances", {"process_definition_id": process}), (f"/templates/{template}/executions", {})):
        ada.post_json(path, body, 201, **{HEADER: "4"})
        assert Execution.objects.latest("created_at").depth == 4, path
        assert ada.post_json(path, body, 422, **{HEADER: "11"})["code"] == "too_deep"


def test_what_follows_a_failure_is_as_deep_and_so_is_a_rerun_unless_the_request_is_deeper(ada):
    handler = make_workflow(ada, {"name": "handles", "nodes": [{"key": "start", "type": "trigger.manual"}]})
    undone = {"key": "book", "type": "data.set", "config": {"values": {"a": 1}}, "compensate": "undo"}
    undo = {"key": "undo", "type": "data.set", "config": {"values": {"b": 1}}}
    settings = {"error_workflow": handler["id"], "retry": {"max_attempts": 2, "delay_seconds": 0}}
    edges = [{"source": "book", "target": "stop"}]
    workflow = make_workflow(ada, {"name": "fails", "nodes": [undone, FAILING, undo], "edges": edges, "settings": settings})
    drive(UUID(started(ada, workflow, 7)["id"]))
    while aftermath.follow_up():
        for each in Execution.objects.exclude(status__in=["success", "failed"]).order_by("id"):
            drive(each.pk)
    assert {*Execution.objects.values_list("trigger", "depth")} == {("api", 7), ("retry", 7), ("compensation", 7), ("error", 7)}

    origin = Execution.objects.get(trigger="api")
    for said, depth in (("0", 7), ("9", 9)):
        again = ada.post_json(f"/executions/{origin.pk}/rerun", {}, 202, **{HEADER: said})["id"]
        assert Execution.objects.get(pk=again).depth == depth
    ada.post_json(f"/executions/{origin.pk}/rerun", {}, 422, **{HEADER: "11"})

    bulk = {"workspace": str(workspace_of(ada).pk), "filters": {"trigger": "retry"}}
    ada.post_json("/executions/rerun-bulk", bulk, 422, **{HEADER: "11"})
    ada.post_json("/executions/rerun-bulk", bulk, 202, **{HEADER: "8"})
    assert advance_bulk_reruns() == 1
    assert Execution.objects.get(rerun_of__trigger="retry").depth == 8


def run_all() -> None:
    """Until nothing moves any more: nodes, events, and what those start."""
    for _ in range(100):
        moved = deliver_due()
        for execution in Execution.objects.exclude(status__in=["success", "failed"]).order_by("id"):
            moved += step(execution.pk)
        if not moved:
            return
    raise AssertionError("it goes on for ever")


def calling(url: str, **config):
    return {"key": "call", "type": "http.request", "config": {"url": url, "method": "POST", **config}}


def test_a_webhook_and_an_event_that_start_each_other_come_to_an_end(ada, settings):
    called = make_workflow(ada, {**definition(), "name": "called"})
    with web() as base:
        server = base.removesuffix("/api/v1")
        settings.EGRESS_ALLOWED = [server.removeprefix("http://")]
        # Whatever the node says of itself does not count.
        node = calling(f"{server}{hook_of(called).path}", headers={"X-StructForge-Depth": 0})
        heard = {"types": ["execution.finished"], "filter": '${event.data.workflow_name == "called"}'}
        trigger = {"key": "came", "type": "trigger.event", "config": heard}
        edges = [{"source": "came", "target": "call"}]
        make_workflow(ada, {"name": "calls", "nodes": [trigger, node], "edges": edges})
        hook_of(called).send({})
        run_all()
    assert sorted(Execution.objects.values_list("depth", flat=True)) == list(range(MAX_DEPTH + 1))
    assert set(Execution.objects.values_list("status", flat=True)) == {"success"}
    assert sorted(Event.objects.values_list("depth", flat=True)) == list(range(1, MAX_DEPTH + 2))
    assert [problem["code"] for problem in Event.objects.get(depth=11).problems] == ["too_deep"]


def test_children_count_what_led_to_their_parent_over_http(ada):
    called = make_workflow(ada, {"name": "child", "nodes": [{"key": "start", "type": "trigger.manual"}]})
    nodes = [{"key": "hook", "type": "trigger.webhook"}, {"key": "down", "type": "workflow.call", "config": {"workflow": called["id"]}}]
    body = {"name": "calls a child", "nodes": nodes, "edges": [{"source": "hook", "target": "down"}]}
    address = hook_of(make_workflow(ada, body))
    for said in ("9", "10"):
        address.send({}, **{HEADER: said})
    run_all()
    assert Execution.objects.get(workflow=called["id"]).depth == 10
    assert NodeRun.objects.get(execution__depth=10, key="down").error["code"] == "too_deep"
