"""Requests that are wrong: each is refused with the right status and its place, in one shape, and nothing happens."""

import time

import psutil
import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers

from apps.core.api.body_limit import BodyLimit
from apps.core.api.serializers import InputSerializer
from apps.workflows.models import Workflow
from structforge.http import ThreadHandler
from tests.api.clients import ORDER

pytestmark = pytest.mark.django_db


def send(client, text, content_type="application/json", path="/api/v1/workflows"):
    return client.post(path, text, content_type=content_type)


DEEP = b"[" * 100_000 + b"]" * 100_000
JSON_FAULTS = {
    "cut off": (b'{"definition": ', "Not JSON"),
    "not UTF-8": (b'{"name": "\xff"}', "0xff"),
    "NaN": (b'{"name": NaN}', "Not JSON"),
    "long integer": (b'{"name": ' + b"9" * 40 + b"}", "64 bit"),
    "huge integer": (b'{"name": ' + b"9" * 1_000_000 + b"}", "Not JSON"),
    "NUL": (b'{"name": "a\\u0000b"}', "NUL"),
    "lone surrogate": (b'{"name": "\\ud800"}', "surrogate"),
    "deep": (b'{"definition": ' + DEEP + b"}", "levels"),
    "key given twice": (b'{"name": 1, "name": 2}', "twice"),
}


@pytest.mark.parametrize(("text", "says"), JSON_FAULTS.values(), ids=JSON_FAULTS)
def test_what_is_not_json_is_refused_quickly(ada, text, says):
    begun = time.thread_time()
    response = send(ada, text)
    assert time.thread_time() - begun < 1
    assert response.status_code == 400, response.content[:500]
    assert response.json()["code"] == "not_json"
    assert says in response.json()["message"]
    assert not Workflow.objects.exists()


BOMB = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]).encode()
YAML_FAULTS = {
    "cut off": (b"definition: [", "Not YAML"),
    "aliases": (BOMB, "alias"),
    "tag": (b"definition: !!python/object/apply:os.system [true]", "tag"),
    "deep": (b"definition: " + b"[" * 1000, "levels"),
    "key given twice": (b"name: a\nname: b", "twice"),
    "two documents": (b"---\na: 1\n---\nb: 2", "one YAML document"),
    "huge integer": (b"name: " + b"9" * 100_000, "64 bit"),
    "infinite": (b"name: .inf\ndefinition: 1e999", "finite"),
    "not UTF-8": (b"\xff\xfe", "0xff"),
}


@pytest.mark.parametrize(("text", "says"), YAML_FAULTS.values(), ids=YAML_FAULTS)
def test_what_is_not_plain_yaml_is_refused(ada, text, says):
    response = send(ada, text, "application/yaml")
    assert response.status_code == 400, response.content[:500]
    assert response.json()["code"] == "not_yaml" or says == "finite"
    assert says in response.json()["message"]


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain"])
def test_a_body_of_another_type_is_not_read(ada, content_type):
    response = send(ada, b'{"definition": {}}', content_type)
    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"


def test_json_that_says_it_is_yaml_is_read_as_yaml_and_not_the_other_way_round(ada):
    assert send(ada, b'{"definition": {}}', "application/yaml", "/api/v1/workflows/validate").status_code == 200
    assert send(ada, b"definition: {}", "application/json", "/api/v1/workflows/validate").status_code == 400


def test_errors_have_one_shape(ada, client):
    answers = [
        client.get("/api/v1/users/me"),
        client.get("/nowhere"),
        client.get("/api/v1/nowhere"),
        ada.get("/api/v1/workflows/00000000-0000-0000-0000-000000000000"),
        ada.put("/api/v1/workflows"),
        ada.get("/api/v1/workflows?limit=x"),
        ada.get("/api/v1/workflows", headers={"Accept": "text/html"}),
        send(ada, b"{"),
    ]
    assert [answer.status_code for answer in answers] == [401, 404, 404, 404, 405, 422, 406, 400]
    for answer in answers:
        assert set(answer.json()) == {"code", "message", "details"}, answer.content
        assert answer.headers["Content-Type"] == "application/json"


def test_a_browser_that_goes_astray_gets_a_page(client):
    response = client.get("/nowhere", headers={"Accept": "text/html,*/*"})
    assert response.status_code == 404
    assert "<h1>" in response.content.decode()


def test_a_surprise_tells_nothing_of_the_inside(ada, monkeypatch):
    def break_down(**_):
        raise RuntimeError("secret")

    monkeypatch.setattr("apps.workflows.actions.create_workflow", break_down)
    response = ada.post("/api/v1/workflows", {"definition": ORDER}, format="json")
    assert response.status_code == 500
    assert response.json() == {"code": "server_error", "message": "An error of the server. It is in the log.", "details": {}}


def http_scope(headers=()):
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/workflows",
        "raw_path": b"/api/v1/workflows",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers],
        "http_version": "1.1",
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
    }


@pytest.fixture
def http():
    return BodyLimit(ThreadHandler())


async def test_a_body_that_announces_to_be_too_large_is_refused_before_it_is_read(http):
    caller = ApplicationCommunicator(http, http_scope([(b"content-length", str(settings.MAX_BODY_BYTES + 1).encode())]))
    start = await caller.receive_output(5)
    assert start["status"] == 413
    assert b"body_too_large" in (await caller.receive_output(5))["body"]
    await caller.wait()


@pytest.mark.parametrize("announced", [[], [(b"content-length", b"10")]], ids=["chunked", "with a false length"])
async def test_a_body_that_grows_too_large_is_refused_on_the_way(http, announced):
    before = psutil.Process().memory_info().rss
    caller = ApplicationCommunicator(http, http_scope(announced))
    chunk = b"x" * 1_000_000
    for _ in range(settings.MAX_BODY_BYTES // len(chunk) + 1):
        await caller.send_input({"type": "http.request", "body": chunk, "more_body": True})
    assert (await caller.receive_output(5))["status"] == 413
    await caller.receive_output(5)
    await caller.wait()
    assert psutil.Process().memory_info().rss - before < 20_000_000


@pytest.mark.django_db(transaction=True)
async def test_a_body_of_allowed_size_comes_through(http):
    caller = ApplicationCommunicator(http, http_scope())
    await caller.send_input({"type": "http.request", "body": b"x" * 1_000_000, "more_body": True})
    await caller.send_input({"type": "http.request", "body": b"", "more_body": False})
    assert (await caller.receive_output(5))["status"] == 401
    await caller.wait()


def test_a_body_over_the_limit_is_refused_without_the_middleware_too(ada):
    response = send(ada, b" " * (settings.MAX_BODY_BYTES + 1))
    assert response.status_code == 413
    assert response.json()["code"] in ("json_too_large", "body_too_large")


def test_many_headers_of_one_name_are_no_burden(client):
    begun = time.thread_time()
    client.get("/api/v1/users/me", headers={f"X-{number}": "a" for number in range(10_000)})
    assert time.thread_time() - begun < 1


def test_what_is_required_stays_so_after_the_api_was_described(ada):
    """The description makes serializers that ask for nothing, of the same kinds as those that read bodies."""
    SchemaGenerator().get_schema(public=True)
    body = ada.patch_json("/users/me/mfa/passkeys/1", {}, 422)
    assert body["details"]["errors"][0]["pointer"] == "/name"


def test_a_body_needs_what_it_needs_though_the_description_of_the_api_was_made_first():
    class Body(InputSerializer):
        level = serializers.CharField()

    assert Body(data={}, partial=True).is_valid()
    assert not Body(data={}).is_valid()
