"""What a socket shows of an execution, while the real engine runs it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
from channels.db import database_sync_to_async as in_thread

from apps.accounts.models import User
from apps.executions.actions import start_execution
from apps.executions.queries_live import find_snapshot
from apps.realtime import consumer, follow
from apps.realtime.announce import announce
from tests.factories import make_version
from tests.realtime.sockets import bearer, socket, token_of
from tests.workers.driving import drive, step

pytestmark = pytest.mark.django_db(transaction=True)

FAILING_TWICE = {
    "key": "broken",
    "type": "control.fail",
    "config": {"message": "no", "code": "broken"},
    "retry": {"max_attempts": 3, "strategy": "fixed", "delay_seconds": 1},
    "on_error": "continue",
}
#  start ─┬▶ large? ─true─▶ review ──┐
#         │        └false▶ approve ─┴▶ report
#         └▶ wait ─▶ broken ✗ ✗ ✗ ────┘
BRANCHES: dict[str, Any] = {
    "name": "branches",
    "inputs": {"amount": "number"},
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "large", "type": "control.if", "config": {"condition": "${amount > 1000}"}},
        {"key": "review", "type": "data.set", "config": {"values": {"by": "manager"}}},
        {"key": "approve", "type": "data.set", "config": {"values": {"by": "rule"}}},
        {"key": "wait", "type": "control.delay", "config": {"seconds": 60}},
        FAILING_TWICE,
        {"key": "report", "type": "control.merge"},
    ],
    "edges": [
        {"source": "start", "port": "out", "target": "large"},
        {"source": "start", "port": "out", "target": "wait"},
        {"source": "large", "port": "true", "target": "review"},
        {"source": "large", "port": "false", "target": "approve"},
        {"source": "wait", "port": "out", "target": "broken"},
        *({"source": key, "port": "out", "target": "report"} for key in ("review", "approve", "broken")),
    ],
}


@in_thread
def started(amount: int = 2000) -> tuple[UUID, User, str]:
    version = make_version(BRANCHES)
    user = version.workspace.owner
    return start_execution(workflow=version.workflow, input={"amount": amount}).execution_id, user, token_of(user)


def seen(node_runs: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    return {each["key"]: (each["status"], each["revision"], each["attempt"], each.get("port"), each.get("error")) for each in node_runs}


class View:
    """What a client holds: the snapshot, and whatever the messages changed since."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        assert snapshot["type"] == "execution.snapshot"
        self.status, self.sequence = snapshot["status"], snapshot["sequence"]
        self.node_runs = {each["key"]: each for each in snapshot["node_runs"]}

    def after(self, message: dict[str, Any]) -> "View":
        if message["type"] == "execution.snapshot":
            return View(message)
        self._apply(message)
        return self

    def _apply(self, message: dict[str, Any]) -> None:
        if message["sequence"] is not None:
            assert message["sequence"] == self.sequence + 1, "the server puts messages in order"
            self.status, self.sequence = message["status"], message["sequence"]
        for change in message["node_runs"]:
            known = self.node_runs.setdefault(change["key"], {"revision": 0})
            if change["revision"] > known["revision"]:
                known.update(change)


@pytest.mark.parametrize("steps_before_the_snapshot", range(6))
async def test_the_snapshot_and_the_messages_make_what_a_refetch_shows(steps_before_the_snapshot):
    execution_id, user, token = await started()
    for _ in range(steps_before_the_snapshot):
        await in_thread(step)(execution_id)

    async with socket(execution_id, bearer(token)) as client:
        view = View(await client.message())
        await in_thread(drive)(execution_id)
        refetched = await in_thread(find_snapshot)(user, str(execution_id))
        while view.sequence < refetched["sequence"]:
            view = view.after(await client.message())

    assert refetched["status"] == view.status == "success"
    assert seen(list(view.node_runs.values())) == seen(refetched["node_runs"])


@pytest.mark.parametrize("lost", ["first", "last", "all"])
async def test_messages_that_were_lost_are_made_good_by_a_snapshot(lost, monkeypatch):
    monkeypatch.setattr(consumer, "GAP_SECONDS", 0.05)
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 0.2)
    execution_id, user, token = await started()
    async with socket(execution_id, bearer(token)) as client:
        view = View(await client.message())
        with monkeypatch.context() as losing:
            losing.setattr("apps.executions.announcements.announce", losing_announce(lost, after=view.sequence))
            await in_thread(drive)(execution_id)
        refetched = await in_thread(find_snapshot)(user, str(execution_id))
        kinds = []
        while view.sequence < refetched["sequence"]:
            message = await client.message()
            kinds.append(message["type"])
            view = view.after(message)

    assert "execution.snapshot" in kinds
    assert seen(list(view.node_runs.values())) == seen(refetched["node_runs"])


def losing_announce(lost: str, *, after: int) -> Callable[[str, Mapping[str, Any]], None]:
    def announce_some(execution_id: str, message: Mapping[str, Any]) -> None:
        is_lost = {"first": message["sequence"] == after + 1, "last": message["status"] == "success", "all": True}[lost]
        if not is_lost:
            announce(execution_id, message)

    return announce_some


async def test_messages_that_overtake_each_other_are_put_in_order():
    execution_id, _, token = await started()
    async with socket(execution_id, bearer(token)) as client:
        newest = (await client.message())["sequence"]
        for number in (newest + 3, newest + 2, newest + 1):
            announce(str(execution_id), {"type": "execution.changed", "sequence": number, "status": "running", "node_runs": []})

        received = [(await client.message())["sequence"] for _ in range(3)]

    assert received == [newest + 1, newest + 2, newest + 3]


async def test_a_client_may_ask_for_a_fresh_snapshot():
    execution_id, _, token = await started()
    async with socket(execution_id, bearer(token)) as client:
        first = await client.message()
        await client.send({"type": "snapshot"})

        assert await client.message() == first


async def test_an_idle_socket_stays_open():
    """Reading with a time-out of 5 s, as redis-py does unless told otherwise, once closed every socket that was idle for so long."""
    execution_id, _, token = await started()
    async with socket(execution_id, bearer(token)) as client:
        newest = (await client.message())["sequence"]
        await asyncio.sleep(6.5)  # the one thing to be shown here is time passing
        announce(str(execution_id), {"type": "execution.changed", "sequence": newest + 1, "status": "running", "node_runs": []})

        assert (await client.message())["sequence"] == newest + 1


async def test_without_redis_the_snapshot_still_comes(settings, monkeypatch):
    settings.LIVE_REDIS_URL = "redis://127.0.0.1:1/1"
    monkeypatch.setattr(consumer, "FIRST_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 0.05)
    follow.close()  # it would keep the connection that it has
    execution_id, _, token = await started()
    async with socket(execution_id, bearer(token)) as client:
        assert (await client.message())["status"] == "running"
        await in_thread(drive)(execution_id)

        while (snapshot := await client.message())["status"] != "success":
            pass

    assert snapshot["type"] == "execution.snapshot"
    follow.close()
