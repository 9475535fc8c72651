"""Sweepers make good what was lost: messages, workers, timers, Redis itself.

They run in beat, in any number of copies, and more slowly in every worker, so that losing all beats costs time and nothing else.
"""

import logging
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import orjson
from amqp.exceptions import ChannelError
from celery import current_app
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from apps.accounts.sessions import PRUNE as PRUNE_SESSIONS
from apps.core.cache import PRUNE as PRUNE_CACHE
from apps.engine.outcomes import Failed, NodeError
from apps.executions import admission, protocol
from apps.executions.announcements import announce_change, announce_hint
from apps.executions.bulk_reruns import advance_bulk_reruns
from apps.executions.connection import TRANSIENT, fetch
from apps.executions.graphs import graphs
from apps.executions.handoff import queue_name, send, share
from apps.executions.holds import sweep_holds
from apps.executions.idempotency import PRUNE as PRUNE_REQUESTS
from apps.executions.protocol import CANCEL_GRACE_SECONDS, DUE_SECONDS, LEASE_SECONDS, MAX_LOSSES, ready_of
from apps.executions.result_cache import PRUNE as PRUNE_RESULTS
from apps.executions.settling import settle_held
from apps.executions.waking import PRUNE as PRUNE_EVENTS
from apps.executions.waking import deliver_event
from apps.tasks import timers as task_timers
from apps.triggers.events.delivering import PRUNE as PRUNE_WORKSPACE_EVENTS
from apps.triggers.events.delivering import deliver_due
from apps.triggers.schedules.firing import fire_due
from apps.triggers.schedules.waiting import PRUNE as PRUNE_SCHEDULE_RUNS
from apps.triggers.schedules.waiting import advance_waiting, find_late
from apps.triggers.webhooks.actions import PRUNE as PRUNE_WEBHOOK_CALLS
from workers import aftermath, host
from workers.alerts import tell_alerts
from workers.epoch import Epoch
from workers.feeding import Feeder

log = logging.getLogger(__name__)

BATCH = 500
# So long timers may keep the other sweeps waiting.
WAKE_SECONDS = 2.0
_SWEEP_DUE = "select * from sweep_due_v1(%(queue)s, %(priority)s, %(is_explained)s, %(limit)s, %(due)s::interval)"
_OBSERVE = """
select extract(epoch from clock_timestamp())::float8 as now,
       pg_postmaster_start_time()::text || coalesce(inet_server_addr()::text, '') as server
"""
DUE = f"{DUE_SECONDS} s"
_OF_TRIGGERS = (PRUNE_WEBHOOK_CALLS, PRUNE_WORKSPACE_EVENTS)
# A message is taken within milliseconds once its queue is empty; what is still queued after this has lost its message.
STRANDED_AGE = "3 s"


@dataclass(slots=True)
class HoldDown:
    """Keeps the rescuer still for one lease after a start or a gap: then every lease looks lapsed, though its worker lives.

    gap_seconds   silence of the database that counts as an outage
    """

    lease_seconds: float = LEASE_SECONDS
    gap_seconds: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _until: float = field(init=False)
    _last: tuple[float, float, str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._until = self.clock() + self.lease_seconds

    def observe(self, *, database_seconds: float, server: str) -> None:
        """Take note of an answer of the database: its clock, and which start of which server it is."""
        now = self.clock()
        if self._last is not None:
            last_now, last_database, last_server = self._last
            gap = now - last_now
            jump = abs((database_seconds - last_database) - gap)
            if gap > self.gap_seconds or jump > self.gap_seconds or server != last_server:
                log.warning("The database was away, moved, or its clock jumped: no rescue for %.0f s.", self.lease_seconds)
                self._until = now + self.lease_seconds
        self._last = (now, database_seconds, server)

    @property
    def is_active(self) -> bool:
        return self.clock() < self._until


class Sweeper:
    """All sweeps, each with its period in seconds."""

    def __init__(self, *, redis: Redis, hold_down: HoldDown | None = None) -> None:
        self._hold_down = hold_down or HoldDown()
        self._redis = redis
        self._epoch = Epoch(redis)
        self._feeder = Feeder(self._length)
        self.sweeps: dict[Callable[[], object], float] = {
            self.observe_database: 1.0,
            self.wake: 0.5,
            self.send_stranded: 1.0,
            self.send_overdue: 0.5,
            self.rescue_dead: 1.0,
            self.rescue: 1.0,
            self.check_epoch: 1.0,
            self.stop_cancelling: 2.0,
            self.stop_parts: 2.0,
            self.cancel_children: 2.0,
            self.end_overdue: 1.0,
            self.follow_up: 0.5,
            self.advance_bulk_reruns: 1.0,
            self.let_in: 0.5,
            self._feeder.feed: 0.25,
            self.deliver_events: 1.0,
            self.deliver_workspace_events: 0.5,
            self.keep_holds: 1.0,
            self.fire_schedules: 1.0,
            self.advance_schedules: 1.0,
            self.tell_alerts: 2.0,
            self.fire_task_timers: 0.5,
            self.check_invariants: 60.0,
            self.prune_expired: 3600.0,
        }

    def observe_database(self) -> None:
        row = fetch(_OBSERVE, {})[0]
        self._hold_down.observe(database_seconds=row["now"], server=row["server"])

    def wake(self) -> int:
        """Queue the node runs whose timer went off; unless it takes long, all that are due at once in one turn."""
        woken, begun = 0, time.monotonic()
        while True:
            rows = fetch("select * from sweep_wake_v1(%(limit)s, %(due)s::interval)", {"limit": BATCH, "due": DUE})
            self._send(rows)
            for execution_id, changes in _changes(rows, status="queued").items():
                announce_hint(execution_id, changes)
            woken += len(rows)
            if len(rows) < BATCH or time.monotonic() - begun > WAKE_SECONDS:
                return woken

    def send_stranded(self) -> int:
        """Make due what waits for a fleet whose message queue is empty: nothing is on its way there any more."""
        lost = 0
        for row in fetch("select * from stranded_queues_v2(%(limit)s, %(age)s::interval)", {"limit": BATCH, "age": STRANDED_AGE}):
            if self._length(queue_name(row["queue"], row["priority"])) == 0:
                statement = "select sweep_stranded_v2(%(queue)s, %(priority)s, %(limit)s, %(age)s::interval) as lost"
                lost += fetch(statement, {**row, "limit": BATCH, "age": STRANDED_AGE})[0]["lost"]
        return lost

    def send_overdue(self) -> int:
        """Send again what nobody claimed in time, unless its queue is so long that nothing need be lost. Returns how many were sent."""
        sent = 0
        for row in fetch("select * from overdue_queues_v1(%(limit)s)", {"limit": BATCH}):
            is_explained = self._length(queue_name(row["queue"], row["priority"])) >= row["overdue"]
            rows = fetch(_SWEEP_DUE, {**row, "is_explained": is_explained, "limit": BATCH, "due": DUE})
            if not is_explained:
                self._send(rows)
                sent += len(rows)
        return sent

    def rescue_dead(self) -> int:
        """Let the leases lapse that dead processes of this host hold."""
        dead = [worker for worker in protocol.running_workers(host=host.host()) if not host.is_alive(worker)]
        if not dead:
            return 0
        log.warning("Worker processes died with node runs in hand: %s", ", ".join(dead))
        lapsed = protocol.lapse(workers=dead)
        self._rescue_now(dead)
        return lapsed

    def rescue(self) -> int:
        """Take node runs back from workers whose lease has lapsed."""
        return 0 if self._hold_down.is_active else self._rescue_now()

    def _rescue_now(self, workers: Sequence[str] | None = None) -> int:
        token = uuid4()
        rows = fetch(
            "select * from rescue_v1(%(limit)s, %(losses)s, %(token)s, %(due)s::interval, %(workers)s::text[])",
            {"limit": BATCH, "losses": MAX_LOSSES, "token": token, "due": DUE, "workers": None if workers is None else list(workers)},
        )
        self._send([row for row in rows if row["status"] == "queued"])
        for row in rows:
            holder = row["worker"] or "whoever decided about it"
            log.warning("Rescued %s of execution %s from %s: %s", row["key"], row["execution_id"], holder, row["status"])
            if row["status"] == "running":
                _fail_as_lost(row, token)
            else:
                announce_hint(row["execution_id"], _changes([row], status=row["status"])[row["execution_id"]])
        return len(rows)

    def check_epoch(self) -> int:
        """When Redis was emptied or replaced, send everything that is queued again."""
        if not self._epoch.has_changed():
            return 0
        sent = 0
        while rows := self._epoch.next_batch():
            self._send(rows)
            sent += len(rows)
            self.observe_database()  # sending takes its time, which is no silence of the database
        if sent:
            log.warning("Redis was emptied or replaced: all %d queued node runs were sent again.", sent)
        return sent

    def stop_cancelling(self) -> int:
        rows = fetch(
            "select * from sweep_cancelling_v1(%(limit)s, %(grace)s::interval)", {"limit": 100, "grace": f"{CANCEL_GRACE_SECONDS} s"}
        )
        for row in rows:
            announce_change(row["execution_id"], row["result"])
        return len(rows)

    def stop_parts(self) -> int:
        """Cancel what was asked to stop while its execution goes on, and did not."""
        return self._announced("sweep_stopping_v1(%(limit)s, %(grace)s::interval)", grace=f"{CANCEL_GRACE_SECONDS} s")

    def cancel_children(self) -> int:
        """Cancel executions whose parent does not wait for them any more."""
        return self._announced("sweep_children_v1(%(limit)s)")

    def _announced(self, function: str, **parameters: object) -> int:
        rows = fetch(f"select * from {function}", {"limit": 100, **parameters})  # noqa: S608  # constants of ours
        for row in rows:
            if row["result"].get("sequence") is not None:
                announce_change(row["execution_id"], row["result"])
        return len(rows)

    def end_overdue(self) -> int:
        """Cancel the executions that are past their deadline; they end as failed, with code `timed_out`."""
        error = NodeError("timed_out", "The execution took longer than its timeout_seconds, or than its workspace allows.").as_json()
        rows = fetch("select * from sweep_deadlines_v1(%(limit)s, %(error)s::jsonb)", {"limit": 100, "error": orjson.dumps(error).decode()})
        for row in rows:
            if row["result"].get("sequence") is not None:
                announce_change(row["execution_id"], row["result"])
        return len(rows)

    def follow_up(self) -> int:
        """Start what follows from executions that have ended."""
        return aftermath.follow_up()

    def let_in(self) -> int:
        """Let in whoever stands in line and finds room; mostly the end of an execution has done it already. Returns how many."""
        admission.find_keys()
        total = 0
        while admitted := admission.admit():
            total += admitted
        return total

    def deliver_events(self) -> int:
        """Go on with events whose delivery broke off, and with those that are kept and awaited now."""
        rows = fetch("select id from undelivered_events_v1(%(limit)s)", {"limit": 100})
        return sum(deliver_event(event_id=row["id"]) for row in rows)

    def deliver_workspace_events(self) -> int:
        """Start the workflows that listen for events of this installation, and for those whose delivery broke off."""
        return deliver_due()

    def keep_holds(self) -> int:
        """Put aside what is held, end the holds that are over, and send what released ones had put aside."""
        return sweep_holds()

    def fire_schedules(self) -> int:
        """Fire the schedules that are due. The clock of a beat has done it already, where there is one."""
        return fire_due()

    def advance_schedules(self) -> int:
        """Start the runs of schedules whose turn has come, and raise alerts for those that are late."""
        return advance_waiting() + find_late()

    def tell_alerts(self) -> int:
        """Write down whom the new alerts of schedules are to be told to."""
        return tell_alerts()

    def fire_task_timers(self) -> int:
        """Send the mails about human tasks, and escalate those that are overdue."""
        return task_timers.fire_due()

    def check_invariants(self) -> int:
        rows = fetch("select * from broken_invariants_v1()", {})
        for row in rows:
            log.error("Execution %s: %s", row["execution_id"], row["fault"])
        return len(rows)

    def advance_bulk_reruns(self) -> int:
        """Run the next executions of bulk re-runs again. Returns how many."""
        return advance_bulk_reruns()

    def prune_expired(self) -> int:
        """Delete sessions, cached values and results, and idempotency keys that have expired, and what is of long ago."""
        statements = (PRUNE_SESSIONS, PRUNE_CACHE, PRUNE_RESULTS, PRUNE_EVENTS, PRUNE_SCHEDULE_RUNS, PRUNE_REQUESTS, *_OF_TRIGGERS)
        return sum(len(rows) for statement in statements for rows in _batches(statement))

    def _send(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Point workers at these; many at one brief node of a version share messages, as those do that start together."""
        many = {place for place, count in Counter(map(_place, rows)).items() if share(count) > 1}
        brief = {place for place in many if _is_brief(*place)}
        send(ready_of(row, is_brief=_place(row) in brief) for row in rows)

    def _length(self, queue: str) -> int:
        try:
            with current_app.connection_for_read() as connection:
                channel: Any = connection.default_channel
                return int(channel.queue_declare(queue, passive=True).message_count)
        except (ChannelError, RedisError, OperationalError, ConnectionError, OSError):
            return 0  # no such queue, or no broker: then nothing explains the delay

    def run(self, stop: threading.Event, *, slowness: float = 1.0) -> None:
        """Sweep until `stop` is set. `slowness` stretches all periods but the rescue of this host's dead, which nobody else may see."""
        due = {sweep: time.monotonic() + random.uniform(0, period * slowness) for sweep, period in self.sweeps.items()}
        while not stop.wait(max(0.0, min(due.values()) - time.monotonic())):
            sweep = min(due, key=lambda one: due[one])
            period = self.sweeps[sweep] * (1.0 if sweep in (self.rescue_dead, self.observe_database) else slowness)
            due[sweep] = time.monotonic() + period
            try:
                sweep()
            except (*TRANSIENT, RedisError) as error:
                log.warning("%s found no answer: %s", sweep.__name__, error)
            except Exception:
                log.exception("%s failed; it is tried again.", sweep.__name__)


def _place(row: Mapping[str, Any]) -> tuple[UUID, str]:
    return row["version_id"], row["key"]


def _is_brief(version_id: UUID, key: str) -> bool:
    """False of a node that is not of the version's own graph, such as the undoing of another."""
    node = graphs.get(version_id).nodes.get(key)
    return node is not None and node.traits.is_brief


def _batches(statement: str) -> Iterator[list[dict[str, Any]]]:
    """What a statement returns that takes a `limit`, again and again until less than that comes."""
    while rows := fetch(statement, {"limit": BATCH}):
        yield rows
        if len(rows) < BATCH:
            return


def _fail_as_lost(row: Mapping[str, Any], token: UUID) -> None:
    message = f"Its worker was lost {MAX_LOSSES} times." if row["attempt"] > 1 else "Its worker was lost."
    error = NodeError("worker_lost", message, {"worker": row["worker"]} if row["worker"] else {})
    settle_held(
        execution_id=row["execution_id"],
        workspace_id=row["workspace_id"],
        version_id=row["version_id"],
        key=row["key"],
        path=row["path"],
        token=token,
        outcome=Failed(error, is_final=True),
    )


def _changes(rows: Sequence[Mapping[str, Any]], *, status: str) -> dict[UUID, list[dict[str, Any]]]:
    """Node run changes for the live view, by execution."""
    changes: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        change = {"key": row["key"], "path": row["path"], "status": status, "attempt": row["attempt"], "revision": row["revision"]}
        changes[row["execution_id"]].append(change)
    return changes
