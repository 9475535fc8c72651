"""Pages of the admin about what waits, follows, and runs again say it in words."""

from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.executions.models import BulkRerun, ExecutionLimit, Iteration, ReceivedEvent
from tests.api.clients import ApiClient
from tests.api.test_loops import started
from tests.api.workspaces import workspace_of
from tests.workers.driving import drive
from tests.workers.test_loops import fails_at, foreach, inside
from tests.workers.test_runner import START, document

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {"kind": "installation", "workspace": "", "user": "", "max_running": "3", "max_seconds": ""}


@pytest.fixture
def browser(client: Client, operator: ApiClient) -> Client:
    client.force_login(operator.user)
    return client


def text(browser: Client, path: str) -> str:
    return browser.get(f"/admin/executions/{path}").content.decode()


def test_an_iteration_says_what_failed_and_leads_to_its_node_runs(browser, ada):
    nodes = {"start": START, "each": foreach([1, 2], on_failure="collect"), "work": inside("each", fails_at("item == 2"))}
    execution = started(ada, document(nodes, "start -> each"))
    drive(UUID(execution))
    failed = Iteration.objects.get(execution=execution, status="failed")
    page = text(browser, f"iteration/{failed.pk}/change/")

    assert "work: " in page
    assert "Begins" not in page
    assert "1 result" in text(browser, f"noderun/?q={execution}&path__exact={failed.path}")
    assert f"q={execution}&amp;path__exact={failed.path}" in page


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"woken": 2, "delivered_at": "2030-01-01T00:00Z"}, "woke 2"),
        ({"delivered_at": "2030-01-01T00:00Z"}, "nobody waited"),
        ({}, "waits"),
    ],
)
def test_an_event_says_what_became_of_it(made, said, browser, ada):
    event = ReceivedEvent.objects.create(
        workspace=workspace_of(ada), event="paid", waits_for="event:paid", created_at="2030-01-01T00:00Z", **made
    )

    for path in ("receivedevent/", f"receivedevent/{event.pk}/change/"):
        assert f"</span>{said}</span>" in text(browser, path)


def test_a_bulk_rerun_says_why_it_stopped(browser, ada):
    bulk = BulkRerun.objects.create(
        workspace=workspace_of(ada),
        origin="failed",
        version="same",
        rate_per_minute=60,
        canary=1,
        max_failures=0,
        total=5,
        status="stopped",
        reason="canary_failed",
    )

    for path in ("bulkrerun/", f"bulkrerun/{bulk.pk}/change/"):
        page = text(browser, path)
        assert "one of the first failed" in page
        assert "what failed" in page
        assert "canary_failed" not in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "workspace"}, "Choose the workspace"),
        ({"kind": "user"}, "Choose the workspace"),
        ({"workspace": "mine"}, "A limit of the installation is of no workspace"),
        ({"kind": "workspace", "workspace": "mine", "user": "me"}, "Only a limit of a person"),
        ({"kind": "user", "workspace": "mine", "max_seconds": "5"}, "The run time is limited for a workspace"),
    ],
)
def test_a_limit_that_does_not_fit_its_kind_is_refused_at_its_field(wrong, said, browser, ada):
    known: dict[str, Any] = {"mine": str(workspace_of(ada).pk), "me": str(ada.user.pk)}
    given = FORM | {name: known.get(value, value) for name, value in wrong.items()}
    answer = browser.post("/admin/executions/executionlimit/add/", given)

    assert said in answer.content.decode()
    assert "execution_limit_names_its_kind" not in answer.content.decode()
    assert not ExecutionLimit.objects.exists()


def test_a_limit_that_fits_its_kind_is_kept(browser):
    assert browser.post("/admin/executions/executionlimit/add/", FORM).status_code == 302
    assert ExecutionLimit.objects.get().max_running == 3
