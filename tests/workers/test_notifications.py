"""Telling of ends by mail and signed webhook: over real SMTP and HTTP on loopback, at least once, under one id."""

import base64
import hashlib
import hmac
import json
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from werkzeug import Request, Response

from apps.accounts.models import User
from apps.executions.actions import cancel_execution, start_execution
from apps.executions.models import Execution
from apps.notifications import keys
from apps.notifications.delivering import StillPendingError, announce_due, deliver, redeliver
from apps.notifications.models import Delivery, SigningKey
from apps.notifications.words import WORDS
from tests.apps.smtp_sink import running_sink
from tests.factories import make_version, make_workspace
from tests.workers.driving import drive, step
from tests.workers.test_follow_ups import follow_all
from tests.workers.test_runner import FAIL, START, document, put
from workers import aftermath
from workers.tasks import deliver as deliver_task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sink(settings):
    with running_sink() as sink:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
        settings.DEFAULT_FROM_EMAIL = "StructForge <flows@example.org>"
        yield sink


@pytest.fixture
def server(httpserver, settings):
    settings.EGRESS_ALLOWED = [f"{httpserver.host}:{httpserver.port}"]
    return httpserver


def ended(*notify, nodes=None, line="start -> bad", **settings) -> Execution:
    definition = document(nodes or {"start": START, "bad": FAIL}, line, settings={"notify": list(notify), **settings})
    return drive(start_execution(workflow=make_version(definition).workflow, business_key="ORDER-1").execution_id)


def hook(server, *on: str, path: str = "/hook") -> dict[str, object]:
    return {"on": on or ["failed"], "webhook": server.url_for(path)}


def mail(*addresses: str, on: tuple[str, ...] = ("failed",)) -> dict[str, object]:
    return {"on": on, "email": addresses}


def send_due() -> list[Delivery]:
    """Do what the sweeper and the workers do, once; the deliveries there are then."""
    aftermath.follow_up()
    Delivery.objects.filter(state="pending").update(next_try_at=timezone.now() - timedelta(seconds=1))
    for delivery_id in announce_due(100):
        deliver_task(str(delivery_id))
    return list(Delivery.objects.order_by("created_at", "id"))


def is_signed(request: Request, secret: str) -> bool:
    """As a receiver checks it, by the words of the standard."""
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.get_data()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in request.headers["webhook-signature"].split(" ")


def test_each_address_gets_a_mail_that_says_what_happened(sink, settings):
    settings.PUBLIC_URL = "https://flows.example.org"
    execution = ended(mail("ada@example.com", "bob@example.com"))

    deliveries = send_due()

    assert [each.state for each in deliveries] == ["delivered", "delivered"]
    assert sorted(taken.recipients[0] for taken in sink.taken) == ["ada@example.com", "bob@example.com"]
    message = sink.taken[0].message
    assert message["Subject"] == f"{execution.workflow.name} has failed"
    assert message["Message-ID"] in {f"<{each.id}@example.org>" for each in deliveries}
    text = message.get_content()
    assert "broken: no" in text
    assert "ORDER-1" in text
    assert f"https://flows.example.org/executions/{execution.id}" in text


def test_a_mail_is_in_the_language_of_its_reader_and_of_the_installation_for_others(sink, settings):
    make_workspace("ada")
    User.objects.filter(username="ada").update(email="Ada@example.com", language="zh")
    execution = ended(mail("ada@example.com", "bob@example.com"))
    send_due()

    messages = {taken.recipients[0]: taken.message for taken in sink.taken}
    assert messages["ada@example.com"]["Subject"] == f"{execution.workflow.name} 执行失败"
    lines = messages["ada@example.com"].get_content().splitlines()
    assert lines[0] == f"工作流：{execution.workflow.name}，版本 1"
    assert {"业务编号：ORDER-1", "状态：失败", "错误：broken: no"} <= set(lines)
    assert messages["bob@example.com"]["Subject"] == f"{execution.workflow.name} has failed"
    assert messages["bob@example.com"].get_content().startswith(f"Workflow:     {execution.workflow.name}, version 1")


def test_every_mail_has_its_words_in_every_language():
    assert set(WORDS) == set(User.Language)
    assert all(words.subjects.keys() == WORDS[User.Language.ENGLISH].subjects.keys() for words in WORDS.values())


def test_a_webhook_is_signed_with_the_key_of_the_workspace(server):
    server.expect_request("/hook", method="POST").respond_with_data("", 204)
    execution = ended(hook(server))

    [delivery] = send_due()

    assert delivery.state == "delivered"
    [(request, _)] = server.log
    assert request.headers["webhook-id"] == str(delivery.id)
    assert request.headers["x-structforge-depth"] == "1"
    assert is_signed(request, keys.secrets_of(execution.workspace_id)[0])
    assert not is_signed(request, keys.secrets_of(make_workspace("bob").pk)[0])
    told = json.loads(request.get_data())
    assert told["type"] == "execution.failed"
    assert told["data"]["execution"]["id"] == str(execution.id)
    assert told["data"]["error"]["code"] == "broken"
    assert told["data"]["node"] == "bad"


def test_both_keys_sign_for_a_day_after_a_change_and_none_is_kept_readable(server):
    server.expect_request("/hook").respond_with_data("")
    workspace = make_workspace()
    _, first = keys.change_key(workspace=workspace)
    key, second = keys.change_key(workspace=workspace)
    assert first not in key.former
    assert second not in key.secret
    ended(hook(server))
    send_due()
    request = server.log[-1][0]
    assert is_signed(request, first)
    assert is_signed(request, second)

    SigningKey.objects.update(former_until=timezone.now())
    assert keys.secrets_of(workspace.pk) == [second]


def test_what_is_not_taken_is_sent_again_under_the_same_id_and_then_given_up(server, settings):
    settings.NOTIFICATION_DELAYS = [5, 300]
    server.expect_request("/hook").respond_with_data("busy", 503)
    ended(hook(server))

    [first], before = send_due(), timezone.now()
    assert (first.state, first.attempts, first.error["code"]) == ("pending", 1, "http_status")
    assert timedelta(seconds=3) < first.next_try_at - before < timedelta(seconds=6)
    assert announce_due(100) == [], "its time has not come"

    [second] = send_due()
    assert second.next_try_at - first.next_try_at > timedelta(seconds=200)
    [third] = send_due()
    assert (third.state, third.attempts) == ("dead", 3)
    assert len({request.headers["webhook-id"] for request, _ in server.log}) == 1
    assert send_due() == [third]
    assert len(server.log) == 3


def test_what_was_given_up_is_sent_again_when_somebody_asks(server, settings):
    settings.NOTIFICATION_DELAYS = []
    server.expect_ordered_request("/hook").respond_with_data("", 500)
    server.expect_ordered_request("/hook").respond_with_data("")
    ended(hook(server))
    [dead] = send_due()
    assert dead.state == "dead"

    redeliver(delivery_id=dead.id)
    with pytest.raises(StillPendingError):
        redeliver(delivery_id=dead.id)
    [delivery] = send_due()

    assert (delivery.id, delivery.state, delivery.attempts, delivery.error) == (dead.id, "delivered", 1, None)


def test_who_is_gone_for_good_is_not_asked_again(server):
    server.expect_request("/hook").respond_with_data("", 410)
    ended(hook(server))
    assert [each.state for each in send_due()] == ["dead"]


def test_a_redirect_is_not_followed(server):
    server.expect_request("/hook").respond_with_response(Response(status=302, headers={"location": server.url_for("/else")}))
    ended(hook(server))
    [delivery] = send_due()
    assert "302" in delivery.error["message"]
    assert len(server.log) == 1


def test_addresses_within_are_not_called(settings, httpserver):
    settings.EGRESS_ALLOWED = []
    ended(hook(httpserver))
    [delivery] = send_due()
    assert delivery.error["code"] == "blocked_address"
    assert httpserver.log == []


def test_a_mail_server_that_is_away_is_asked_again(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    ended(mail("ada@example.com"))
    [delivery] = send_due()
    assert (delivery.state, delivery.error["code"]) == ("pending", "mail_not_taken")


def test_workers_side_by_side_send_one_delivery_once(server):
    server.expect_request("/hook").respond_with_data("")
    ended(hook(server))
    aftermath.follow_up()
    delivery_id = Delivery.objects.get().id
    barrier = threading.Barrier(5)

    def send() -> None:
        barrier.wait()
        try:
            deliver(delivery_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(server.log) == 1


def test_what_a_dead_worker_held_is_sent_by_another_once_its_lease_has_lapsed(server):
    server.expect_request("/hook").respond_with_data("")
    ended(hook(server))
    aftermath.follow_up()
    held = Delivery.objects.get()
    in_a_minute = timezone.now() + timedelta(seconds=60)
    Delivery.objects.update(token=uuid4(), leased_until=in_a_minute, attempts=1)
    assert not deliver(held.id)

    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert deliver(held.id)
    assert Delivery.objects.get().state == "delivered"


@pytest.mark.parametrize(
    ("on", "node", "expected"),
    [("success", put(x=1), ["success"]), ("success", FAIL, []), ("failed", put(x=1), []), ("cancelled", FAIL, [])],
)
def test_only_the_ends_that_were_asked_for_are_told(on, node, expected):
    ended(mail("ada@example.com", on=(on,)), nodes={"start": START, "bad": node})
    aftermath.follow_up()
    assert [each.event for each in Delivery.objects.all()] == expected


def test_a_cancelled_execution_is_told():
    nodes = {"start": START, "wait": {"type": "control.delay", "config": {"seconds": 60}}}
    definition = document(nodes, "start -> wait", settings={"notify": [mail("ada@example.com", on=("cancelled",))]})
    started = start_execution(workflow=make_version(definition).workflow).execution_id
    step(started)
    cancel_execution(execution_id=started)
    aftermath.follow_up()
    assert Delivery.objects.get().event == "cancelled"


def test_a_failure_that_is_tried_again_is_told_as_that_and_the_last_one_as_failed():
    ended(mail("a@example.com", on=("retrying", "failed")), retry={"max_attempts": 2, "delay_seconds": 0})
    follow_all()
    assert [each.event for each in Delivery.objects.order_by("created_at")] == ["retrying", "failed"]
    attempts = [each.payload["data"]["execution"]["attempt"] for each in Delivery.objects.order_by("created_at")]
    assert attempts == [1, 2]


def test_it_is_told_when_not_everything_could_be_undone():
    nodes = {"start": START, "one": {**put(x=1), "compensate": "undo"}, "bad": FAIL, "undo": FAIL}
    execution = ended(mail("a@example.com", on=("compensation_failed",)), nodes=nodes, line="start -> one -> bad")
    follow_all()
    [delivery] = Delivery.objects.all()
    assert delivery.event == "compensation_failed"
    assert delivery.payload["data"]["execution"]["follows"] == str(execution.id)
