"""Credentials in whole executions, run by the real runner: what they may reach, and that nothing of them stays anywhere."""

import base64
import json
import logging
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_httpserver import HTTPServer
from redis import Redis

from apps.accounts.models import Team, TeamMember
from apps.accounts.queries import personal_workspace
from apps.credentials.actions import delete_credential, rotate_credentials, unshare_credential
from apps.credentials.models import Credential, CredentialGrant
from apps.credentials.sealing import new_key
from apps.executions import connection as engine_connection
from apps.executions.actions import start_execution
from apps.executions.connection import fetch
from apps.executions.models import Execution, NodeRun
from apps.nodes.redaction import MASK, RedactingFilter
from apps.workflows.actions import create_workflow
from apps.workflows.models import WorkflowVersion
from tests.api.clients import client_of
from tests.apps.credentials import make_credential, person
from tests.apps.test_nodes_http_credentials import KEY, echo, forms, here
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(httpserver: HTTPServer, settings) -> HTTPServer:
    settings.EGRESS_ALLOWED = [here(httpserver)]
    httpserver.expect_request("/echo").respond_with_handler(echo)
    return httpserver


def calling(server: HTTPServer, credential: Credential, path: str = "/echo", *, author: str = "ada", **node: Any) -> WorkflowVersion:
    """A saved workflow whose one node sends a request with the credential, and whose next reads what came back."""
    config = {"url": server.url_for("/") + "${input.path}", "method": "POST", "body": {"sent": "${input.text}"}, "idempotent": True}
    definition = {
        "name": f"calls with {credential.pk}",
        "inputs": {"path": "string", "text": "string"},
        "nodes": [
            {"key": "start", "type": "trigger.manual"},
            {"key": "call", "type": "http.request", "config": config, "credentials": {"default": str(credential.pk)}, **node},
            {"key": "after", "type": "data.set", "config": {"values": {"seen": "${nodes.call}"}}},
        ],
        "edges": [{"source": "start", "target": "call"}, {"source": "call", "target": "after"}],
    }
    return create_workflow(workspace=personal_workspace(person(author)), definition=definition, created_by=person(author)).version


def run(version: WorkflowVersion, path: str = "echo", text: str = "") -> Execution:
    started = start_execution(workflow=version.workflow, version=version, input={"path": path, "text": text})
    return drive(started.execution_id)


def error_of(execution: Execution) -> dict[str, Any]:
    return NodeRun.objects.get(execution=execution, key="call").error


def everything_stored() -> str:
    """All rows of all tables, and all of Redis."""
    with connection.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = 'public'")
        rows = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'select t::text from "{table}" t')
            rows += [row[0] for row in cursor.fetchall()]
    return "\n".join(rows)


def in_redis(url: str) -> str:
    kept = []
    for database in range(3):
        with Redis.from_url(f"{url}/{database}") as redis:
            kept += [repr((key, redis.dump(key))) for key in redis.scan_iter()]
    return "\n".join(kept)


@pytest.mark.parametrize("path", ["echo", "echo?status=500", "echo?status=404", "moved", "away", "nowhere"])
@pytest.mark.parametrize(
    ("type_name", "fields"),
    [
        ("api_key", {"value": KEY}),
        ("api_key", {"value": KEY, "placement": "query"}),
        ("bearer", {"token": KEY}),
        ("basic", {"username": "ada", "password": KEY}),
    ],
)
def test_a_canary_is_found_nowhere_afterwards(server, settings, type_name, fields, path):
    with HTTPServer() as other:
        settings.EGRESS_ALLOWED = [*settings.EGRESS_ALLOWED, here(other)]
        other.expect_request("/echo").respond_with_handler(echo)
        server.expect_request("/moved").respond_with_data("", status=307, headers={"Location": f"/echo?{KEY}"})
        server.expect_request("/away").respond_with_data("", status=307, headers={"Location": other.url_for("/echo")})
        server.expect_request("/nowhere").respond_with_data("", status=302, headers={"Location": f"http://127.0.0.1:1/{KEY}"})
        log = StringIO()
        handler = logging.StreamHandler(log)
        handler.addFilter(RedactingFilter())
        logging.getLogger().addHandler(handler)
        try:
            version = calling(server, make_credential(type_name=type_name, hosts=[here(server)], **fields))
            execution = run(version, path)
        finally:
            logging.getLogger().removeHandler(handler)
        heard = str([[*request.headers, request.url] for request, _ in other.log])
    ada = client_of(person("ada"))
    answers = [
        ada.get(f"/api/v1/executions/{execution.pk}{more}").content.decode()
        for more in ("", "/output", "/events", "/nodes", "/nodes/call", "/nodes/call/output", "/nodes/after/output")
    ]
    answers += [
        ada.get("/api/v1/credentials").content.decode(),
        ada.get(f"/api/v1/workflows/{version.workflow_id}/versions/1").content.decode(),
    ]

    found = {
        "tables": everything_stored(),
        "redis": in_redis(settings.REDIS_URL),
        "log": log.getvalue(),
        "api": "\n".join(answers),
        "other": heard,
    }
    secrets = [KEY, base64.b64encode(f"ada:{KEY}".encode()).decode()]
    leaks = [(place, form) for place, text in found.items() for secret in secrets for form in forms(secret) if form in text]
    assert leaks == []
    if path == "echo":
        assert MASK in found["tables"]
        assert execution.status == "success"


def test_the_shown_input_is_cleaned_too(server):
    execution = run(calling(server, make_credential(type_name="api_key", hosts=[here(server)], value=KEY)), text=f"the {KEY}")

    assert NodeRun.objects.get(execution=execution, key="call").input["body"] == {"sent": f"the {MASK}"}


def test_a_node_that_names_a_credential_costs_one_statement_more_and_the_others_none(server, monkeypatch):
    seen: list[str] = []

    def counting(statement: str, parameters: dict[str, Any]) -> Any:
        seen.append(statement)
        return fetch(statement, parameters)

    defaults = engine_connection.fetch_repeating.__kwdefaults__
    monkeypatch.setattr(engine_connection.fetch_repeating, "__kwdefaults__", {**defaults, "run": counting})
    version = calling(server, make_credential(hosts=[here(server)]))
    run(version)
    seen.clear()

    run(version)

    assert len([each for each in seen if "from credential c" in each]) == 1


def test_the_last_use_is_noted_to_the_minute(server):
    credential = make_credential(hosts=[here(server)])
    version = calling(server, credential)

    run(version)
    credential.refresh_from_db()
    first = credential.last_used_at
    run(version)
    credential.refresh_from_db()
    assert first is not None
    assert credential.last_used_at == first

    long_ago = timezone.now() - timedelta(minutes=5)
    Credential.objects.update(last_used_at=long_ago)
    run(version)
    credential.refresh_from_db()
    assert credential.last_used_at > long_ago


class TestUnavailable:
    def fails(self, version: WorkflowVersion, server: HTTPServer, says: str) -> None:
        execution = run(version)
        assert (execution.status, error_of(execution)["code"]) == ("failed", "credential_unavailable")
        assert says in error_of(execution)["message"]
        assert not server.log

    def test_is_one_that_was_deleted(self, server):
        credential = make_credential(hosts=[here(server)])
        version = calling(server, credential)
        delete_credential(credential=credential)

        self.fails(version, server, "is gone")

    def test_is_one_that_has_expired(self, server):
        credential = make_credential(hosts=[here(server)])
        version = calling(server, credential)
        Credential.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

        self.fails(version, server, "has expired")

    def test_is_one_whose_key_is_missing(self, server, settings):
        settings.CREDENTIAL_KEYS = new_key("lost")
        version = calling(server, make_credential(hosts=[here(server)]))
        settings.CREDENTIAL_KEYS = new_key("other")

        self.fails(version, server, "key 'lost'")

    def test_is_one_whose_sealed_text_was_moved_from_another(self, server):
        credential = make_credential(hosts=[here(server)])
        version = calling(server, credential)
        Credential.objects.filter(pk=credential.pk).update(sealed=make_credential("grace").sealed)

        self.fails(version, server, "belongs to another row")

    def test_is_one_of_another_workspace_that_a_definition_names_past_the_check(self, server):
        foreign = make_credential("grace", hosts=[here(server)])
        version = calling(server, make_credential(hosts=[here(server)]))
        version.definition["nodes"][1]["credentials"]["default"] = str(foreign.pk)
        WorkflowVersion.objects.filter(pk=version.pk).update(definition=version.definition)

        self.fails(version, server, "may not be used here")

    @pytest.mark.parametrize("by_team", [False, True])
    def test_is_one_of_another_workspace_once_its_grant_is_taken_back(self, server, by_team):
        credential = make_credential("grace", hosts=[here(server)])
        team = Team.objects.create(workspace=credential.workspace, name="shop")
        TeamMember.objects.create(team=team, user=person("ada"))
        party = {"team": team} if by_team else {"user": person("ada")}
        grant = CredentialGrant.objects.create(credential=credential, level="user", **party)
        version = calling(server, credential)
        assert run(version).status == "success"
        server.log.clear()

        if by_team:
            TeamMember.objects.all().delete()
        else:
            unshare_credential(grant=grant)

        self.fails(version, server, "may not be used here")

    def test_is_one_of_another_workspace_once_the_author_is_inactive(self, server):
        credential = make_credential("grace", hosts=[here(server)])
        CredentialGrant.objects.create(credential=credential, level="user", user=person("ada"))
        version = calling(server, credential)
        ada = person("ada")
        ada.is_active = False
        ada.save()

        self.fails(version, server, "may not be used here")

    def test_is_a_failure_like_others(self, server):
        credential = make_credential(hosts=[here(server)])
        version = calling(server, credential, on_error="continue")
        delete_credential(credential=credential)

        execution = run(version)

        assert execution.status == "success"
        assert "credential_unavailable" in json.dumps(execution.output)


def test_keys_may_change_while_executions_run(server, settings):
    settings.CREDENTIAL_KEYS = old = new_key("old")
    version = calling(server, make_credential(hosts=[here(server)]))
    settings.CREDENTIAL_KEYS = f"{new_key('new')},{old}"

    assert run(version).status == "success"
    assert rotate_credentials() == (1, 0)
    assert run(version).status == "success"
