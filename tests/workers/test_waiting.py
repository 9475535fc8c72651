"""Node runs that wait for an instant, an event or a request, and what wakes them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.engine.json_values import JsonTooLargeError
from apps.executions import waking
from apps.executions.actions import Start, cancel_execution, pause_execution, resume_execution, start_execution, start_executions
from apps.executions.connection import fetch
from apps.executions.models import Execution, NodeRun, ReceivedEvent
from apps.executions.tokens import Place, ResumeTokenNotFoundError, read_token, resume_token
from apps.executions.waking import AlreadyResumedError, InvalidEventError, TooManyKeptError, WaitIsOverError, resume_by_token, send_event
from tests.factories import make_version, make_workspace
from tests.workers.driving import drive, statuses, step
from tests.workers.test_runner import START, document, put
from tests.workers.test_sweepers import redis, sent, sweeper  # noqa: F401  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)

REQUEST = {"method": "POST", "query": {}, "headers": {}, "body": {"approved": True}}


def node(kind: str, **config: Any) -> dict[str, Any]:
    return {"type": f"control.{kind}", "config": config}


def waiting(wait: dict[str, Any], input: dict[str, Any] | None = None, *, edges: tuple[str, ...] = (), **nodes: Any) -> UUID:
    """An execution whose node `wait` waits, or has ended."""
    version = make_version(document({"start": START, "wait": wait, **nodes}, "start -> wait", *edges))
    execution_id = start_execution(workflow=version.workflow, input=input).execution_id
    step(execution_id)
    return execution_id


def row(execution_id: UUID) -> NodeRun:
    return NodeRun.objects.get(execution_id=execution_id, key="wait")


def workspace_of(execution_id: UUID):
    return Execution.objects.select_related("workspace").get(pk=execution_id).workspace


def send(execution_id: UUID, event: str = "order.paid", **values: Any) -> waking.Sent:
    return send_event(workspace=workspace_of(execution_id), event=event, **values)


def let_time_pass(execution_id: UUID) -> None:
    fetch(
        "update node_run set wake_at = clock_timestamp() where execution_id = %(e)s and wake_at is not null returning 1 as x",
        {"e": execution_id},
    )


class TestInstants:
    def test_an_instant_to_come_is_waited_for_and_one_that_has_passed_is_not(self, sweeper, sent):  # noqa: F811
        to_come = timezone.now() + timedelta(hours=1)
        later = waiting(node("wait_until", instant="${input.due_at}"), {"due_at": to_come.isoformat()})
        passed = waiting(node("wait_until", instant="${input.due_at}"), {"due_at": 86_400})

        sweeper.wake()

        assert (statuses(later)["wait"], row(later).wake_at) == ("waiting", to_come)
        assert drive(passed).output["instant"] == datetime(1970, 1, 2, tzinfo=UTC).isoformat()

    @pytest.mark.parametrize("value", ["tomorrow", "2030-01-01T00:00:00", "", "1700000000", True, None, [], {}, 1e30])
    def test_what_is_no_instant_fails_with_its_code(self, value):
        execution_id = waiting(node("wait_until", instant="${input.due_at}"), {"due_at": value})

        execution = Execution.objects.get(pk=execution_id)
        assert (execution.status, execution.error["code"]) == ("failed", "invalid_instant")
        assert "Expected an instant" in execution.error["message"]


class TestEvents:
    def test_the_payload_of_the_first_that_matches_is_the_output(self):
        execution_id = waiting(node("wait_event", event="order.paid", correlation_key="${input.id}"), {"id": 17})
        assert row(execution_id).waits_for == "event:order.paid:17"

        assert send(execution_id, correlation_key="18").woken == 0
        assert send(execution_id, "order.lost", correlation_key="17").woken == 0
        assert send(execution_id, correlation_key="17", payload={"amount": 3}).woken == 1
        assert send(execution_id, correlation_key="17", payload={"amount": 4}).woken == 0

        execution = drive(execution_id)
        assert (execution.status, execution.output) == ("success", {"amount": 3})

    @pytest.mark.parametrize("payload", [None, 0, "", [], {"payload": None}])
    def test_any_json_is_a_payload(self, payload):
        execution_id = waiting(node("wait_event", event="order.paid"))

        send(execution_id, payload=payload)

        assert drive(execution_id).output == payload

    def test_it_wakes_everybody_who_waits_for_it_in_its_workspace_and_nobody_else(self, sent):  # noqa: F811
        wait = document({"start": START, "wait": node("wait_event", event="tick")}, "start -> wait")
        ours, theirs = make_version(wait), make_version(wait, username="bob")
        started = [each.execution_id for each in start_executions(workflow=ours.workflow, starts=[Start()] * 3)]
        foreign = start_execution(workflow=theirs.workflow).execution_id
        for execution_id in (*started, foreign):
            step(execution_id)
        sent.clear()

        assert send_event(workspace=make_workspace("ada"), event="tick").woken == 3

        assert sent == ["wait"] * 3
        assert [statuses(execution_id)["wait"] for execution_id in started] == ["queued"] * 3
        assert statuses(foreign)["wait"] == "waiting"

    def test_each_of_two_nodes_takes_an_event_of_its_own(self):
        execution_id = waiting(node("wait_event", event="tick"), second=node("wait_event", event="tick"), edges=("wait -> second",))

        assert send(execution_id, "tick", payload=1).woken == 1
        drive(execution_id)
        assert statuses(execution_id)["second"] == "waiting"
        assert send(execution_id, "tick", payload=2).woken == 1

        assert drive(execution_id).output == 2

    def test_one_that_came_before_passes_by_unless_it_is_kept(self, sweeper):  # noqa: F811
        workspace = make_workspace("ada")
        assert send_event(workspace=workspace, event="tick").is_delivered
        kept = send_event(workspace=workspace, event="tick", payload="kept", keep_seconds=60)
        assert (kept.woken, kept.is_delivered) == (0, False)
        execution_id = waiting(node("wait_event", event="tick"))
        second = waiting(node("wait_event", event="tick", correlation_key="other"))
        assert statuses(execution_id)["wait"] == "waiting"

        assert sweeper.deliver_events() == 1
        assert sweeper.deliver_events() == 0

        assert drive(execution_id).output == "kept"
        assert statuses(second)["wait"] == "waiting"
        assert ReceivedEvent.objects.get(pk=kept.event_id).delivered_at is not None

    def test_a_kept_event_is_dropped_when_its_time_is_over(self, sweeper):  # noqa: F811
        kept = send_event(workspace=make_workspace("ada"), event="tick", keep_seconds=60)
        ReceivedEvent.objects.filter(pk=kept.event_id).update(keep_until=timezone.now() - timedelta(seconds=1))
        execution_id = waiting(node("wait_event", event="tick"))

        sweeper.deliver_events()

        assert statuses(execution_id)["wait"] == "waiting"
        assert ReceivedEvent.objects.get(pk=kept.event_id).delivered_at is not None

    def test_a_workspace_keeps_so_many_and_no_more(self, monkeypatch):
        monkeypatch.setattr(waking, "MAX_KEPT", 2)
        for _ in range(2):
            send_event(workspace=make_workspace("ada"), event="tick", keep_seconds=60)

        with pytest.raises(TooManyKeptError):
            send_event(workspace=make_workspace("ada"), event="tick", keep_seconds=60)
        send_event(workspace=make_workspace("bob"), event="tick", keep_seconds=60)

    def test_the_same_idempotency_key_wakes_once(self):
        execution_id = waiting(node("wait_event", event="tick"), second=node("wait_event", event="tick"), edges=("wait -> second",))
        first = send(execution_id, "tick", payload=1, idempotency_key="a")
        drive(execution_id)

        again = send(execution_id, "tick", payload=2, idempotency_key="a")

        assert (again.event_id, again.created, again.woken) == (first.event_id, False, 1)
        assert statuses(execution_id)["second"] == "waiting"

    def test_a_call_that_is_repeated_after_a_lost_answer_is_the_same_event(self, monkeypatch):
        execution_id = waiting(node("wait_event", event="tick"), second=node("wait_event", event="tick"), edges=("wait -> second",))
        fixed = uuid4()
        monkeypatch.setattr(waking, "uuid7", lambda: fixed)

        assert send(execution_id, "tick").woken == 1
        drive(execution_id)
        assert send(execution_id, "tick").woken == 1

        assert statuses(execution_id)["second"] == "waiting"

    def test_a_delivery_that_broke_off_is_finished_by_a_sweeper(self, monkeypatch, sweeper):  # noqa: F811
        version = make_version(document({"start": START, "wait": node("wait_event", event="tick")}, "start -> wait"))
        ids = [each.execution_id for each in start_executions(workflow=version.workflow, starts=[Start()] * 7)]
        for execution_id in ids:
            step(execution_id)
        monkeypatch.setattr(waking, "BATCH", 3)
        monkeypatch.setattr(waking, "_deliver_rest", lambda event_id, result: result)  # dies after its first statement
        assert send(ids[0], "tick").woken == 3
        monkeypatch.undo()
        late = waiting(node("wait_event", event="tick"))
        ReceivedEvent.objects.update(created_at=timezone.now() - timedelta(seconds=3))
        NodeRun.objects.filter(execution_id__in=ids, key="wait").update(started_at=timezone.now() - timedelta(seconds=4))

        assert sweeper.deliver_events() == 7

        assert {statuses(execution_id)["wait"] for execution_id in ids} == {"queued"}
        assert statuses(late)["wait"] == "waiting", "it began to wait after the event"

    def test_a_limit_of_time_leads_to_its_port_or_to_a_failure(self, sweeper):  # noqa: F811
        connected = waiting(node("wait_event", event="tick", timeout_seconds=60), late=put(late=True), edges=("wait:timeout -> late",))
        alone = waiting(node("wait_event", event="tick", timeout_seconds=60))
        for execution_id in (connected, alone):
            let_time_pass(execution_id)
        sweeper.wake()

        assert send(connected, "tick").woken == 0, "its time was over"
        assert drive(connected).output == {"late": True}
        assert drive(alone).error["code"] == "wait_timed_out"

    def test_a_paused_execution_is_woken_and_goes_on_when_it_is_resumed(self):
        execution_id = waiting(node("wait_event", event="tick"))
        pause_execution(execution_id=execution_id)

        assert send(execution_id, "tick", payload=1).woken == 1
        assert drive(execution_id, rounds=3).status == "paused"
        resume_execution(execution_id=execution_id)

        assert drive(execution_id).output == 1

    def test_a_cancelled_execution_is_not_woken(self):
        execution_id = waiting(node("wait_event", event="tick"))
        cancel_execution(execution_id=execution_id)

        assert send(execution_id, "tick").woken == 0

    @pytest.mark.parametrize(
        ("values", "pointer"),
        [
            ({"event": "no name"}, "/event"),
            ({"event": "a:b"}, "/event"),
            ({"event": "x" * 129}, "/event"),
            ({"event": "a", "correlation_key": {}}, "/correlation_key"),
            ({"event": "a", "correlation_key": True}, "/correlation_key"),
            ({"event": "a", "correlation_key": "x" * 256}, "/correlation_key"),
        ],
    )
    def test_what_is_no_event_is_refused(self, values, pointer):
        with pytest.raises(InvalidEventError) as caught:
            send_event(workspace=make_workspace("ada"), **values)
        assert caught.value.details["pointer"] == pointer

    def test_a_payload_that_is_too_large_is_refused(self):
        with pytest.raises(JsonTooLargeError):
            send_event(workspace=make_workspace("ada"), event="a", payload="x" * waking.MAX_PAYLOAD_BYTES)

    @pytest.mark.parametrize(
        ("config", "code"),
        [({"event": "${input.it}"}, "invalid_event"), ({"event": "a", "correlation_key": "${input.it}"}, "invalid_correlation_key")],
    )
    def test_a_node_that_waits_for_no_event_fails_with_its_code(self, config, code):
        execution_id = waiting(node("wait_event", **config), {"it": "no name" if code == "invalid_event" else ["x"]})

        assert Execution.objects.get(pk=execution_id).error["code"] == code


class TestWebhooks:
    @staticmethod
    def token(execution_id: UUID, key: str = "wait") -> str:
        return resume_token(Place(execution_id, key, ""))

    def test_a_request_resumes_once(self):
        execution_id = waiting(node("wait_webhook"))

        resume_by_token(token=self.token(execution_id), request=REQUEST)
        with pytest.raises(AlreadyResumedError):
            resume_by_token(token=self.token(execution_id), request=REQUEST)

        assert drive(execution_id).output == REQUEST
        with pytest.raises(AlreadyResumedError):
            resume_by_token(token=self.token(execution_id), request=REQUEST)

    def test_a_repeated_statement_of_one_request_is_that_request(self, monkeypatch):
        execution_id = waiting(node("wait_webhook"))
        fixed = uuid4()
        monkeypatch.setattr(waking, "uuid7", lambda: fixed)
        for _ in range(2):
            resume_by_token(token=self.token(execution_id), request=REQUEST)

    def test_an_address_is_good_until_its_time_is_over(self, sweeper):  # noqa: F811
        execution_id = waiting(node("wait_webhook", timeout_seconds=60), late=put(late=True), edges=("wait:timeout -> late",))
        let_time_pass(execution_id)
        with pytest.raises(WaitIsOverError):
            resume_by_token(token=self.token(execution_id), request=REQUEST)
        sweeper.wake()

        assert drive(execution_id).output == {"late": True}
        with pytest.raises(WaitIsOverError):
            resume_by_token(token=self.token(execution_id), request=REQUEST)

    def test_an_execution_that_was_cancelled_is_not_resumed(self):
        execution_id = waiting(node("wait_webhook"))
        cancel_execution(execution_id=execution_id)

        with pytest.raises(WaitIsOverError):
            resume_by_token(token=self.token(execution_id), request=REQUEST)

    @pytest.mark.parametrize("change", ["execution", "key", "signature", "prefix", "cut", "empty", "long"])
    def test_an_address_that_is_not_ours_is_none(self, change):
        execution_id = waiting(node("wait_webhook"))
        token = self.token(execution_id)
        forged = {
            "execution": self.token(uuid4()),
            "key": self.token(execution_id, "start2"),
            "signature": token[:-1] + ("A" if token[-1] != "A" else "B"),
            "prefix": token.removeprefix("sfr_"),
            "cut": token[:20],
            "empty": "",
            "long": token + "A" * 400,
        }[change]

        with pytest.raises(ResumeTokenNotFoundError):
            resume_by_token(token=forged, request=REQUEST)
        assert statuses(execution_id)["wait"] == "waiting"

    def test_a_token_names_its_node_run_in_loops_too(self):
        place = Place(uuid4(), "k" * 64, "3.1")
        assert read_token(resume_token(place)) == place


class TestMany:
    COUNT = 10_000

    @pytest.fixture
    def many(self):
        """One execution for each of so many keys, all waiting."""
        version = make_version(
            document(
                {"start": START, "wait": node("wait_event", event="tick", correlation_key="${input.id}")},
                "start -> wait",
                inputs={"id": "number"},
            )
        )
        ids = []
        for begin in range(0, self.COUNT, 1000):
            starts = [Start(input={"id": number}) for number in range(begin, begin + 1000)]
            ids += [each.execution_id for each in start_executions(workflow=version.workflow, starts=starts)]
        # The rows as `settle_v1` leaves them; running ten thousand would only take longer.
        fetch(
            """
            with ended as (
                update node_run n set status = 'success', due_at = null, finished_at = clock_timestamp() where n.key = 'start' returning n.*
            )
            insert into node_run (workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost,
                                  queued_at, started_at, sends, waits_for, deferred)
            select s.workspace_id, s.execution_id, 'wait', '', 'waiting', 1, 1, 0, 'default', '', 'rerun',
                   clock_timestamp(), clock_timestamp(), 0, 'event:tick:' || (e.input->>'id'), '{"state": null}'
              from ended s join execution e on e.id = s.execution_id returning 1 as one
            """,
            {},
        )
        return ids

    def test_of_ten_thousand_that_wait_the_right_one_is_found_by_the_index(self, many):
        lookup = (
            "explain select n.id from node_run n where n.workspace_id = %(w)s and n.waits_for = 'event:tick:4711' "
            "and n.status = 'waiting' limit 500"
        )
        plan = "\n".join(line["QUERY PLAN"] for line in fetch(lookup, {"w": workspace_of(many[0]).pk}))
        assert "node_run_waits_for" in plan
        assert "Index Cond: ((workspace_id =" in plan
        assert "waits_for)::text = 'event:tick:4711'" in plan

        assert send(many[4711], "tick", correlation_key=4711, payload=1).woken == 1

        assert NodeRun.objects.filter(key="wait", status="queued").get().execution_id == many[4711]
        assert drive(many[4711]).output == 1

    def test_ten_thousand_that_wait_for_the_same_are_all_woken_once(self, many, sent):  # noqa: F811
        NodeRun.objects.filter(key="wait").update(waits_for="event:tick:")
        sent.clear()

        assert send(many[0], "tick").woken == self.COUNT

        assert len(sent) == self.COUNT
        assert not NodeRun.objects.filter(key="wait").exclude(status="queued").exists()
        assert not NodeRun.objects.filter(key="wait").exclude(revision=2).exists()
