"""Every address against every kind of caller. A new address fails here until it is listed."""

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.models import Membership, User
from apps.accounts.permissions import BUILT_IN_ROLES, Permission, Permissions
from apps.audit.models import AuditEntry
from apps.workflows.levels import PERMISSIONS
from apps.workflows.models import Grant, Workflow
from tests.api.clients import ORDER, ApiClient, client_of, make_workflow
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db

P = Permission
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
}


@dataclass(frozen=True)
class Route:
    """One method of one address.

    ok       status for its owner
    others   status for another person: 404 where it names what somebody owns
    needs    the right that it takes, in the workspace of what it names or by a share of that; None: to see it is enough
    refused  status for those who may see it, but lack that right
    apart    its rights have a test of their own
    body     JSON with names of `things` in braces
    """

    method: str
    path: str
    ok: int = 200
    others: int = 404
    refused: int = 403
    needs: Permission | None = None
    apart: bool = False
    body: Any = field(default=None, hash=False)


START = {"input": {"amount": 1}}
SECRET_NAME = "the ledger of Ada"
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
    Route("patch", "workflows/<uuid:workflow_id>", needs=P.WORKFLOW_EDIT, body={"description": "new"}),
    Route("delete", "workflows/<uuid:workflow_id>", ok=409, needs=P.WORKFLOW_MANAGE),
    Route("get", "workflows/<uuid:workflow_id>/versions", needs=P.WORKFLOW_VIEW),
    Route("post", "workflows/<uuid:workflow_id>/versions", needs=P.WORKFLOW_EDIT, body={"definition": {**ORDER, "name": SECRET_NAME}}),
    Route("get", "workflows/<uuid:workflow_id>/versions/<int:number>", needs=P.WORKFLOW_VIEW),
    Route("post", "workflows/<uuid:workflow_id>/versions/<int:number>/publish", needs=P.WORKFLOW_EDIT),
    Route("post", "workflows/<uuid:workflow_id>/unpublish", needs=P.WORKFLOW_EDIT),
    Route("get", "executions", others=200),
    Route("post", "executions", ok=409, needs=P.WORKFLOW_RUN, body={"workflow": "<workflow_id>", **START}),
    Route("post", "executions", ok=202, needs=P.WORKFLOW_RUN, body={"version": "<version_id>", **START}),
    Route("post", "executions/bulk", ok=202, needs=P.WORKFLOW_RUN, body={"version": "<version_id>", "starts": [START]}),
    Route("get", "executions/<uuid:execution_id>"),
    Route("get", "executions/<uuid:execution_id>/output"),
    Route("get", "executions/<uuid:execution_id>/events"),
    Route("get", "executions/<uuid:execution_id>/nodes"),
    Route("get", "executions/<uuid:execution_id>/nodes/<str:key>"),
    Route("get", "executions/<uuid:execution_id>/nodes/<str:key>/output"),
    Route("post", "executions/<uuid:execution_id>/nodes/<str:key>/resolve", ok=409, needs=P.EXECUTION_OPERATE, body={"decision": "rerun"}),
    Route("post", "executions/<uuid:execution_id>/cancel", ok=409, needs=P.EXECUTION_OPERATE),
    Route("post", "executions/<uuid:execution_id>/pause", ok=409, needs=P.EXECUTION_OPERATE),
    Route("post", "executions/<uuid:execution_id>/resume", ok=409, needs=P.EXECUTION_OPERATE),
    Route("get", "audit", others=200),
    Route("get", "audit/export", others=200),
    Route("get", "audit/verify", others=200),
    Route("get", "workspaces/<uuid:workspace_id>/quotas", apart=True),
    Route("get", "users/me/quotas", others=200),
    Route("get", "quotas", ok=403, others=403),
    Route("put", "quotas", ok=403, others=403, body={"name": "workflows", "limit": 1}),
    Route("delete", "quotas/<uuid:quota_id>", ok=403, others=403),
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
    made = make_workflow(ada, {**ORDER, "name": SECRET_NAME}, publish=False)
    started = ada.post_json("/executions", {"version": made["version"]["id"], **START}, 202)
    drive(UUID(started["id"]))
    return {
        "<uuid:workflow_id>": made["id"],
        "<int:number>": "1",
        "<uuid:workspace_id>": made["workspace"],
        "<uuid:quota_id>": str(uuid4()),
        "<uuid:execution_id>": started["id"],
        "<str:key>": "start",
        "<str:name>": "trigger.manual",
        "<workflow_id>": made["id"],
        "<version_id>": made["version"]["id"],
    }


def call(client: ApiClient, route: Route, things: dict[str, str]) -> int:
    return int(response_to(client, route, things).status_code)


def response_to(client: ApiClient, route: Route, things: dict[str, str]) -> Any:
    path, body = route.path, dict(route.body or {})
    for name, value in things.items():
        path = path.replace(name, value)
        body = {key: value if content == name else content for key, content in body.items()}
    return getattr(client, route.method)(f"/api/v1/{path}", *([body] if body else []), **({"format": "json"} if body else {}))


def label(route: Route) -> str:
    return f"{route.method} {route.path} {'by version' if 'version' in (route.body or {}) else ''}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", ROUTES, ids=label)
def test_each_kind_of_caller_gets_the_right_answer(route, things, anonymous, ada, bob):
    assert call(anonymous, route, things) == 401
    assert call(bob, route, things) == route.others
    assert call(ada, route, things) == route.ok


@pytest.mark.django_db(transaction=True)
def test_no_answer_tells_a_stranger_anything_of_another_workspace(things, ada, bob):
    """Ids that the stranger sent are in the answers; the names behind them, and all that was not sent, are not."""
    workspace = ada.get_json("/users/me")["workspace"]["id"]
    sent = {value for name, value in things.items() if name.startswith("<")}
    told = []
    for route in ROUTES:
        text = b"".join(response_to(bob, route, things)).decode()
        secrets = [SECRET_NAME, str(ada.user.pk), *([] if "<uuid:workspace_id>" in route.path else [workspace])]
        told += [(label(route), secret) for secret in secrets if secret in text]
        if "<" not in route.path and not route.body:
            told += [(label(route), sent_id) for sent_id in sent if len(sent_id) > 30 and sent_id in text]

    assert told == []


@dataclass(frozen=True)
class Actor:
    """Somebody else, with a role in the workspace or a share of the workflow."""

    name: str
    allowed: Permissions
    is_member: bool

    def enter(self, user: User, workflow: Workflow) -> None:
        if self.is_member:
            Membership.objects.create(workspace=workflow.workspace, user=user, role=self.name)
        else:
            Grant.objects.create(workspace=workflow.workspace, workflow=workflow, user=user, level=self.name)

    def expected(self, route: Route) -> int:
        """What may not be seen is not found; what may be seen and not done is forbidden."""
        seen_by = {P.EXECUTION_VIEW} if route.path.startswith("executions/<") else {P.WORKFLOW_VIEW, P.WORKFLOW_RUN}
        if not self.allowed & seen_by:
            return 404
        return route.ok if route.needs is None or route.needs in self.allowed else route.refused


ACTORS = [
    *(Actor(role, allowed, is_member=True) for role, allowed in BUILT_IN_ROLES.items()),
    *(Actor(str(level), allowed, is_member=False) for level, allowed in PERMISSIONS.items()),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", [route for route in ROUTES if route.others == 404 and not route.apart], ids=label)
def test_each_role_and_each_level_of_a_share_allows_what_it_says(route, things, bob):
    workflow = Workflow.objects.get(pk=things["<workflow_id>"])
    found, expected = {}, {}
    for actor in ACTORS:
        Membership.objects.filter(user=bob.user, workspace=workflow.workspace).delete()
        Grant.objects.all().delete()
        actor.enter(bob.user, workflow)
        name = f"{'role' if actor.is_member else 'level'} {actor.name}"
        found[name], expected[name] = call(client_of(bob.user), route, things), actor.expected(route)

    assert found == expected


# Starts are in the history of executions; checks, and saving what is saved already, change nothing.
WITHOUT_ENTRY = {"executions", "executions/bulk", "workflows/validate", "expressions/check", "workflows/<uuid:workflow_id>/versions"}
CHANGES = [route for route in ROUTES if route.method != "get" and route.ok < 300 and route.path not in WITHOUT_ENTRY]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", CHANGES, ids=label)
def test_each_change_is_in_the_audit_log(route, things, ada):
    newest = AuditEntry.objects.latest("id")
    assert call(ada, route, things) == route.ok
    entry = AuditEntry.objects.latest("id")
    assert entry.id > newest.id
    assert (entry.actor_name, entry.via) == ("ada", "api")


EXAMPLES = {
    "<uuid:workflow_id>": "0" * 32,
    "<uuid:execution_id>": "0" * 32,
    "<uuid:workspace_id>": "0" * 32,
    "<uuid:quota_id>": "0" * 32,
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
