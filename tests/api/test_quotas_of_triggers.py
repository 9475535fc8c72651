"""What schedules, events and webhooks start counts for quotas, and what is refused can be seen where one would look for it."""

import pytest

from apps.core import quotas
from apps.core.quotas import QuotaName
from apps.executions.models import Execution
from apps.quotas.actions import set_quota
from apps.quotas.models import QuotaDay
from apps.triggers.models import ScheduleRun, Webhook, WebhookCall
from apps.triggers.schedules.firing import fire_due
from tests.api.clients import make_workflow
from tests.api.test_events import PAID, listener, send
from tests.api.test_webhooks import Address, definition
from tests.api.workspaces import workspace_of
from tests.factories import make_version
from tests.workers.schedules import make, make_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _at_most_one(ada):
    """An execution a day, in the workspace of ada."""
    set_quota(name=QuotaName.EXECUTIONS_PER_DAY, limit=1, workspace=workspace_of(ada))
    quotas.forget_limits()
    yield
    quotas.forget_limits()


def only_one_started() -> bool:
    return Execution.objects.count() == QuotaDay.objects.get().used == 1


def test_a_webhook_is_refused_and_its_call_kept(ada):
    made = make_workflow(ada, definition())
    address = Address(Webhook.objects.get(workflow=made["id"], is_open=True).token)
    address.send({"n": 1})

    refused = address.send({"n": 2}, status=409).json()

    assert (refused["code"], refused["details"]["limit"]) == ("quota_exceeded", 1)
    kept = WebhookCall.objects.get(state=WebhookCall.State.REFUSED)
    assert kept.error["code"] == "quota_exceeded"
    assert only_one_started()


def test_an_event_tells_of_the_workflow_that_it_could_not_start(ada):
    first, second = (make_workflow(ada, {**listener(), "name": name}) for name in ("first", "second"))

    sent = send(ada, PAID)["events"][0]

    event = ada.get_json(f"/events/{sent['id']}")
    assert len(event["started"]) == 1
    [problem] = event["problems"]
    assert (problem["code"], problem["workflow"]) == ("quota_exceeded", second["id"])
    assert first["id"] == str(Execution.objects.get().workflow_id)
    assert only_one_started()


def test_a_run_of_a_schedule_fails_with_the_reason():
    version = make_version(username="ada")
    first, second = make(version.workflow), make(version.workflow)
    make_due(first, second)

    fire_due()

    ends = sorted((run.state, (run.error or {}).get("code", "")) for run in ScheduleRun.objects.all())
    assert ends == [("failed", "quota_exceeded"), ("started", "")]
    assert only_one_started()
