"""The templates that something starts: called at their real address, and by events that really happened."""

import threading
from collections.abc import Iterator

import httpx2
import pytest
from django.db import connection

from apps.accounts.queries import personal_workspace
from apps.executions.models import Execution
from apps.templates.actions import use_template
from apps.templates.languages import ENGLISH
from apps.templates.models import WorkflowTemplate
from apps.templates.system import system_templates
from apps.triggers.events.delivering import deliver_due
from apps.triggers.models import Webhook
from apps.workflows.models import Workflow
from tests.api.clients import make_workflow
from tests.realtime.web import WITHIN_SECONDS, web
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = system_templates()["order-webhook"].sample_input["body"]


def made_of(slug, client) -> Workflow:
    template = WorkflowTemplate.objects.get(slug=slug)
    made = use_template(
        template=template, workspace=personal_workspace(client.user), language=ENGLISH, publish=True, created_by=client.user
    )
    return made.version.workflow


@pytest.fixture
def worker() -> Iterator[None]:
    """Runs the first execution that comes."""
    over = threading.Event()

    def run() -> None:
        while (execution_id := Execution.objects.values_list("pk", flat=True).first()) is None and not over.is_set():
            pass
        if execution_id is not None:
            drive(execution_id)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    over.set()
    thread.join(WITHIN_SECONDS)


ANSWERS = [
    ({}, 201, {"order_id": "SO-1", "accepted": True, "total": 144.5}),
    (
        {"country": "XX", "lines": [{"sku": "KB-200", "quantity": 0, "price": 60}, {"sku": "MN-2700", "quantity": 20, "price": 620}]},
        422,
        {"order_id": "SO-1", "accepted": False, "reasons": ["KB-200 has no quantity", "nothing is sent to XX", "the total is over 5000"]},
    ),
]


@pytest.mark.parametrize(("change", "status", "body"), ANSWERS, ids=["right", "wrong"])
def test_the_webhook_answers_an_order_at_its_address(ada, worker, change, status, body):
    made_of("order-webhook", ada)
    with web() as api:
        address = api.removesuffix("/api/v1") + f"/hooks/{Webhook.objects.get(is_open=True).token}"
        answer = httpx2.post(address, json={**ORDER, **change}, timeout=WITHIN_SECONDS, trust_env=False)

    assert (answer.status_code, answer.json()) == (status, body)


def test_an_answer_that_is_committed_with_the_end_is_found_also_between_two_looks(ada, client):
    made_of("order-webhook", ada)
    token = Webhook.objects.get(is_open=True).token
    looked = threading.Event()

    def end_after_first_look(execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if 'FROM "node_run"' in sql and not looked.is_set():
            looked.set()
            thread = threading.Thread(target=lambda: (drive(Execution.objects.get().pk), connection.close()))
            thread.start()
            thread.join(WITHIN_SECONDS)
        return found

    with connection.execute_wrapper(end_after_first_look):
        answer = client.post(f"/hooks/{token}", ORDER, content_type="application/json")

    assert looked.is_set()
    assert (answer.status_code, answer.json()["accepted"]) == (201, True)


def test_an_order_without_lines_is_refused_with_its_place_before_anything_starts(ada, client):
    made_of("order-webhook", ada)
    token = Webhook.objects.get(is_open=True).token
    answer = client.post(f"/hooks/{token}", {**ORDER, "lines": []}, content_type="application/json")

    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["details"]["errors"]] == ["/body/lines"]
    assert not Execution.objects.exists()


def test_the_watch_is_started_by_executions_that_failed_and_by_no_others(ada):
    watch = made_of("failure-watch", ada)
    failing = {"key": "stop", "type": "control.fail", "config": {"message": "no", "code": "timeout"}}
    for name, nodes, edges in (("well", [], []), ("ill", [failing], [{"source": "start", "target": "stop"}])):
        definition = {"name": name, "nodes": [{"key": "start", "type": "trigger.manual"}, *nodes], "edges": edges}
        workflow = make_workflow(ada, definition)["id"]
        drive(ada.post_json("/executions", {"workflow": workflow}, 202)["id"])

    assert deliver_due() == 2
    started = Execution.objects.get(workflow=watch)
    failed = Execution.objects.get(workflow__name="ill")
    assert (failed.status, started.trigger) == ("failed", "event")
    assert drive(started.pk).output == {
        "title": "ill, version 1: timeout",
        "execution": str(failed.pk),
        "owner": "operations",
        "advice": "Run it again once the other side is well.",
    }
    assert deliver_due() == 1, "its own end is an event as well"
    assert Execution.objects.filter(workflow=watch).count() == 1
