"""Server-Sent Events of an execution: over the real server, while the real engine runs it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import httpx2
import pytest
from django.db import connection, connections

from apps.accounts.models import LoginSession, Membership, User
from apps.executions.actions import start_execution
from apps.executions.models import Execution, ExecutionEvent
from apps.realtime import follow, streams
from tests.factories import make_version, make_workspace
from tests.processes import wait_for
from tests.realtime.sockets import token_of
from tests.realtime.web import WITHIN_SECONDS, EventSource, web
from tests.workers.driving import drive, step
from tests.workers.test_runner import START, document, put

pytestmark = pytest.mark.django_db(transaction=True)

#  start ─▶ wait0 ─▶ n0 ─▶ wait1 ─▶ n1 … each a transaction of its own
CHAIN = document(
    {"start": START, **{f"wait{i}": {"type": "control.delay", "config": {"seconds": 60}} for i in range(6)}, "end": put(x=1)},
    "start -> wait0 -> wait1 -> wait2 -> wait3 -> wait4 -> wait5 -> end",
    output={"x": "${nodes.end.x}"},
)


@pytest.fixture
def base() -> Iterator[str]:
    with web() as address:
        yield address


@pytest.fixture
def execution_id() -> UUID:
    return start_execution(workflow=make_version(CHAIN, username="ada").workflow).execution_id


@pytest.fixture
def owner(execution_id) -> User:
    return User.objects.get(username="ada")


@pytest.fixture
def token(owner) -> str:
    return token_of(owner)


def in_thread(function: Callable[..., Any], *arguments: Any) -> threading.Thread:
    def run() -> None:
        try:
            function(*arguments)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def drive_all(executions: list[UUID]) -> None:
    """One step of each in turn, until all have ended: a timer that goes off may be anybody's."""
    while Execution.objects.filter(pk__in=executions, finished_at__isnull=True).exists():
        for execution_id in executions:
            step(execution_id)


def history(execution_id: UUID) -> list[int]:
    return list(ExecutionEvent.objects.filter(execution=execution_id).order_by("sequence").values_list("sequence", flat=True))


def follow_with_cuts(base: str, token: str, execution_id: UUID, every: int) -> list[int]:
    """What a client gets that loses its connection after every so many events, and comes back as an EventSource does."""
    seen: list[int] = []
    while True:
        with EventSource(base, token, execution_id, after=str(seen[-1]) if seen else None) as source:
            if source.response.status_code == 204:
                return seen
            assert source.response.status_code == 200
            for event, _ in zip(source.events(), range(every), strict=False):
                seen.append(int(event.id or 0))


def test_a_stream_tells_the_history_as_it_grows_and_ends_with_it(base, token, execution_id):
    with EventSource(base, token, execution_id) as source:
        assert source.response.headers["content-type"] == "text/event-stream"
        assert source.response.headers["cache-control"] == "no-store"
        events = source.events()
        assert next(events).data["kind"] == "started"
        worker = in_thread(drive, execution_id)
        rest = list(events)
        worker.join()

    assert [int(event.id) for event in rest] == history(execution_id)[1:]
    assert {event.name for event in rest[:-1]} == {"execution.changed"}
    assert (rest[-1].name, rest[-1].data["status"], rest[-1].data["output"]) == ("execution.ended", "success", {"x": 1})
    answer = httpx2.get(f"{base}/executions/{execution_id}/events", headers={"authorization": f"Bearer {token}"}, trust_env=False)
    told = [{name: event.data[name] for name in ("sequence", "kind", "at", "status", "changes")} for event in rest]
    assert answer.json()["results"][1:] == told, "the same as pages of the history"


def test_who_comes_back_gets_what_came_after_the_last_event_and_in_the_end_nothing(base, token, execution_id):
    drive(execution_id)
    newest = history(execution_id)[-1]

    with EventSource(base, token, execution_id, after="3", query="?after=1") as source:
        assert [int(event.id) for event in source.events()] == list(range(4, newest + 1))
    with EventSource(base, token, execution_id, query="?after=2") as source:
        assert next(source.events()).id == "3"
    with EventSource(base, token, execution_id, after=str(newest)) as source:
        assert source.response.status_code == 204


def test_nothing_is_missed_and_nothing_comes_twice_over_many_cuts_of_many_streams(base, token):
    workflow = make_version(CHAIN, username="ada").workflow
    executions = [start_execution(workflow=workflow).execution_id for _ in range(4)]
    with ThreadPoolExecutor(32) as pool:
        clients = [(each, pool.submit(follow_with_cuts, base, token, each, 1 + number % 3)) for each in executions for number in range(8)]
        worker = in_thread(drive_all, executions)
        seen = [(each, client.result(WITHIN_SECONDS)) for each, client in clients]
    worker.join()

    assert all(numbers == history(each) for each, numbers in seen)


def test_streams_hold_neither_threads_nor_connections_of_the_database(settings, token, execution_id):
    settings.HTTP_THREADS = 2  # and 16 connections
    with web() as base, ExitStack() as opened:
        sources = [opened.enter_context(EventSource(base, token, execution_id)) for _ in range(40)]
        streams_of_all = [source.events() for source in sources]
        assert {next(events).id for events in streams_of_all} == {"1"}
        answer = httpx2.get(f"{base}/users/me", headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=WITHIN_SECONDS)
        assert answer.status_code == 200
        wait_for(lambda: idle_connections() == open_connections(), within_seconds=WITHIN_SECONDS)
        drive(execution_id)
        assert all([int(event.id) for event in events] == history(execution_id)[1:] for events in streams_of_all)


def open_connections() -> int:
    return int(connection.pool.get_stats()["pool_size"])


def idle_connections() -> int:
    """Of the pool, and the one that asks."""
    return int(connection.pool.get_stats()["pool_available"]) + (connection.connection is not None)


def test_a_quiet_stream_says_that_it_is_there(base, token, execution_id, monkeypatch):
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    with EventSource(base, token, execution_id) as source:
        comments = [event.comment for event, _ in zip((each for each in source if each.comment), range(3), strict=False)]
    assert comments == ["still here"] * 3


def test_without_redis_the_history_is_looked_at(base, token, execution_id, settings, monkeypatch):
    settings.LIVE_REDIS_URL = "redis://127.0.0.1:1/1"
    monkeypatch.setattr(streams, "AWAY_SECONDS", 0.05)
    follow.close()
    with EventSource(base, token, execution_id) as source:
        events = source.events()
        assert next(events).id == "1"
        drive(execution_id)
        assert [int(event.id) for event in events] == history(execution_id)[1:]
    follow.close()


def test_who_may_not_look_any_more_is_told_so(base, token, execution_id, owner, monkeypatch):
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    with EventSource(base, token, execution_id) as source:
        events = source.events()
        assert next(events).id == "1"
        Membership.objects.filter(user=owner).delete()
        last = list(events)[-1]
    assert (last.id, last.name, last.data["code"]) == (None, "stream.closed", "execution_not_found")


def test_a_session_that_ends_takes_its_streams_with_it(base, token, execution_id, monkeypatch):
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    with EventSource(base, token, execution_id) as source:
        events = source.events()
        assert next(events).id == "1"
        LoginSession.objects.all().delete()
        last = list(events)[-1]
    assert (last.name, last.data["code"]) == ("stream.closed", "not_authenticated")


def test_a_person_has_so_many_streams_and_who_leaves_gives_its_place_back(base, token, execution_id, owner, settings):
    settings.MAX_STREAMS_EACH = 2
    with EventSource(base, token, execution_id) as first, EventSource(base, token, execution_id) as second:
        held = [first.events(), second.events()]
        assert [next(events).id for events in held] == ["1", "1"]
        with EventSource(base, token, execution_id) as third:
            refused = third.response
            refused.read()
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "too_many_streams", "5")
    wait_for(lambda: streams.open_streams(owner.pk) == 0, within_seconds=WITHIN_SECONDS)
    with EventSource(base, token, execution_id) as fourth:
        assert next(fourth.events()).id == "1"


def test_a_stream_that_has_ended_gives_its_place_back(base, token, execution_id, owner):
    drive(execution_id)
    with EventSource(base, token, execution_id) as source:
        assert list(source.events())[-1].name == "execution.ended"
    wait_for(lambda: streams.open_streams(owner.pk) == 0, within_seconds=WITHIN_SECONDS)


@pytest.mark.parametrize(("after", "code"), [("99", 422), ("x", 422), ("-1", 422), ("9" * 30, 422)])
def test_an_id_that_is_none_of_the_execution_is_refused_in_json(base, token, execution_id, after, code):
    with EventSource(base, token, execution_id, after=after) as source:
        source.response.read()
        assert (source.response.status_code, source.response.headers["content-type"]) == (code, "application/json")
        assert source.response.json()["code"] == "invalid_last_event_id"


def test_others_have_no_stream(base, execution_id):
    stranger = token_of(make_workspace("mallory").owner)
    for token, status in ((stranger, 404), ("nonsense", 401)):
        with EventSource(base, token, execution_id) as source:
            assert source.response.status_code == status


def test_the_end_of_a_failed_execution_has_its_error(base, token):
    nodes = {"start": START, "bad": {"type": "control.fail", "config": {"message": "no", "code": "broken"}}}
    execution_id = start_execution(workflow=make_version(document(nodes, "start -> bad"), username="ada").workflow).execution_id
    step(execution_id)
    drive(execution_id)
    assert Execution.objects.get(pk=execution_id).status == "failed"
    with EventSource(base, token, execution_id) as source:
        last = list(source.events())[-1]
    assert (last.name, last.data["status"], last.data["error"]["code"]) == ("execution.ended", "failed", "broken")
