"""Calling back at the end of an execution: over real HTTP on loopback, at least once, under one id, also when the receiver was away."""

import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db.models import F
from pytest_httpserver import HTTPServer

from apps.executions.actions import cancel_execution
from apps.executions.connection import fetch
from apps.executions.models import Callback, Execution
from apps.fleet.embedded.ports import free_port
from apps.notifications import keys
from apps.notifications.delivering import announce_due, deliver
from apps.notifications.models import Delivery
from tests.api.clients import ORDER, make_workflow
from tests.api.conftest import ada, bob  # noqa: F401  # fixtures
from tests.workers.driving import drive
from tests.workers.test_follow_ups import follow_all
from tests.workers.test_notifications import is_signed, send_due, server  # noqa: F401  # a fixture
from tests.workers.test_runner import FAIL, START, document
from workers import aftermath
from workers.tasks import deliver as deliver_task

pytestmark = pytest.mark.django_db(transaction=True)


def started(client, url: str, definition=None, **more) -> UUID:
    workflow = make_workflow(client, definition or ORDER)
    body = {"workflow": workflow["id"], "input": {} if definition else {"amount": 1500}, "callback_url": url, **more}
    return UUID(client.post_json("/executions", body, 202)["id"])


def deliveries() -> list[Delivery]:
    return list(Delivery.objects.order_by("created_at", "id"))


def test_the_end_is_told_with_the_output_and_signed(ada, server):  # noqa: F811
    server.expect_request("/done", method="POST").respond_with_data("")
    execution = drive(started(ada, server.url_for("/done"), business_key="ORDER-1"))

    [delivery] = send_due()

    assert (delivery.state, delivery.event, delivery.execution_id) == ("delivered", "callback_success", execution.pk)
    [(request, _)] = server.log
    assert request.headers["webhook-id"] == str(delivery.id)
    assert is_signed(request, keys.secrets_of(execution.workspace_id)[0])
    told = json.loads(request.get_data())
    assert told["type"] == "execution.success"
    assert (told["data"]["output"], told["data"]["output_url"]) == ({"is_large": True}, None)
    assert (told["data"]["execution"]["id"], told["data"]["execution"]["business_key"]) == (str(execution.pk), "ORDER-1")


def test_a_receiver_that_is_away_for_five_minutes_is_told_once_it_is_back(ada, settings):  # noqa: F811
    """Tries at 0 s and 5 s find nobody; then it is back, and the try at 305 s is taken."""
    port = free_port()
    settings.EGRESS_ALLOWED = [f"127.0.0.1:{port}"]
    drive(started(ada, f"http://127.0.0.1:{port}/done"))
    aftermath.follow_up()
    [noted] = deliveries()

    assert fails_and_waits(noted, 5)
    move_clock(5)
    assert announce_due(100) == [noted.id]
    assert fails_and_waits(noted, 300)
    assert announce_due(100) == []
    move_clock(300)
    with HTTPServer("127.0.0.1", port) as receiver:
        receiver.expect_request("/done", method="POST").respond_with_data("")
        assert announce_due(100) == [noted.id]
        deliver_task(str(noted.id))
        [(request, _)] = receiver.log

    [delivered] = deliveries()
    assert (delivered.state, delivered.attempts, delivered.error) == ("delivered", 3, None)
    assert request.headers["webhook-id"] == str(noted.id)
    assert not deliver(noted.id), "nothing is left to be sent"


def fails_and_waits(delivery: Delivery, seconds: float) -> bool:
    """Try, in vain. Whether the next try is so long after this one, on the clock of the database."""
    before = database_now()
    deliver_task(str(delivery.id))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error["code"]) == ("pending", "connection_failed")
    return before <= delivery.next_try_at - timedelta(seconds=seconds) <= database_now()


def database_now() -> datetime:
    return fetch("select clock_timestamp() as now", {})[0]["now"]


def move_clock(seconds: float) -> None:
    Delivery.objects.filter(state="pending").update(next_try_at=F("next_try_at") - timedelta(seconds=seconds))


def test_a_failed_and_a_cancelled_execution_are_told_too(ada, server):  # noqa: F811
    server.expect_request("/done").respond_with_data("")
    failing = document({"start": START, "bad": FAIL}, "start -> bad")
    drive(started(ada, server.url_for("/done"), failing))
    cancel_execution(execution_id=started(ada, server.url_for("/done")))
    send_due()
    told = [json.loads(request.get_data()) for request, _ in server.log]
    assert sorted(each["type"] for each in told) == ["execution.cancelled", "execution.failed"]
    assert [each["data"]["error"]["code"] for each in told if each["type"] == "execution.failed"] == ["broken"]


def test_an_execution_that_is_tried_again_calls_back_for_both(ada):  # noqa: F811
    failing = document({"start": START, "bad": FAIL}, "start -> bad", settings={"retry": {"max_attempts": 2, "delay_seconds": 0}})
    first = started(ada, "https://example.com/done", failing)
    drive(first)
    follow_all()
    assert [each.event for each in deliveries()] == ["callback_retrying", "callback_failed"]
    assert [each.payload["data"]["execution"]["follows"] for each in deliveries()] == [None, str(first)]


def test_each_of_a_bulk_start_and_a_rerun_calls_back(ada):  # noqa: F811
    workflow = make_workflow(ada)
    starts = [{"input": {"amount": 1}, "idempotency_key": key} for key in ("a", "b", "a")]
    body = {"workflow": workflow["id"], "starts": starts, "callback_url": "https://example.com/done"}
    ada.post_json("/executions/bulk", body, 202)
    ada.post_json("/executions/bulk", body, 202)
    assert Callback.objects.count() == 2
    ended = drive(Execution.objects.order_by("id").values_list("pk", flat=True)[0])
    again = ada.post_json(f"/executions/{ended.pk}/rerun", {"callback_url": "https://example.com/again"}, 202)
    assert Callback.objects.get(execution=again["id"]).url == "https://example.com/again"
    assert ada.get_json(again["links"]["self"].removeprefix("/api/v1"))["rerun_of"] == str(ended.pk)


def test_it_is_seen_at_the_execution_and_sent_again_by_its_starter(ada, bob, server, settings):  # noqa: F811
    settings.NOTIFICATION_DELAYS = []
    server.expect_ordered_request("/done").respond_with_data("", 500)
    server.expect_ordered_request("/done").respond_with_data("")
    execution_id = started(ada, server.url_for("/done"))
    path = f"/executions/{execution_id}"
    callback = ada.get_json(path)["callback"]
    assert callback == {"url": server.url_for("/done"), "deliveries": f"/api/v1/notifications?execution={execution_id}"}
    drive(execution_id)
    send_due()

    [shown] = ada.get_json(callback["deliveries"].removeprefix("/api/v1"))["results"]
    assert (shown["event"], shown["state"], shown["error"]["code"]) == ("callback_success", "dead", "http_status")
    bob.post_json(f"/notifications/{shown['id']}/redeliver", status=404)
    assert ada.post_json(f"/notifications/{shown['id']}/redeliver")["state"] == "pending"
    send_due()
    assert [each.state for each in deliveries()] == ["delivered"]
    assert len({request.headers["webhook-id"] for request, _ in server.log}) == 1


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/x", "example.com", "http://", "http://127.0.0.1/x", "http://[::1]:8000/", "http://169.254.169.254/", "x" * 2001],
)
def test_a_url_that_cannot_be_called_starts_nothing(ada, url):  # noqa: F811
    body = {"workflow": make_workflow(ada)["id"], "input": {"amount": 1}, "callback_url": url}
    refused = ada.post_json("/executions", body, 422)
    assert "/callback_url" in json.dumps(refused["details"])
    assert not Execution.objects.exists()


def test_a_name_that_leads_within_is_not_called(ada, httpserver, settings):  # noqa: F811
    settings.EGRESS_ALLOWED = []
    drive(started(ada, f"http://localhost:{httpserver.port}/done"))
    [delivery] = send_due()
    assert delivery.error["code"] == "blocked_address"
    assert httpserver.log == []


def test_nothing_is_kept_of_a_start_that_asks_for_no_callback(ada):  # noqa: F811
    workflow = make_workflow(ada)
    drive(UUID(ada.post_json("/executions", {"workflow": workflow["id"], "input": {"amount": 1}}, 202)["id"]))
    aftermath.follow_up()
    assert not Callback.objects.exists()
    assert deliveries() == []


def test_a_start_with_a_callback_takes_one_more_statement_in_one_transaction(ada, django_assert_num_queries):  # noqa: F811
    body = {"workflow": make_workflow(ada)["id"], "input": {"amount": 1}}
    ada.post_json("/executions", body, 202)
    with django_assert_num_queries(6):  # the token, the workflow; the beginning, the start, the callback, the end
        ada.post_json("/executions", {**body, "callback_url": "https://example.com/done"}, 202)
