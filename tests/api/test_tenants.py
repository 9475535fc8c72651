"""Two workspaces filled alike: nothing that a member of one is answered tells anything of the other.

Each test runs twice: as the product is, and with `visible_to` and every check of rights switched off, so that row-level security alone
stands between the two.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.db import database_sync_to_async as in_thread
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from tests.api.clients import ApiClient
from tests.api.tenants import Tenant, make_tenant
from tests.api.test_routes import ROUTES, Route, label
from tests.api.test_second_fence import _without_first_fence  # noqa: F401  # a fixture
from tests.realtime.sockets import bearer, socket, token_of
from tests.workers.driving import drive

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

PATHS = SchemaGenerator().get_schema(public=True)
UUIDS = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# What changes by itself between two askings.
VOLATILE = re.compile(r'"(last_used_at|last_seen_at|updated_at|created_at|expires_at)": ?"[^"]*"')
# An export of the audit log writes itself down, newest first, under a number and at an instant of its own.
OF_ITSELF = re.compile(r'(?m)^.*"audit\.exported".*\r\n')


@dataclass(frozen=True)
class Request:
    """names   values in the address and body that somebody else's things have"""

    label: str
    method: str
    path: str
    body: Any = field(hash=False)
    names: frozenset[str] = frozenset()

    def sent(self, client: ApiClient) -> Any:
        """The answer; whatever it changed is undone."""
        with transaction.atomic():  # nothing is sent to a worker, and the next request finds all as it was
            options = {"format": "json", "data": self.body} if self.method != "get" and self.body is not None else {}
            response = getattr(client, self.method)(f"/api/v1/{self.path}", **options)
            response.text_of_body = b"".join(response).decode()
            transaction.set_rollback(True)
        assert response.status_code < 500, (self.label, response.text_of_body)
        return response

    def about(self, others: dict[str, str]) -> "Request":
        """The same, with other values in the place of those that it names."""

        def put(value: Any) -> Any:
            if isinstance(value, str):
                for old, new in others.items():
                    value = value.replace(old, new)
                return value
            if isinstance(value, dict):
                return {key: put(inner) for key, inner in value.items()}
            return [put(inner) for inner in value] if isinstance(value, list) else value

        return Request(self.label, self.method, put(self.path), put(self.body))


@pytest.fixture(params=["both fences", "row-level security alone"])
def fences(request) -> str:
    if request.param != "both fences":
        request.getfixturevalue("_without_first_fence")
    return str(request.param)


@pytest.fixture
def bob(db) -> Tenant:
    return make_tenant("quokka")


@pytest.fixture
def ada(bob) -> Tenant:
    return make_tenant("narwhal")


def requests_about(tenant: Tenant, mark: str) -> Iterator[Request]:
    """Every route with this tenant's things in its address and body, every filter of every list, and every key of every body."""
    for route in ROUTES:
        if "<str:token>" in route.path:
            continue  # whoever holds the token of a link may use it
        plain = _request(route, tenant.things)
        yield plain
        for name, value in _known(tenant, mark).items():
            if route.method == "get" and name in _query_parameters(route):
                sign = "&" if "?" in plain.path else "?"
                yield Request(f"{plain.label} ?{name}", "get", f"{plain.path}{sign}{name}={value}", None, plain.names | {value})
            elif name in _keys_of_body(route):
                body = {**(plain.body or {}), name: value}
                yield Request(f"{plain.label} {name}", route.method, plain.path, body, plain.names | {value})


def _request(route: Route, things: dict[str, str]) -> Request:
    used = set(re.findall("<[^>]+>", route.path)) | {value for value in (route.body or {}).values() if isinstance(value, str)}
    path = re.sub("<[^>]+>", lambda placeholder: things[placeholder[0]], route.path)
    body = {key: things.get(value, value) if isinstance(value, str) else value for key, value in (route.body or {}).items()}
    names = frozenset(things[name] for name in used if name in things and UUIDS.fullmatch(things[name]))
    return Request(label(route), route.method, path, body or None, names)


def _known(tenant: Tenant, mark: str) -> dict[str, str]:
    """What a tenant has, by the names that queries and bodies have for it."""
    ids = {re.sub(r"<(?:\w+:)?(\w+)_id>", r"\1", name): value for name, value in tenant.things.items() if name.endswith("_id>")}
    return {**ids, "parent": ids["folder"], "ids": ids["workflow"], "search": mark, "business_key": mark}


def _operation(route: Route) -> dict[str, Any]:
    path = "/api/v1/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route.address)
    found: dict[str, Any] = PATHS["paths"][path][route.method]
    return found


def _query_parameters(route: Route) -> set[str]:
    return {parameter["name"] for parameter in _operation(route).get("parameters", []) if parameter["in"] == "query"}


def _keys_of_body(route: Route) -> set[str]:
    content = _operation(route).get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return set(PATHS["components"]["schemas"].get(name, {}).get("properties", {}))


def told(secrets: set[str], asker: Tenant, about: Tenant) -> list[tuple[str, str]]:
    """What answers hold of these secrets, without what the request itself named."""
    found = []
    for request in requests_about(about, about.mark):
        text, sent = request.sent(asker.client).text_of_body, f"{request.path} {request.body}"
        found += [(request.label, secret) for secret in secrets if secret in text and secret not in sent]
    return found


@pytest.mark.usefixtures("fences")
def test_no_answer_to_a_request_about_the_other_tells_anything_of_it(ada, bob):
    assert told(ada.secrets(), bob, about=ada) == []
    assert told(ada.secrets(), bob, about=bob) == []


@pytest.mark.usefixtures("_without_first_fence")
def test_without_any_fence_very_much_would_be_told(ada, bob, monkeypatch):
    """Else the test above could not fail."""
    monkeypatch.setattr("apps.core.fence.put_up", lambda caller: None)
    found = told(ada.secrets(), bob, about=ada)
    assert len({label for label, _ in found}) >= 40
    assert len({secret for _, secret in found}) >= 15


def test_what_the_other_has_is_answered_as_what_nobody_has(ada, bob):
    """So no status and no message tells that an id exists."""
    differs = []
    for request in requests_about(ada, ada.mark):
        unknown = {**{name: str(uuid4()) for name in request.names}, ada.mark: "nowhere"}
        if request.names:
            foreign, nobodys = shape(request.sent(bob.client)), shape(request.about(unknown).sent(bob.client), nowhere=ada.mark)
            differs += [] if foreign == nobodys else [(request.label, foreign, nobodys)]

    assert differs == []


def shape(response: Any, nowhere: str = "nowhere") -> tuple[int, str]:
    """Status, and the text where it is an error or a list; what was made anew has ids and instants of its own."""
    status, text = response.status_code, UUIDS.sub("<id>", without_volatile(response.text_of_body)).replace("nowhere", nowhere)
    return status, text if status >= 400 or text.startswith("[") else ""


def without_volatile(text: str) -> str:
    return VOLATILE.sub("", OF_ITSELF.sub("", text))


@pytest.mark.usefixtures("fences")
def test_what_one_sees_of_ones_own_is_the_same_whether_the_other_is_there_or_not(bob, request):
    asked = [each for each in requests_about(bob, bob.mark) if each.method == "get"]

    def answers() -> dict[str, str]:
        return {each.label: without_volatile(each.sent(bob.client).text_of_body) for each in asked}

    alone = answers()
    request.getfixturevalue("ada")

    assert answers() == alone


@pytest.mark.usefixtures("fences")
async def test_a_socket_tells_of_ones_own_executions_alone(ada, bob):
    secrets = await in_thread(ada.secrets)()
    headers = bearer(await in_thread(token_of)(bob.user))

    async def refused(execution_id: UUID) -> str:
        async with socket(execution_id, headers) as client:
            return str((await client.receive())["text"])

    foreign, unknown = ada.running, uuid4()
    assert (await refused(foreign)).replace(str(foreign), "") == (await refused(unknown)).replace(str(unknown), "")
    async with socket(bob.running, headers) as client:
        frames = [str(await client.message())]
        await in_thread(drive)(ada.running)
        await in_thread(drive)(bob.running)
        while "success" not in str(frames[-1].partition("'node_runs'")[0]):
            frames.append(str(await client.message()))
    assert bob.mark not in secrets
    assert [secret for secret in secrets if secret in "".join(frames)] == []
