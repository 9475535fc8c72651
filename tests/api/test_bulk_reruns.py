"""Running many executions again."""

from uuid import UUID

import pytest

from apps.accounts.models import Membership
from apps.executions.bulk_reruns import advance_bulk_reruns
from apps.executions.connection import fetch
from apps.executions.models import BulkRerun, BulkRerunItem, Execution
from tests.api.clients import make_workflow
from tests.api.workspaces import join, workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

FAST = {"rate_per_minute": 6000}


def definition(divisor):
    half = {"key": "half", "type": "data.set", "config": {"values": {"n": f"${{10 / {divisor}}}"}}}
    return {
        "name": "halves",
        "nodes": [{"key": "start", "type": "trigger.manual"}, half],
        "edges": [{"source": "start", "target": "half"}],
    }


@pytest.fixture
def workflow(ada):
    """One whose newest version works for every amount but 13, and whose published one for none."""
    workflow = make_workflow(ada, definition(0))
    ada.post_json(f"/workflows/{workflow['id']}/versions", {"definition": definition("(input.amount - 13)")}, 201)
    return workflow


@pytest.fixture
def failed(ada, workflow):
    return [run(ada, workflow, amount=amount) for amount in range(4)]


def run(client, workflow, **input):
    started = client.post_json("/executions", {"workflow": workflow["id"], "input": input}, 202)
    assert drive(UUID(started["id"])).status == "failed"
    return started["id"]


def begin(client, status=202, **body):
    return client.post_json("/executions/rerun-bulk", {"version": "newest", **FAST, **body}, status)


def let_time_pass():
    fetch("update bulk_rerun set next_at = next_at - interval '1 minute' returning 1 as one", {})


def advance() -> list[str]:
    """One sweep; returns the old executions that it ran again, oldest first, their re-runs driven to the end."""
    before = set(Execution.objects.values_list("id", flat=True))
    advance_bulk_reruns()
    made = Execution.objects.exclude(id__in=before).order_by("rerun_of__created_at")
    for one in made:
        drive(one.id)
    return [str(one.rerun_of_id) for one in made]


def test_the_first_must_succeed_before_the_rest_begins(ada, failed):
    bulk = begin(ada, canary=2)
    assert (bulk["status"], bulk["total"], bulk["waiting"]) == ("running", 4, 4)

    let_time_pass()
    assert advance() == failed[:2]
    let_time_pass()
    assert advance() == failed[2:]
    advance()

    found = ada.get_json(f"/executions/rerun-bulk/{bulk['id']}")
    assert (found["status"], found["success"], found["failed"], found["failures"]) == ("done", 4, 0, [])
    assert found["finished_at"] is not None
    assert ada.get_json("/executions/rerun-bulk")["results"][0]["success"] == 4


def test_the_rest_waits_while_the_first_still_runs(ada, failed):
    begin(ada, canary=1)
    advance_bulk_reruns()
    let_time_pass()
    advance_bulk_reruns()
    assert Execution.objects.filter(rerun_of__isnull=False).count() == 1


def test_a_canary_that_fails_stops_it_with_a_reason(ada, failed):
    bulk = begin(ada, version="published", canary=1, max_failures=3)
    assert len(advance()) == 1
    let_time_pass()
    assert advance() == []

    found = ada.get_json(f"/executions/rerun-bulk/{bulk['id']}")
    assert (found["status"], found["reason"], found["failed"], found["waiting"]) == ("stopped", "canary_failed", 1, 3)
    assert found["failures"][0]["execution"] == failed[0]


def test_more_failures_than_allowed_stop_it(ada, workflow, failed):
    for _ in range(3):
        failed.append(run(ada, workflow, amount=13))
    bulk = begin(ada, canary=1, max_failures=1)
    for _ in range(6):
        advance()
        let_time_pass()

    found = ada.get_json(f"/executions/rerun-bulk/{bulk['id']}")
    assert (found["status"], found["reason"]) == ("stopped", "too_many_failures")
    assert found["success"] == 4


def test_it_begins_no_more_than_the_rate_allows(ada, failed):
    begin(ada, canary=0, rate_per_minute=1)
    assert len(advance()) == 1
    assert advance() == []
    let_time_pass()
    let_time_pass()
    let_time_pass()
    assert len(advance()) == 1, "what was missed is not made up for at once"


def test_what_a_dead_sweeper_had_taken_is_started_once(ada, failed):
    begin(ada, canary=0, rate_per_minute=1)
    rows = fetch("select * from bulk_rerun_step_v1(20, interval '60 s')", {})
    assert len(rows) == 1  # and here the sweeper dies
    fetch("update bulk_rerun_item set claimed_at = claimed_at - interval '2 min' where status = 'starting' returning 1 as one", {})
    for _ in range(6):
        let_time_pass()
        advance()
    assert Execution.objects.filter(rerun_of__isnull=False).count() == 4

    # The other way to die: it has started the execution, and not noted it.
    BulkRerun.objects.update(status="running", finished_at=None)
    BulkRerunItem.objects.update(status="waiting")
    for _ in range(6):
        let_time_pass()
        advance()
    assert Execution.objects.filter(rerun_of__isnull=False).count() == 4
    assert BulkRerun.objects.get().status == "done"


def test_one_that_cannot_be_run_again_counts_as_failed_and_says_why(ada, workflow, failed):
    bulk = begin(ada, canary=0, **{"from": "nowhere"})
    advance()
    found = ada.get_json(f"/executions/rerun-bulk/{bulk['id']}")
    assert (found["failures"][0]["status"], found["failures"][0]["error"]["code"]) == ("refused", "unknown_node")


def test_a_cancelled_one_begins_nothing_more(ada, failed):
    bulk = begin(ada)
    path = f"/executions/rerun-bulk/{bulk['id']}/cancel"
    assert ada.post_json(path)["status"] == "cancelled"
    assert advance() == []
    assert ada.post_json(path, None, 409)["details"] == {"status": "cancelled"}


def test_it_stops_when_the_person_may_no_longer_run_workflows(ada, bob, failed):
    join(bob, workspace_of(ada), "operator")
    bulk = begin(bob, workspace=str(workspace_of(ada).pk))
    Membership.objects.filter(user=bob.user, workspace=workspace_of(ada)).delete()

    assert advance() == []

    assert ada.get_json(f"/executions/rerun-bulk/{bulk['id']}")["reason"] == "not_allowed"


def test_the_filters_are_those_of_the_list(ada, workflow, failed):
    assert begin(ada, filters={"created_after": ada.get_json(f"/executions/{failed[2]}")["created_at"]})["total"] == 2
    assert begin(ada, 422, filters={"status": "success"})["code"] == "nothing_matches"
    assert begin(ada, 422, filters={"statuses": "failed"})["details"]["errors"][0]["pointer"] == "/filters/statuses"
    assert begin(ada, 422, canary=-1)["details"]["errors"][0]["pointer"] == "/canary"
    assert begin(ada, 422, rate_per_minute=0)["details"]["errors"][0]["pointer"] == "/rate_per_minute"


def test_who_may_not_run_workflows_of_the_workspace_may_not(ada, bob, failed):
    bulk = begin(ada)
    workspace = str(workspace_of(ada).pk)
    begin(bob, 404, workspace=workspace)
    bob.get_json(f"/executions/rerun-bulk/{bulk['id']}", 404)
    bob.post_json(f"/executions/rerun-bulk/{bulk['id']}/cancel", None, 404)
    assert bob.get_json("/executions/rerun-bulk")["results"] == []

    join(bob, workspace_of(ada), "viewer")
    assert begin(bob, 403, workspace=workspace)["details"]["permission"] == "workflow.run"
    bob.get_json(f"/executions/rerun-bulk/{bulk['id']}")
    bob.post_json(f"/executions/rerun-bulk/{bulk['id']}/cancel", None, 403)
