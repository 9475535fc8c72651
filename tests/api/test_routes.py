"""Every address against every kind of caller. A new address fails here until it is listed."""

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.models import Workspace
from tests.api.clients import ORDER, ApiClient, make_workflow
from tests.api.people import join, make_folder, make_team, share, workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db

PUBLIC = {
    "",
    "favicon.ico",
    "health",
    "health/live",
    "health/ready",
    "api/schema",
    "api/docs",
    "api/v1/auth/login",
    "api/v1/auth/refresh",
    "api/v1/auth/logout",
    "api/v1/shared/<str:token>",
    "api/v1/shared/<str:token>/executions",
    "api/v1/shared/<str:token>/executions/<uuid:execution_id>",
    "api/v1/shared/<str:token>/executions/<uuid:execution_id>/output",
}


@dataclass(frozen=True)
class Route:
    """One method of one address.

    ok       status for its owner
    others   status for another person: 404 where it names what somebody owns
    body     JSON with names of `things` in braces
    """

    method: str
    path: str
    ok: int = 200
    others: int = 404
    body: Any = field(default=None, hash=False)


START = {"input": {"amount": 1}}
ROUTES = [
    Route("get", "users/me", others=200),
    Route("get", "definition-schema", others=200),
    Route("get", "node-types", others=200),
    Route("get", "node-types/<str:name>", others=200),
    Route("post", "expressions/check", others=200, body={"expression": "1 + 1"}),
    Route("get", "workflows", others=200),
    Route("post", "workflows", ok=201, others=201, body={"definition": {**ORDER, "name": "another"}}),
    Route("post", "workflows/validate", others=200, body={"definition": ORDER}),
    Route("get", "workflows/<uuid:workflow_id>"),
    Route("patch", "workflows/<uuid:workflow_id>", body={"description": "new"}),
    Route("delete", "workflows/<uuid:workflow_id>", ok=409),
    Route("get", "workflows/<uuid:workflow_id>/versions"),
    Route("post", "workflows/<uuid:workflow_id>/versions", body={"definition": ORDER}),
    Route("get", "workflows/<uuid:workflow_id>/versions/<int:number>"),
    Route("post", "workflows/<uuid:workflow_id>/versions/<int:number>/publish"),
    Route("post", "workflows/<uuid:workflow_id>/unpublish"),
    Route("get", "workflows/groups", others=422, ok=422),
    Route("put", "workflows/<uuid:workflow_id>/tags", body={"tags": ["new"]}),
    Route("put", "workflows/<uuid:workflow_id>/favourite", ok=204),
    Route("delete", "workflows/<uuid:workflow_id>/favourite", ok=204),
    Route("post", "workflows/<uuid:workflow_id>/archive"),
    Route("post", "workflows/<uuid:workflow_id>/unarchive"),
    Route("put", "workflows/<uuid:workflow_id>/owner", body={"user": "ada"}),
    Route("post", "workflows/<uuid:workflow_id>/transfer", ok=409, body={"workspace": "<second_workspace_id>"}),
    Route("get", "workflows/<uuid:workflow_id>/shares"),
    Route("post", "workflows/<uuid:workflow_id>/shares", ok=201, body={"user": "ada", "level": "viewer"}),
    Route("patch", "workflows/<uuid:workflow_id>/shares/<uuid:share_id>", body={"level": "editor"}),
    Route("delete", "workflows/<uuid:workflow_id>/shares/<uuid:share_id>", ok=204),
    Route("get", "workflows/<uuid:workflow_id>/links"),
    Route("post", "workflows/<uuid:workflow_id>/links", ok=201, body={"level": "viewer"}),
    Route("get", "workflows/<uuid:workflow_id>/links/<uuid:link_id>"),
    Route("delete", "workflows/<uuid:workflow_id>/links/<uuid:link_id>", ok=204),
    Route("get", "folders", others=200),
    Route("post", "folders", ok=201, others=201, body={"name": "another"}),
    Route("get", "folders/<uuid:folder_id>"),
    Route("patch", "folders/<uuid:folder_id>", body={"name": "new"}),
    Route("delete", "folders/<uuid:folder_id>", ok=204),
    Route("get", "folders/<uuid:folder_id>/shares"),
    Route("post", "folders/<uuid:folder_id>/shares", ok=201, body={"user": "ada", "level": "viewer"}),
    Route("patch", "folders/<uuid:folder_id>/shares/<uuid:share_id>", ok=404, body={"level": "editor"}),
    Route("delete", "folders/<uuid:folder_id>/shares/<uuid:share_id>", ok=404),
    Route("get", "tags", others=200),
    Route("post", "tags", ok=201, others=201, body={"name": "another"}),
    Route("get", "tags/<uuid:tag_id>"),
    Route("patch", "tags/<uuid:tag_id>", body={"name": "new"}),
    Route("delete", "tags/<uuid:tag_id>", ok=204),
    Route("post", "tags/<uuid:tag_id>/merge", body={"into": "<tag_id>"}),
    Route("post", "shared/<str:token>/accept", others=200),
    Route("get", "executions", others=200),
    Route("post", "executions", ok=409, body={"workflow": "<workflow_id>", **START}),
    Route("post", "executions", ok=202, body={"version": "<version_id>", **START}),
    Route("post", "executions/bulk", ok=202, body={"version": "<version_id>", "starts": [START]}),
    Route("get", "executions/<uuid:execution_id>"),
    Route("get", "executions/<uuid:execution_id>/output"),
    Route("get", "executions/<uuid:execution_id>/events"),
    Route("get", "executions/<uuid:execution_id>/nodes"),
    Route("get", "executions/<uuid:execution_id>/nodes/<str:key>"),
    Route("get", "executions/<uuid:execution_id>/nodes/<str:key>/output"),
    Route("post", "executions/<uuid:execution_id>/nodes/<str:key>/resolve", ok=409, body={"decision": "rerun"}),
    Route("post", "executions/<uuid:execution_id>/cancel", ok=409),
    Route("post", "executions/<uuid:execution_id>/pause", ok=409),
    Route("post", "executions/<uuid:execution_id>/resume", ok=409),
]


def addresses(patterns: list[URLPattern | URLResolver], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found |= addresses(pattern.url_patterns, path)
        else:
            found.add(path)
    return found


ADDRESSES = {path for path in addresses(get_resolver().url_patterns) if not path.startswith("admin/")}


def test_every_address_is_listed_here():
    listed = PUBLIC | {f"api/v1/{route.path}" for route in ROUTES}
    assert listed == ADDRESSES


def methods_of(path: str) -> set[str]:
    def find(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Any:
        for pattern in patterns:
            here = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                if (inner := find(pattern.url_patterns, here)) is not None:
                    return inner
            elif here == path:
                return pattern.callback
        return None

    view = find(get_resolver().url_patterns)
    return {method for method in ("get", "post", "put", "patch", "delete") if hasattr(view.view_class, method)}


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_every_method_of_an_address_is_listed_here(path):
    assert {route.method for route in ROUTES if route.path == path} == methods_of(f"api/v1/{path}")


@pytest.fixture
def things(ada: ApiClient) -> dict[str, str]:
    """What the placeholders in addresses stand for: a workflow of Ada's that has run, and is not published."""
    made = make_workflow(ada, publish=False)
    started = ada.post_json("/executions", {"version": made["version"]["id"], **START}, 202)
    drive(UUID(started["id"]))
    second = Workspace.objects.create(name="second", owner=ada.user)
    join(ada, second, "owner")
    return {
        "<uuid:folder_id>": make_folder(ada, "folder"),
        "<uuid:tag_id>": (tag := ada.post_json("/tags", {"name": "tag"}, 201)["id"]),
        "<tag_id>": tag,
        "<uuid:share_id>": share(ada, f"/workflows/{made['id']}", "viewer", team=make_team(workspace_of(ada), "team").name)["id"],
        "<uuid:link_id>": (link := ada.post_json(f"/workflows/{made['id']}/links", {"level": "editor"}, 201))["id"],
        "<str:token>": link["token"],
        "<second_workspace_id>": str(second.pk),
        "<uuid:workflow_id>": made["id"],
        "<int:number>": "1",
        "<uuid:execution_id>": started["id"],
        "<str:key>": "start",
        "<str:name>": "trigger.manual",
        "<workflow_id>": made["id"],
        "<version_id>": made["version"]["id"],
    }


def call(client: ApiClient, route: Route, things: dict[str, str]) -> int:
    path, body = route.path, dict(route.body or {})
    for name, value in things.items():
        path = path.replace(name, value)
        body = {key: value if content == name else content for key, content in body.items()}
    response = getattr(client, route.method)(f"/api/v1/{path}", *([body] if body else []), **({"format": "json"} if body else {}))
    return int(response.status_code)


def label(route: Route) -> str:
    return f"{route.method} {route.path} {'by version' if 'version' in (route.body or {}) else ''}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", ROUTES, ids=label)
def test_each_kind_of_caller_gets_the_right_answer(route, things, anonymous, ada, bob):
    assert call(anonymous, route, things) == 401
    assert call(bob, route, things) == route.others
    assert call(ada, route, things) == route.ok


EXAMPLES = {
    "<uuid:workflow_id>": "0" * 32,
    "<uuid:execution_id>": "0" * 32,
    "<uuid:folder_id>": "0" * 32,
    "<uuid:tag_id>": "0" * 32,
    "<uuid:share_id>": "0" * 32,
    "<uuid:link_id>": "0" * 32,
    "<str:token>": "token",
    "<int:number>": "1",
    "<str:key>": "start",
    "<str:name>": "trigger.manual",
}


@pytest.mark.parametrize("change", ["/{}/", "//{}", "/{};x", "/./{}", "/{}%2e", "/{}%00", "/%2e%2e/{}", "/{}.json", "/{}/configs"])
def test_no_variant_of_an_address_opens_it(client, change):
    for address in sorted(ADDRESSES - PUBLIC):
        path = re.sub("<[^>]+>", lambda placeholder: EXAMPLES[placeholder[0]], address)
        for method in ("get", "post"):
            assert getattr(client, method)(change.format(path)).status_code in (401, 404, 405), (method, path)


def test_the_admin_asks_for_a_login(client):
    for path in addresses(get_resolver().url_patterns):
        if path.startswith("admin/") and "<" not in path and "(" not in path and path not in ("admin/login/", "admin/logout/"):
            response = client.get(f"/{path}")
            assert response.status_code == 302, path
            assert response.headers["Location"].startswith("/admin/login/"), path
