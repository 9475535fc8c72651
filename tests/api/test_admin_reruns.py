"""Running executions again in the admin."""

from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.executions.actions import start_execution
from apps.executions.bulk_reruns import advance_bulk_reruns
from apps.executions.models import BulkRerun, Execution, NodeRun
from tests.factories import make_version
from tests.workers.driving import drive
from tests.workers.test_runner import FAIL, START, document, put

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(db) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def failed() -> UUID:
    version = make_version(document({"start": START, "work": put(x=1), "broken": FAIL}, "start -> work -> broken"))
    return drive(start_execution(workflow=version.workflow).execution_id).id


def page(browser: Client, execution: UUID) -> str:
    return browser.get(reverse("admin:executions_execution_change", args=[execution])).content.decode()


def test_the_page_of_an_ended_execution_runs_it_again(browser, failed):
    assert "Run again from where it stopped" in page(browser, failed)

    answer = browser.post(reverse("admin:execution_rerun", args=[failed]), {"from": "failed"})

    made = Execution.objects.get(rerun_of=failed)
    assert answer.headers["Location"] == reverse("admin:executions_execution_change", args=[made.id])
    shown = page(browser, made.id)
    assert str(failed) in shown
    assert "reused" in shown
    assert "Run again" not in shown, "it runs"


def test_the_page_of_a_node_run_runs_again_from_there(browser, failed):
    run = NodeRun.objects.get(execution=failed, key="work")
    assert "Run again from here" in browser.get(reverse("admin:executions_noderun_change", args=[run.id])).content.decode()
    browser.post(reverse("admin:execution_rerun", args=[failed]), {"node": "work"})
    made = Execution.objects.get(rerun_of=failed)
    assert dict(made.node_runs.values_list("key", "origin")) == {"start": "reused", "work": None}
    reused = made.node_runs.get(key="start")
    assert str(failed) in browser.get(reverse("admin:executions_noderun_change", args=[reused.id])).content.decode()


def test_what_cannot_be_run_again_says_why(browser, failed):
    answer = browser.post(reverse("admin:execution_rerun", args=[failed]), {"node": "nowhere"}, follow=True)
    assert "has no node" in answer.content.decode()
    assert browser.post(reverse("admin:execution_rerun", args=[failed]), {"from": "elsewhere"}).status_code == 404


def test_selected_executions_are_run_again_in_bulk_and_can_be_cancelled(browser, failed):
    body = {"action": "rerun_selected", "_selected_action": [str(failed)]}
    browser.post(reverse("admin:executions_execution_changelist"), body)
    bulk = BulkRerun.objects.get()
    assert (bulk.total, bulk.origin, bulk.status) == (1, "failed", "running")

    advance_bulk_reruns()
    url = reverse("admin:executions_bulkrerun_change", args=[bulk.id])
    assert str(Execution.objects.get(rerun_of=failed).id) in browser.get(url).content.decode()
    assert "running" in browser.get(reverse("admin:executions_bulkrerun_changelist")).content.decode()

    browser.post(reverse("admin:bulk_rerun_cancel", args=[bulk.id]))
    bulk.refresh_from_db()
    assert bulk.status == "cancelled"
    assert "Begin nothing more" not in browser.get(url).content.decode()


def test_staff_who_may_only_look_run_nothing_again(failed):
    looker = User.objects.create_user("looker", is_staff=True)
    client = Client()
    client.force_login(looker)
    assert client.post(reverse("admin:execution_rerun", args=[failed]), {"from": "start"}).status_code == 403
    assert not Execution.objects.filter(rerun_of=failed).exists()
