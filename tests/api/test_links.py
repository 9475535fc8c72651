"""Share links: what they open, to whom, and how they end."""

import io
import logging
import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.core.redaction import RedactingFormatter
from apps.executions.models import Execution
from apps.workflows.models import Grant, ShareLink
from tests.api.clients import ApiClient
from tests.api.workspaces import join, make_named, workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db

START = {"input": {"amount": 5}}


@pytest.fixture
def workflow(ada: ApiClient) -> str:
    return f"/workflows/{make_named(ada, 'order', description='what it does')}"


def make_link(client: ApiClient, workflow: str, level: str = "viewer", **fields) -> str:
    """The token."""
    return client.post_json(f"{workflow}/links", {"level": level, **fields}, 201)["token"]


def test_a_viewer_link_shows_the_published_definition(ada, anonymous, workflow):
    made = ada.post("/api/v1" + f"{workflow}/links", {"level": "viewer", "label": "for Eve"}, format="json")
    assert made.headers["Cache-Control"] == "no-store"
    body = made.json()
    assert body["url"] == f"http://testserver/api/v1/shared/{body['token']}"
    shown = anonymous.get_json(f"/shared/{body['token']}")
    assert (shown["name"], shown["level"], shown["is_startable"]) == ("order", "viewer", False)
    assert shown["definition"]["nodes"][0]["key"] == "start"
    assert shown["inputs"]["properties"]["amount"] == {"type": "number"}
    anonymous.post_json(f"/shared/{body['token']}/executions", START, 403)
    ada.post_json(f"{workflow}/unpublish")
    assert anonymous.get_json(f"/shared/{body['token']}")["definition"] is None


@pytest.mark.django_db(transaction=True)
def test_an_executor_link_starts_and_gives_the_result_and_shows_no_definition(ada, anonymous, workflow):
    token = make_link(ada, workflow, "executor")
    shown = anonymous.get_json(f"/shared/{token}")
    assert (shown["definition"], shown["is_startable"]) == (None, True)

    started = anonymous.post_json(f"/shared/{token}/executions", START, 202)

    assert anonymous.get(started["url"]).json()["status"] == "running"
    drive(UUID(started["id"]))
    result = anonymous.get(started["url"]).json()
    assert (result["status"], result["output"]) == ("success", {"is_large": False})
    assert anonymous.get(f"{started['url']}/output").json() == {"is_large": False}
    execution = Execution.objects.get(pk=started["id"])
    assert (execution.trigger, execution.started_by, execution.priority) == ("link", None, "normal")
    assert ada.get_json(f"/executions/{started['id']}")["trigger"] == "link"


def test_a_link_gives_no_result_but_of_what_it_has_started_itself(ada, anonymous, workflow):
    token, other = make_link(ada, workflow, "executor"), make_link(ada, workflow, "executor")
    started = anonymous.post_json(f"/shared/{other}/executions", START, 202)["id"]
    own = ada.post_json("/executions", {"workflow": workflow.rpartition("/")[2], **START}, 202)["id"]
    for execution in (started, own):
        assert anonymous.get_json(f"/shared/{token}/executions/{execution}", 404)["code"] == "link_not_found"
        anonymous.get_json(f"/shared/{token}/executions/{execution}/output", 404)


def test_a_wrong_input_is_refused_and_no_use(ada, anonymous, workflow):
    token = make_link(ada, workflow, "executor", max_uses=1)
    assert anonymous.post_json(f"/shared/{token}/executions", {"input": {"amount": "much"}}, 422)["code"] == "invalid_input"
    anonymous.post_json(f"/shared/{token}/executions", {"inputs": {}}, 422)
    started = anonymous.post_json(f"/shared/{token}/executions", START, 202)
    anonymous.post_json(f"/shared/{token}/executions", START, 404)
    assert anonymous.get(started["url"]).status_code == 200, "the last use still has its result"
    [row] = ada.get_json(f"{workflow}/links")["results"]
    assert (row["uses"], row["max_uses"], row["last_used_at"] is not None) == (1, 1, True)


def test_an_archived_or_unpublished_workflow_starts_nothing(ada, anonymous, workflow):
    token = make_link(ada, workflow, "executor")
    ada.post_json(f"{workflow}/archive")
    assert anonymous.get_json(f"/shared/{token}")["is_startable"] is False
    assert anonymous.post_json(f"/shared/{token}/executions", START, 409)["code"] == "workflow_archived"
    ada.post_json(f"{workflow}/unarchive")
    ada.post_json(f"{workflow}/unpublish")
    assert anonymous.post_json(f"/shared/{token}/executions", START, 409)["code"] == "workflow_not_published"


def expire(link):
    link.update(expires_at=timezone.now() - timedelta(seconds=1))


def revoke(link):
    link.update(revoked_at=timezone.now())


def use_up(link):
    link.update(max_uses=1, uses=1)


def leave_without_maker(link):
    link.update(created_by=None)


@pytest.mark.parametrize("end", [expire, revoke, use_up, leave_without_maker])
@pytest.mark.parametrize("level", ["viewer", "executor", "editor"])
def test_a_link_that_has_ended_is_as_if_it_never_was(ada, anonymous, workflow, end, level):
    token = make_link(ada, workflow, level, password="correct horse")
    end(ShareLink.objects.all())
    for headers in ({}, {"X-Link-Password": "correct%20horse"}):
        answers = set()
        for sent in (token, "sfl_" + "x" * 32, "x", "%F0%9F%94%91"):
            response = anonymous.get(f"/api/v1/shared/{sent}", headers=headers)
            answers.add((response.status_code, response.content, frozenset(response.headers.items())))
            start = anonymous.post(f"/api/v1/shared/{sent}/executions", START, format="json", headers=headers)
            assert (start.status_code, start.content) == (404, response.content)
            accepted = ada.post(f"/api/v1/shared/{sent}/accept", {}, format="json", headers=headers)
            assert (accepted.status_code, accepted.content) == (404, response.content)
        assert len(answers) == 1
        assert next(iter(answers))[0] == 404


def test_a_revoked_link_stays_in_the_list_and_gives_no_results_any_more(ada, anonymous, workflow):
    token = make_link(ada, workflow, "executor")
    started = anonymous.post_json(f"/shared/{token}/executions", START, 202)
    [row] = ada.get_json(f"{workflow}/links")["results"]
    for _ in range(2):
        ada._call("delete", f"{workflow}/links/{row['id']}", 204)
    anonymous.get_json(f"/shared/{token}", 404)
    assert anonymous.get(started["url"]).status_code == 404
    assert ada.get_json(f"{workflow}/links/{row['id']}")["revoked_at"] is not None


def test_a_link_ends_when_who_made_it_may_share_no_longer(ada, bob, anonymous, workflow):
    join(bob, workspace_of(ada), "admin")
    token = make_link(bob, workflow)
    anonymous.get_json(f"/shared/{token}")
    join(bob, workspace_of(ada), "viewer")
    anonymous.get_json(f"/shared/{token}", 404)
    join(bob, workspace_of(ada), "admin")
    type(bob.user).objects.filter(pk=bob.user.pk).update(is_active=False)
    anonymous.get_json(f"/shared/{token}", 404)


@pytest.mark.django_db(transaction=True)
def test_of_many_requests_for_the_last_uses_as_many_come_through_as_there_are(ada, workflow):
    token = make_link(ada, workflow, "viewer", max_uses=3)
    barrier, statuses = threading.Barrier(8), []

    def use():
        client = ApiClient()
        barrier.wait()
        statuses.append(client.get(f"/api/v1/shared/{token}").status_code)
        connection.close()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(statuses) == [200] * 3 + [404] * 5
    assert ShareLink.objects.get().uses == 3


def test_a_password_is_asked_and_tries_are_limited(ada, anonymous, workflow):
    token = make_link(ada, workflow, "executor", password="Schlüssel 100%")
    path = f"/shared/{token}"
    assert anonymous.get_json(path, 401)["code"] == "link_password_wrong"
    right = {"X-Link-Password": "Schl%C3%BCssel%20100%25"}
    for _ in range(12):  # right ones are no tries
        anonymous.get_json(path, **right)
    started = anonymous.post_json(f"{path}/executions", {**START, "password": "Schlüssel 100%"}, 202)
    assert anonymous.get(started["url"]).status_code == 200
    for _ in range(10):
        anonymous.get_json(path, 401, **{"X-Link-Password": "wrong"})
    assert anonymous.get_json(path, 429, **right)["code"] == "too_many_attempts"
    elsewhere = ApiClient(REMOTE_ADDR="192.0.2.1")
    elsewhere.get_json(path, **right)
    assert "Schl" not in ShareLink.objects.get().password
    assert ada.get_json(f"{workflow}/links")["results"][0]["has_password"] is True


def test_starts_are_limited(ada, anonymous, workflow):
    token = make_link(ada, workflow, "executor")
    for _ in range(30):
        anonymous.post_json(f"/shared/{token}/executions", START, 202)
    anonymous.post_json(f"/shared/{token}/executions", START, 429)
    ApiClient(REMOTE_ADDR="192.0.2.1").post_json(f"/shared/{token}/executions", START, 202)


def test_an_editor_link_gives_a_share_to_whoever_logs_in(ada, bob, anonymous, workflow):
    token = make_link(ada, workflow, "editor", max_uses=1)
    assert anonymous.get_json(f"/shared/{token}", 401)["code"] == "login_needed"
    anonymous.post_json(f"/shared/{token}/executions", START, 401)
    anonymous.post_json(f"/shared/{token}/accept", {}, 401)
    assert ada.post_json(f"/shared/{token}/accept", {})["is_new"] is False
    accepted = bob.post_json(f"/shared/{token}/accept", {})
    assert accepted == {"workflow": workflow.rpartition("/")[2], "is_new": True}
    bob.patch_json(workflow, {"description": "by Bob"})
    assert Grant.objects.get().granted_by == ada.user
    anonymous.get_json(f"/shared/{token}", 404)
    bob.get_json(workflow)  # the share stays


def test_a_viewer_link_gives_no_share(ada, bob, workflow):
    bob.post_json(f"/shared/{make_link(ada, workflow)}/accept", {}, 403)
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"level": "owner"},
        {"level": "viewer", "max_uses": 0},
        {"level": "viewer", "expires_at": "2020-01-01T00:00:00Z"},
        {"level": "viewer", "password": "short"},
        {"level": "viewer", "token": "mine"},
    ],
)
def test_a_wrong_link_is_refused(ada, workflow, body):
    ada.post_json(f"{workflow}/links", body, 422)


def test_answers_go_nowhere_else(ada, anonymous, workflow):
    token = make_link(ada, workflow, "executor")
    started = anonymous.post_json(f"/shared/{token}/executions", START, 202)["url"]
    for path in (f"/api/v1/shared/{token}", started, "/api/v1/shared/unknown", f"/api/v1/shared/{token}/accept"):
        headers = anonymous.get(path).headers
        assert headers["Referrer-Policy"] == "no-referrer", path
        assert headers["X-Robots-Tag"] == "noindex, nofollow", path
        assert headers["Cache-Control"] == "no-store", path


@pytest.mark.django_db(transaction=True)
def test_a_token_stands_in_no_table_no_log_and_no_other_answer(ada, anonymous, workflow):
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(RedactingFormatter("{message}", style="{"))
    logging.getLogger().addHandler(handler)
    try:
        token = make_link(ada, workflow, "executor", password="correct horse")
        password = {"X-Link-Password": "correct%20horse"}
        started = anonymous.post_json(f"/shared/{token}/executions", START, 202, **password)
        drive(UUID(started["id"]))
        anonymous.get(started["url"])
        anonymous.get_json(f"/shared/{token}", 401)
        anonymous.post_json(f"/shared/{token}/executions", {"input": 1}, 422, **password)
        anonymous.get(f"/api/v1/shared/{token}/nothing")
        anonymous.get(f"/api/v1/shared/{token}/")
    finally:
        logging.getLogger().removeHandler(handler)
    assert "shared/sfl_…" in said.getvalue(), "something was logged"
    assert token not in said.getvalue()
    for path in (f"{workflow}/links", workflow, f"/executions/{started['id']}", f"/executions/{started['id']}/events"):
        assert token not in ada.get(f"/api/v1{path}").content.decode()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'select count(*) from "{table}" as kept where kept::text like %s', [f"%{token}%"])
            assert cursor.fetchone()[0] == 0, table


def test_every_log_of_an_installation_is_redacted():
    formatters = {name: each.get("class") for name, each in settings.LOGGING["formatters"].items()}
    assert formatters == {"line": "apps.core.redaction.RedactingFormatter"}


def test_links_are_listed_in_the_same_queries_however_many(ada, workflow, django_assert_num_queries):
    make_link(ada, workflow)
    with django_assert_num_queries(4):  # the person, shares, the workflow, the links
        ada.get_json(f"{workflow}/links")
    for _ in range(20):
        make_link(ada, workflow)
    with django_assert_num_queries(4):
        assert len(ada.get_json(f"{workflow}/links")["results"]) == 21


def test_a_link_of_another_workflow_cannot_be_reached_through_ones_own(ada, bob, workflow):
    theirs = f"/workflows/{make_named(bob, 'theirs')}"
    make_link(bob, theirs)
    link = ShareLink.objects.get().pk
    ada._call("delete", f"{workflow}/links/{link}", 404)
    ada.get_json(f"{theirs}/links", 404)
    assert ShareLink.objects.get().revoked_at is None
