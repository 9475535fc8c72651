"""Two people who answer one task at the same time, by two requests to the real web process: one of them wins, and the other is told so."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from django.db import transaction

from apps.audit.models import AuditEntry
from apps.executions.connection import fetch
from apps.executions.models import Execution, ExecutionEvent
from apps.tasks.models import Decision, HumanTask
from tests.api.clients import ApiClient
from tests.api.test_tasks import ask, enter
from tests.api.workspaces import workspace_of
from tests.processes import wait_for
from tests.realtime.web import WITHIN_SECONDS, web
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

BLOCKED = "select count(*) as found from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture
def task(ada, bob) -> int:
    """Offered to both."""
    enter(bob, workspace_of(ada))
    return ask(ada, candidate_users=["ada", "bob"])


def race(rows: Any, clients: list[ApiClient], method: str, path: str, body: Any = None) -> dict[str, httpx2.Response]:
    """{username: answer}. Both requests are under way, and wait for the lock on these rows, before either of them gets it."""

    def send(client: ApiClient) -> httpx2.Response:
        headers = {"Authorization": client.defaults["HTTP_AUTHORIZATION"]}
        return httpx2.request(method, f"{address}{path}", headers=headers, json=body, timeout=WITHIN_SECONDS, trust_env=False)

    with web() as address, ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            rows.select_for_update().get()
            sent = {client.user.username: pool.submit(send, client) for client in clients}
            wait_for(lambda: fetch(BLOCKED, {})[0]["found"] == 2, within_seconds=WITHIN_SECONDS)
        return {name: each.result(WITHIN_SECONDS) for name, each in sent.items()}


def won_and_lost(answers: dict[str, httpx2.Response]) -> tuple[str, dict[str, Any]]:
    """Who won, and what the other was told."""
    [winner] = [name for name, answer in answers.items() if answer.status_code == 200]
    [refused] = [answer for answer in answers.values() if answer.status_code == 409]
    return winner, refused.json()


def test_of_two_who_claim_at_once_one_wins_and_the_other_learns_who(ada, bob, task):
    winner, refused = won_and_lost(race(HumanTask.objects.filter(pk=task), [ada, bob], "POST", f"/tasks/{task}/claim"))

    assert (refused["code"], refused["details"]) == ("already_claimed", {"assignee": winner})
    assert refused["message"] == f"{winner} has claimed the task."
    assert HumanTask.objects.get(pk=task).assignee.username == winner
    assert list(AuditEntry.objects.filter(verb="task.claimed").values_list("actor__username", flat=True)) == [winner]


def test_of_two_who_complete_at_once_one_counts(ada, bob, task):
    execution = Execution.objects.filter(pk=HumanTask.objects.get(pk=task).execution_id)
    body = {"variables": {"approved": True}}
    winner, refused = won_and_lost(race(execution, [ada, bob], "PUT", f"/tasks/{task}/complete", body))

    assert (refused["code"], refused["details"]) == ("task_closed", {"status": "completed"})
    assert list(Decision.objects.values_list("user__username", flat=True)) == [winner]
    assert list(AuditEntry.objects.filter(verb="task.decided").values_list("actor__username", flat=True)) == [winner]
    assert drive(execution.get().pk).output == {"approved": True}
    assert of_the_task(execution.get()) == ["waiting", "success"]


def of_the_task(execution: Execution) -> list[str]:
    """What history says of the node that asks: each status that it has had."""
    rows = ExecutionEvent.objects.filter(execution=execution).order_by("sequence").values_list("changes", flat=True)
    return [change["status"] for changes in rows for change in changes if change["key"] == "ask"]
