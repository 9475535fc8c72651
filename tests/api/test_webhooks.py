"""Webhooks as other programs call them, and their inbox over HTTP."""

import base64
import hashlib
import hmac
import json
import threading
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.executions.connection import fetch
from apps.executions.models import Execution
from apps.quotas.actions import measure
from apps.triggers.models import Webhook, WebhookCall
from apps.triggers.webhooks import rates
from apps.triggers.webhooks.actions import PRUNE
from apps.workflows.models import Workflow
from tests.api.clients import client_of, make_workflow
from tests.api.workspaces import join, workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "a secret of the sender"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GITHUB_DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def definition(config=None, *, credential=None, nodes=(), edges=(), **more):
    hook = {"key": "hook", "type": "trigger.webhook", "config": config or {}}
    if credential:
        hook["credentials"] = {"default": credential}
    return {"name": "called", "nodes": [hook, *nodes], "edges": list(edges), "output": {"said": "${nodes.hook.body}"}, **more}


def credential_of(client, **fields):
    fields = {"secret": SECRET, **fields}
    body = {"name": f"of {fields.get('style', 'standard')}", "type": "webhook_secret", "fields": fields, "allowed_hosts": []}
    return client.post_json("/credentials", body, 201)["id"]


class Address:
    """The public address of a webhook, and a client without any login."""

    def __init__(self, token: str, *, test: bool = False) -> None:
        self.path, self.client = f"/hooks/{'test/' if test else ''}{token}", Client(raise_request_exception=False)

    def send(self, body=b"", *, method="post", tail="", content_type="application/json", status=202, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = self.client.generic(method.upper(), f"{self.path}{tail}", data, content_type=content_type, headers=headers)
        assert response.status_code == status, (response.status_code, response.content)
        return response


@pytest.fixture
def opened(ada):
    def opened(config=None, **more) -> Address:
        made = make_workflow(ada, definition(config, **more))
        return Address(Webhook.objects.get(workflow=made["id"], node_key="hook", is_open=True).token)

    return opened


def the_call() -> WebhookCall:
    return WebhookCall.objects.get()


def test_publishing_opens_an_address_and_unpublishing_closes_it(ada):
    made = make_workflow(ada, definition(), publish=False)
    assert not Webhook.objects.exists()
    ada.post_json(f"/workflows/{made['id']}/versions/1/publish")
    webhook = Webhook.objects.get()
    address = Address(webhook.token)
    address.send({"a": 1})

    changed = ada.post_json(f"/workflows/{made['id']}/versions", {"definition": definition({"methods": ["PUT"]}), "publish": True}, 201)
    assert changed["number"] == 2
    assert address.send({"a": 1}, status=405).headers["Allow"] == "PUT"
    address.send({"a": 1}, method="put")

    ada.post_json(f"/workflows/{made['id']}/unpublish")
    assert address.send({}, method="put", status=404).json() == Address("0" * 64).send(status=404).json()
    ada.post_json(f"/workflows/{made['id']}/versions/2/publish")
    assert Webhook.objects.get().token == webhook.token
    address.send({}, method="put")


def test_a_disabled_node_and_an_archived_workflow_answer_nothing(ada, opened):
    address = opened()
    workflow = Workflow.objects.get()
    ada.post_json(f"/workflows/{workflow.pk}/archive")
    address.send({}, status=404)
    ada.post_json(f"/workflows/{workflow.pk}/unarchive")
    address.send({})
    off = definition()
    off["nodes"][0]["disabled"] = True
    off["output"] = {}
    ada.post_json(f"/workflows/{workflow.pk}/versions", {"definition": off, "publish": True}, 201)
    address.send({}, status=404)


def test_the_output_is_the_request(opened):
    address = opened()
    answer = address.send(
        {"total": 3}, tail="/orders/7?a=1&a=2&b=x", **{"X-Mark": "m", "Authorization": "Bearer of-somebody", "Cookie": "sessionid=x"}
    ).json()
    execution = drive(UUID(answer["id"]))

    call = the_call()
    assert execution.output == {"said": {"total": 3}}
    assert (execution.status, execution.trigger, execution.priority) == ("success", "webhook", "normal")
    assert (call.execution_id, call.state, call.method, call.size_bytes) == (execution.pk, "started", "POST", 12)
    found = execution.node_runs.get(key="hook").output
    assert found == {
        "id": str(call.pk),
        "method": "POST",
        "path": "/orders/7",
        "query": call.query,
        "headers": call.headers,
        "body": {"total": 3},
    }
    assert call.query == {"a": ["1", "2"], "b": "x"}
    assert call.headers["x-mark"] == "m"
    assert not {"authorization", "cookie"} & set(call.headers)


BODIES = [
    ("application/json", b'{"a": [1, null]}', {"a": [1, None]}),
    ("application/cloudevents+json; charset=utf-8", b'{"a": 1}', {"a": 1}),
    ("application/x-www-form-urlencoded", b"a=1&b=x+y&b=z", {"a": "1", "b": ["x y", "z"]}),
    ("text/plain", "größer".encode(), "größer"),
    ("text/plain; charset=iso-8859-1", "größer".encode("latin-1"), "größer"),
    ("text/plain", b"\xff\xfe\x00", {"base64": "//4A", "content_type": "text/plain"}),
    ("application/octet-stream", b"\x00\x01", {"base64": "AAE=", "content_type": "application/octet-stream"}),
    ("multipart/form-data; boundary=x", b'{"a": 1}', {"base64": "eyJhIjogMX0=", "content_type": "multipart/form-data; boundary=x"}),
    ("application/json", b"", None),
]


@pytest.mark.parametrize(("content_type", "raw", "value"), BODIES)
def test_a_body_is_read_by_its_content_type_alone(opened, content_type, raw, value):
    opened().send(raw, content_type=content_type)
    assert the_call().body == value


@pytest.mark.parametrize("raw", [b"{", b'{"a": NaN}', b'{"a": "\\u0000"}', b"\xff", b'{"a":1,"a":2}', b"[" * 70 + b"]" * 70])
def test_what_says_that_it_is_json_and_is_none_is_refused_and_kept(opened, raw):
    assert opened().send(raw, status=400).json()["code"] == "not_json"
    assert (the_call().state, the_call().execution_id, the_call().error["code"]) == ("refused", None, "not_json")
    assert not Execution.objects.exists()


def test_inputs_of_the_definition_describe_the_request(opened):
    body = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
    address = opened(inputs={"type": "object", "properties": {"body": body}})
    address.send({"amount": 3})
    answer = address.send({"amount": "three"}, status=422).json()
    assert answer["code"] == "invalid_input"
    assert answer["details"]["errors"][0]["pointer"] == "/body/amount"
    assert WebhookCall.objects.get(state="refused").body == {"amount": "three"}


def test_a_body_over_the_limit_is_refused(opened):
    address = opened({"max_bytes": 10})
    address.send(b'"12345678"')
    assert address.send(b'"123456789"', status=413).json()["code"] == "body_too_large"
    assert WebhookCall.objects.count() == 1


@pytest.mark.parametrize("token", ["0" * 64, "x", "test", "%00", "0" * 5000, "..%2fadmin"])
def test_an_unknown_token_gets_no_hint(opened, token):
    opened()
    answers = [Client(raise_request_exception=False).generic(method, f"/hooks/{token}") for method in ("GET", "POST", "OPTIONS")]
    assert {answer.status_code for answer in answers} == {404}
    assert not WebhookCall.objects.exists()


def test_methods_that_were_not_named_are_refused(opened):
    address = opened()
    for method in ("get", "post", "put", "patch", "delete"):
        address.send(method=method)
    for method in ("head", "options", "trace", "propfind"):
        address.send(method=method, status=405)


def test_only_allowed_addresses_may_call(opened):
    address = opened({"allowed_ips": ["198.51.100.0/24", "2001:db8::/32"]})
    assert address.send(status=403).json()["code"] == "ip_not_allowed"
    address.client = Client(REMOTE_ADDR="198.51.100.7")
    address.send()
    address.client = Client(REMOTE_ADDR="2001:db8::1")
    address.send()
    address.client = Client(REMOTE_ADDR="::ffff:198.51.100.7")
    address.send()
    # A header that anybody can write is no address, unless the operator says that a proxy writes it.
    address.client = Client(REMOTE_ADDR="203.0.113.1")
    address.send(status=403, **{"X-Forwarded-For": "198.51.100.7"})


def test_more_calls_than_allowed_in_a_minute_get_429(opened, monkeypatch):
    rates.forget()
    address = opened({"max_per_minute": 3})
    answers = [address.client.post(address.path, "{}", content_type="application/json") for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    # The minute may end among them, and another begin.
    assert 2 <= len(refused) <= 5
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 60
    assert refused[0].json()["code"] == "too_many_calls"
    assert WebhookCall.objects.count() == 8 - len(refused)


def now() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select extract(epoch from clock_timestamp())::bigint")
        return int(cursor.fetchone()[0])


def standard(body: bytes, *, secret=WHSEC, at=None, message="msg_1"):
    at = now() if at is None else at
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = base64.b64encode(hmac.digest(key, f"{message}.{at}.".encode() + body, "sha256")).decode()
    return {"webhook-id": message, "webhook-timestamp": str(at), "webhook-signature": f"v1,{made}"}


def github(body: bytes, *, secret=SECRET, delivery=GITHUB_DELIVERY):
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={made}", "X-GitHub-Delivery": delivery}


def stripe(body: bytes, *, secret=SECRET, at=None):
    at = now() if at is None else at
    return {"Stripe-Signature": f"t={at},v1={hmac.new(secret.encode(), f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"}


def basic(name: str, password: str):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


BODY = b'{"id": "evt_1"}'
STYLES = {
    "basic": ({"username": "shop"}, lambda: basic("shop", SECRET)),
    "bearer": ({}, lambda: {"Authorization": f"Bearer {SECRET}"}),
    "header": ({"header": "X-Shop-Key"}, lambda: {"x-shop-key": SECRET}),
    "standard": ({"secret": WHSEC}, lambda: standard(BODY)),
    "github": ({}, lambda: github(BODY)),
    "stripe": ({}, lambda: stripe(BODY)),
}
WRONG = {
    "basic": [lambda: basic("shop", "wrong"), lambda: basic("shop2", SECRET), lambda: {"Authorization": "Basic %%%"}],
    "bearer": [lambda: {"Authorization": "Bearer wrong"}, lambda: {"Authorization": SECRET}, lambda: basic("", SECRET)],
    "header": [lambda: {"x-shop-key": "wrong"}, lambda: {"x-shop-key": ""}],
    "standard": [
        lambda: standard(b"another body"),
        lambda: standard(BODY, secret="whsec_d3Jvbmcgc2VjcmV0"),
        lambda: standard(BODY, at=now() - 400),
        lambda: standard(BODY, at=now() + 400),
        lambda: standard(BODY) | {"webhook-id": "msg_2"},
        lambda: standard(BODY) | {"webhook-timestamp": "soon"},
        lambda: {"webhook-id": "msg_1", "webhook-timestamp": str(now())},
    ],
    "github": [lambda: github(b"another"), lambda: github(BODY, secret="wrong one"), lambda: {"X-Hub-Signature-256": "sha256="}],
    "stripe": [
        lambda: stripe(b"another"),
        lambda: stripe(BODY, secret="wrong one"),
        lambda: stripe(BODY, at=now() - 400),
        lambda: stripe(BODY, at=now() + 400),
        lambda: {"Stripe-Signature": stripe(BODY)["Stripe-Signature"].replace("v1=", "v0=")},
        lambda: {"Stripe-Signature": "nonsense"},
    ],
}


@pytest.mark.parametrize("style", STYLES)
def test_only_who_proves_to_know_the_secret_is_let_in(ada, opened, style):
    fields, proof = STYLES[style]
    address = opened(credential=credential_of(ada, style=style, **fields))
    for headers in [{}, *(wrong() for wrong in WRONG[style])]:
        answer = address.send(BODY, status=401, **headers)
        assert answer.json()["code"] == "not_authenticated"
        assert "Basic" in answer.headers["WWW-Authenticate"]
    assert not WebhookCall.objects.exists()

    address.send(BODY, **proof())
    kept = json.dumps([the_call().headers, Execution.objects.get().input])
    assert SECRET not in kept
    assert base64.b64encode(f"shop:{SECRET}".encode()).decode() not in kept


def test_the_former_secret_is_good_while_it_is_there(ada, opened):
    credential = credential_of(ada, style="github", secret="the newer secret", former_secret="the older secret")
    address = opened(credential=credential)
    address.send(BODY, **github(BODY, secret="the newer secret", delivery="1"))
    address.send(BODY, **github(BODY, secret="the older secret", delivery="2"))
    ada.patch_json(f"/credentials/{credential}", {"fields": {"style": "github", "secret": "the newer secret", "former_secret": None}})
    address.send(BODY, status=401, **github(BODY, secret="the older secret", delivery="3"))


def test_without_its_credential_nobody_is_let_in(ada, opened):
    address = opened(credential=credential_of(ada, style="bearer"))
    Webhook.objects.update(credential=None)  # as when it was deleted
    address.send(status=401, Authorization=f"Bearer {SECRET}")


@pytest.mark.parametrize("style", ["standard", "github", "stripe"])
def test_a_signed_message_that_comes_again_starts_nothing(ada, opened, style):
    fields, proof = STYLES[style]
    address = opened(credential=credential_of(ada, style=style, **fields))
    first = address.send(BODY, **proof()).json()
    again = address.send(BODY, status=200, **proof()).json()
    assert again == {"id": first["id"], "duplicate": True}
    assert first["duplicate"] is False
    assert Execution.objects.count() == 1
    assert the_call().duplicates == 1


def test_a_hundred_at_once_with_one_key_start_one_execution(opened):
    address = opened({"dedup_key": '${request.headers["x-request-id"]}'})
    answers = []

    def send():
        answers.append(address.client.post(address.path, "{}", content_type="application/json", headers={"X-Request-Id": "r-1"}))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(100)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [202]
    assert len({answer.json()["id"] for answer in answers}) == Execution.objects.count() == 1
    assert the_call().duplicates == 99


def test_a_key_may_be_any_expression_over_the_request(opened):
    address = opened({"dedup_key": "${request.body.shop}-${request.body.number}"})
    address.send({"shop": "a", "number": 1})
    address.send({"shop": "a", "number": 1}, status=200)
    address.send({"shop": "a", "number": 2})
    assert address.send({"shop": "a"}, status=422).json()["code"] == "no_dedup_key"
    address.send({"shop": "ä" * 300, "number": 2})
    address.send({"shop": "ä" * 300, "number": 2}, status=200)
    assert Execution.objects.count() == 3


def test_a_call_that_is_taken_costs_two_statements(opened):
    address = opened({"dedup_key": "${request.body.id}"})
    address.send({"id": 1})
    with CaptureQueriesContext(
        connection,
    ) as queries:
        address.send({"id": 2})
    assert [query["sql"].split()[0].lower() for query in queries] == ["select", "select"], [query["sql"][:200] for query in queries]


WRONG_CONFIGS = [
    ({"methods": ["SEND"]}, "/nodes/0/config/methods/0"),
    ({"allowed_ips": ["10.0.0.300"]}, "/nodes/0/config/allowed_ips/0"),
    ({"max_bytes": 0}, "/nodes/0/config/max_bytes"),
    ({"max_per_minute": "${1}"}, "/nodes/0/config/max_per_minute"),
    ({"wait_seconds": 61}, "/nodes/0/config/wait_seconds"),
    ({"dedup_key": "constant"}, "/nodes/0/config/dedup_key"),
    ({"dedup_key": "${request.}"}, "/nodes/0/config/dedup_key"),
    ({"dedup_key": "${unknown.x}"}, "/nodes/0/config/dedup_key"),
    ({"respond": "later"}, "/nodes/0/config/respond"),
]


@pytest.mark.parametrize(("config", "pointer"), WRONG_CONFIGS)
def test_a_wrong_config_is_refused_with_its_place(ada, config, pointer):
    answer = ada.post_json("/workflows", {"definition": definition(config), "publish": True}, 422)
    assert answer["details"]["errors"][0]["pointer"] == pointer


def test_of_two_webhooks_in_one_workflow_the_one_that_was_called_begins(ada):
    nodes = [
        {"key": "hook", "type": "trigger.webhook"},
        {"key": "other", "type": "trigger.webhook"},
        {"key": "a", "type": "data.set", "config": {"values": {"x": 1}}},
        {"key": "b", "type": "data.set", "config": {"values": {"x": 2}}},
    ]
    edges = [{"source": "hook", "target": "a"}, {"source": "other", "target": "b"}]
    make_workflow(ada, {"name": "two", "nodes": nodes, "edges": edges})
    tokens = dict(Webhook.objects.values_list("node_key", "token"))

    answer = Address(tokens["other"]).send({"n": 1}).json()
    execution = drive(UUID(answer["id"]))
    runs = dict(execution.node_runs.order_by("id").values_list("key", "status"))
    assert execution.status == "success"
    assert (runs["a"], runs["b"]) == ("skipped", "success")
    assert "$trigger" not in execution.node_runs.get(key="other").output


@pytest.fixture
def hooked(ada):
    """The id of a published workflow with a webhook."""
    return make_workflow(ada, definition())["id"]


def test_an_address_is_shown_to_those_who_may_start_the_workflow(ada, bob, hooked):
    (shown,) = ada.get_json(f"/webhooks?workflow={hooked}")["results"]
    token = Webhook.objects.get().token
    assert shown["url"].endswith(f"/hooks/{token}")
    assert shown["test_url"].endswith(f"/hooks/test/{token}")
    assert (shown["node"], shown["is_open"], shown["lets_nobody_in"]) == ("hook", True, False)

    join(bob, workspace_of(ada), "viewer")
    viewed = client_of(bob.user).get_json(f"/webhooks/{shown['id']}")
    assert (viewed["url"], viewed["test_url"]) == (None, None)
    join(bob, workspace_of(ada), "operator")
    operated = client_of(bob.user).get_json(f"/webhooks/{shown['id']}")
    assert (operated["url"], operated["test_url"]) == (shown["url"], None)
    assert token not in client_of(bob.user).get(f"/api/v1/webhooks/{shown['id']}").content.decode().replace(shown["url"], "")


def test_another_address_makes_the_old_one_unknown(ada, hooked):
    old = Address(Webhook.objects.get().token)
    changed = ada.post_json(f"/webhooks/{Webhook.objects.get().pk}/change-address")
    old.send(status=404)
    assert Client().post(f"/hooks/{changed['url'].rpartition('/')[2]}").status_code == 202
    assert AuditEntry.objects.filter(verb="webhook.address_changed").count() == 1
    assert Webhook.objects.get().token not in str(AuditEntry.objects.order_by("id").values_list("before", "after"))


def test_the_inbox_is_searched_by_what_came(ada, hooked):
    address = Address(Webhook.objects.get().token)
    address.send({"customer": "Müller"}, tail="/orders")
    address.send({"customer": "Meyer"}, method="put", **{"X-Shop": "north"})
    first, second = WebhookCall.objects.order_by("created_at", "id").values_list("pk", flat=True)

    def found(**query):
        return [UUID(call["id"]) for call in ada.get("/api/v1/webhook-calls", query).json()["results"]]

    assert found() == [second, first]
    assert found(q="müller") == found(method="POST") == found(q="/orders") == [first]
    assert found(q="NORTH") == [second]
    assert found(q="nobody") == found(state="refused") == found(until="2020-01-01T00:00:00Z") == []
    assert found(workflow=hooked, since="2020-01-01T00:00:00Z", state="started") == [second, first]
    assert found(execution=str(Execution.objects.get(input__method="PUT").pk)) == [second]
    shown = ada.get_json(f"/webhook-calls/{first}")
    assert (shown["body"], shown["path"], shown["size_bytes"]) == ({"customer": "Müller"}, "/orders", 27)
    assert shown["execution_url"] == f"/api/v1/executions/{shown['execution']}"
    assert "body" not in ada.get_json("/webhook-calls")["results"][0]


def test_a_list_of_calls_costs_the_same_however_many_there_are(ada, hooked, django_assert_max_num_queries):
    address = Address(Webhook.objects.get().token)
    address.send()
    with CaptureQueriesContext(connection) as few:
        ada.get_json("/webhook-calls")
    for _ in range(5):
        address.send()
    with CaptureQueriesContext(connection) as many:
        assert len(ada.get_json("/webhook-calls")["results"]) == 6
    assert len(many) == len(few)


def test_a_call_is_started_once_more(ada, bob, hooked):
    Address(Webhook.objects.get().token).send({"n": 1}, tail="/x?y=1")
    call = the_call()
    path = f"/webhook-calls/{call.pk}/replay"
    bob.post_json(path, status=404)
    join(bob, workspace_of(ada), "viewer")
    client_of(bob.user).post_json(path, status=403)
    client_of(bob.user).get_json(f"/webhook-calls/{call.pk}")

    started = ada.post_json(path, status=202)["execution"]
    execution = drive(UUID(started))
    assert execution.output == {"said": {"n": 1}}
    assert execution.input["path"] == "/x"
    assert execution.started_by == ada.user
    again = WebhookCall.objects.get(execution=execution)
    assert (again.replay_of, again.body) == (call, {"n": 1})

    ada.post_json(f"/workflows/{hooked}/unpublish")
    assert ada.post_json(path, status=409)["code"] == "webhook_closed"


def test_the_next_call_of_a_test_address_runs_what_is_not_published(ada):
    made = make_workflow(ada, definition(output={"draft": "${nodes.hook.method}"}), publish=False)
    shown = ada.post_json("/webhooks/listen", {"workflow": made["id"]})
    token = Webhook.objects.get().token
    Address(token).send(status=404)  # it is not published
    test = Address(token, test=True)
    answer = test.send({"a": 1}, tail="/x").json()
    test.send(status=404)  # one call, and no more
    assert ada.get_json(f"/webhooks/{shown['id']}")["listening_until"] is None

    execution = drive(UUID(answer["id"]))
    assert (execution.output, execution.trigger, execution.started_by) == ({"draft": "POST"}, "test", ada.user)
    assert (the_call().state, the_call().execution_id, the_call().path) == ("test", execution.pk, "/x")


def test_listening_ends_by_itself_and_by_hand(ada, hooked):
    test = Address(Webhook.objects.get().token, test=True)
    test.send(status=404)
    shown = ada.post_json("/webhooks/listen", {"workflow": hooked, "node": "hook", "version": 1})
    assert shown["listening_until"] is not None
    ada.delete_json(f"/webhooks/{shown['id']}/listen", 200)
    test.send(status=404)
    ada.post_json("/webhooks/listen", {"workflow": hooked})
    Webhook.objects.update(listening_until="2020-01-01T00:00:00Z")
    test.send(status=404)
    assert ada.post_json("/webhooks/listen", {"workflow": hooked, "node": "nobody"}, 404)["code"] == "no_webhook_node"
    ada.post_json("/webhooks/listen", {"workflow": hooked, "version": 9}, 404)


def test_a_test_address_asks_for_the_same_proof(ada):
    made = make_workflow(ada, definition(credential=credential_of(ada, style="bearer")), publish=False)
    ada.post_json("/webhooks/listen", {"workflow": made["id"]})
    test = Address(Webhook.objects.get().token, test=True)
    test.send(status=401)
    test.send(Authorization=f"Bearer {SECRET}")  # a wrong call does not use the turn up


def test_a_workflow_that_moves_keeps_no_address(ada, bob, hooked):
    token = Webhook.objects.get().token
    Workflow.objects.filter(pk=hooked).update(workspace=workspace_of(bob))
    Address(token).send(status=404)
    assert not Webhook.objects.exists()


def test_calls_are_forgotten_after_their_time(opened):

    address = opened()
    address.send()
    address.send()
    old = WebhookCall.objects.order_by("id").first()
    WebhookCall.objects.filter(pk=old.pk).update(created_at="2020-01-01T00:00:00Z")
    assert len(fetch(PRUNE, {"limit": 10})) == 1
    assert WebhookCall.objects.count() == 1


def test_what_webhooks_and_events_brought_counts_among_the_stored_bytes(ada, opened):
    workspace, address = workspace_of(ada), opened({"dedup_key": "${request.body.id}"})
    address.send({"id": 1})
    before = measure(workspace_id=workspace.pk).bytes
    WebhookCall.objects.update(body={"random": [uuid4().hex for _ in range(300)]})
    with_call = measure(workspace_id=workspace.pk).bytes
    assert before + 9_600 < with_call < before + 20_000
    ada.post_json("/events", {"type": "order.paid", "data": [uuid4().hex for _ in range(300)]}, 202)
    assert with_call + 9_600 < measure(workspace_id=workspace.pk).bytes < with_call + 20_000
