"""A stateful model of the engine's protocol on a real PostgreSQL.

Executions have loops, nested, joins that cancel the rest, and children. Hypothesis plays a broker that loses, repeats and delays messages,
workers that crash, freeze and report late, sweepers that crash half way, and an operator who pauses, resumes, cancels, holds and decides.
What must always hold is checked after every step.
"""

import time
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID, uuid4

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.core.ids import uuid7
from apps.engine.definition import parse_definition
from apps.engine.graph import Graph, compile_graph
from apps.engine.outcomes import NodeError
from apps.engine.planner import Settled, frontier
from apps.engine.rerun_places import Place as RerunPlace
from apps.engine.reruns import Compiled
from apps.engine.statuses import SETTLED_NODE_RUN, NodeRunStatus
from apps.executions import protocol
from apps.executions.connection import fetch
from apps.executions.places import Wanted, claim_places
from apps.executions.protocol import MAX_LOSSES, Claim, ClaimedRun
from apps.executions.settlement import SKIPPED_END, End, Settlement
from tests.engine.simulation import LOOP, definitions, traits
from tests.workers.model_children import ChildRules
from tests.workers.model_loops import ends, loop_end
from tests.workers.model_reruns import chosen_of, loops_are_whole, plan_again, run_again

DUE = "15 s"
Place = tuple[str, str]  # key and path of a node run
OPEN_TO_MOVE = {"queued", "running", "retrying", "waiting", "uncertain"}
ERROR = NodeError("test", "It failed.").as_json()
DOCUMENT = End(NodeRunStatus.SUCCESS, "out", output=b'{"done": true}')

SELDOM = st.integers(0, 5).map(lambda number: number == 0)


def _verdict(row: dict[str, Any]) -> str:
    """The status that a node run must have after its worker was lost; `running` is the sweeper's own claim, to fail it."""
    if row["effect_started_at"] is not None and row["on_worker_lost"] == "ask":
        return "uncertain"
    is_to_fail = row["effect_started_at"] is not None and row["on_worker_lost"] == "fail"
    losses = row["losses"] + (row["worker"] != "")  # a person or a sweeper who let go is no lost worker
    return "running" if is_to_fail or losses >= MAX_LOSSES else "queued"


def _places(rows: Iterable[dict[str, Any]], *, among: Collection[str] | None = None) -> list[Place]:
    """Key and path of each row, or of those with one of these statuses, in an order that is the same whenever an example is played."""
    return sorted((row["key"], row["path"]) for row in rows if among is None or row["status"] in among)


class Rows:
    """The workspace, workflow and version that the model's executions belong to."""

    workspace: UUID
    workflow: UUID
    version: UUID


class ProtocolModel(ChildRules, RuleBasedStateMachine):
    rows: Rows

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        definition = parse_definition(data.draw(definitions(max_nodes=6, depth=2)).model_dump(by_alias=True, mode="json"))
        losses = {node.key: data.draw(st.sampled_from(["rerun", "ask", "fail"])) for node in definition.nodes}
        pure = {node.key: losses[node.key] == "rerun" and data.draw(st.booleans()) for node in definition.nodes}
        self.definition = definition
        self.graph: Graph = compile_graph(
            definition, lambda node: traits(is_pure=pure[node.key], on_worker_lost=losses[node.key], is_loop=node.type == LOOP)
        )
        self.which_again = data.draw(st.integers(0, 1000), label="which node run runs again in the end")
        self.execution = uuid7()
        for left in fetch("select id from execution order by id desc", {}):  # of an example that broke off
            self._forget(left["id"])
        self.messages: list[Place] = self._start(self.execution)
        self.claims: list[ClaimedRun] = []  # believed held by some worker, perhaps a zombie
        self.began = True
        assert self._start(uuid7()) is None, "a second start with the same idempotency key made a second execution"

    def _start(self, execution: UUID) -> list[Place] | None:
        entries = [{"key": key, "queue": "default", "lost": self.graph.nodes[key].traits.on_worker_lost} for key in self.graph.entries]
        starts = [{"id": execution, "input": {}, "variables": {}, "idempotency_key": str(self.execution)}]
        row = fetch(
            "select * from start_v1(%(workspace)s, %(workflow)s, %(version)s, %(starts)s::jsonb, %(entries)s::jsonb, "
            "'api', 'normal', null, null, %(due)s::interval)",
            {
                "workspace": self.rows.workspace,
                "workflow": self.rows.workflow,
                "version": self.rows.version,
                "starts": orjson.dumps(starts).decode(),
                "entries": orjson.dumps(entries).decode(),
                "due": DUE,
            },
        )[0]
        assert row["execution_id"] == self.execution
        return [(key, "") for key in self.graph.entries] if row["is_new"] else None

    # The broker

    @precondition(lambda self: self.messages)
    @rule(which=st.integers(0, 1000), stays=st.booleans(), several=st.integers(0, 3))
    def deliver(self, which: int, stays: bool, several: int = 0) -> None:
        """A message arrives; or one that names `several` places more."""
        first = which % len(self.messages)
        places = sorted({self.messages[(first + more) % len(self.messages)] for more in range(several + 1)})
        if not stays:
            for place in places:
                self.messages.remove(place)
        before = {place: self._node_run(*place) for place in places}
        status = self._status()
        free = [place for place in places if status == "running" and self._is_free(before[place])]
        claims = self._claims(places)
        assert [(run.key, run.path) for claim in claims for run in claim.runs] == free, (before, status, claims)
        for claim in claims:
            self._reads_its_item(claim)
            self.claims += claim.runs

    def _is_free(self, row: dict[str, Any] | None) -> bool:
        return row is not None and row["status"] == "queued" and row["stop_requested_at"] is None and not self._is_held(row["key"])

    def _reads_its_item(self, claim: Claim) -> None:
        """Items of the model's loops are their own indexes."""
        run = claim.runs[0]
        if self.graph.nodes[run.key].parent is None:
            assert claim.around is None
        else:
            assert claim.around is not None
            assert claim.around.item == int(run.path.rpartition(".")[2])
        for key, upstream in claim.upstream.items():
            row = self._node_run(key, self.graph.path_of(key, run.path))
            assert (upstream.status, upstream.port) == (row["status"], row["port"])

    @precondition(lambda self: self.messages)
    @rule(happens=SELDOM)
    def flush(self, happens: bool) -> None:
        if happens:
            self.messages.clear()

    @rule(data=st.data(), times=st.integers(1, 5), repeats=st.booleans())
    def progress(self, data: st.DataObject, times: int, repeats: bool) -> None:
        """Some messages arrive and are worked on, as on a good day."""
        for _ in range(times):
            if not self.messages:
                self.send_overdue(publishes=True)
            if self.messages:
                several = data.draw(st.sampled_from([0, 0, 1, 3]))
                self.deliver(which=data.draw(st.integers(0, 1000)), stays=data.draw(SELDOM), several=several)
            if self.claims:
                self.settle(which=data.draw(st.integers(0, 1000)), data=data, publishes=True, repeats=repeats)

    # Workers

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 1000), data=st.data(), publishes=st.booleans(), repeats=st.booleans())
    def settle(self, which: int, data: st.DataObject, publishes: bool, repeats: bool) -> None:
        run = self.claims.pop(which % len(self.claims))
        current = self._node_run(run.key, run.path)
        holds = current["status"] == "running" and current["claim_token"] == run.token
        is_stopping = self._status() == "cancelling" or current["stop_requested_at"] is not None
        document = self._perform(run, data)
        result = protocol.settle(execution_id=self.execution, settlements=[document])
        if holds:
            assert result["applied"] == [True], (current, run, result)
            if is_stopping:
                assert {change["status"] for change in result["changes"]} <= SETTLED_NODE_RUN, "what is to stop was said to wait"
                assert not result["ready"], "something follows of what is to stop"
        else:
            assert result["sequence"] is None, "a lost claim wrote something"
        if holds and repeats:
            again = protocol.settle(execution_id=self.execution, settlements=[document])
            assert again["sequence"] is None, "the same settlement was written twice"
            if self._node_run(run.key, run.path)["status"] in SETTLED_NODE_RUN:
                assert again["applied"] == [True]
                assert set(_places(result["ready"])) <= set(_places(again["ready"]))
        if publishes:
            self.messages += _places(result["ready"])

    @precondition(lambda self: len(self.claims) > 1)
    @rule(which=st.integers(0, 1000), count=st.integers(2, 4), data=st.data(), repeats=st.booleans())
    def settle_together(self, which: int, count: int, data: st.DataObject, repeats: bool) -> None:
        """As a worker settles what shared a message: those that it still holds are written, the others are not."""
        runs = [self.claims.pop(which % len(self.claims)) for _ in range(min(count, len(self.claims)))]
        rows = [self._node_run(run.key, run.path) for run in runs]
        holds = [row["status"] == "running" and row["claim_token"] == run.token for row, run in zip(rows, runs, strict=True)]
        documents = [self._perform(run, data) for run in runs]
        result = protocol.settle(execution_id=self.execution, settlements=documents)
        assert [applied for applied, is_held in zip(result["applied"], holds, strict=True) if is_held] == [True] * sum(holds)
        assert (result["sequence"] is not None) == any(holds), "a lost claim wrote something"
        ready = _places(result["ready"])
        assert len(ready) == len(set(ready)), "something became ready twice"
        if any(holds) and repeats:
            again = protocol.settle(execution_id=self.execution, settlements=documents)
            assert again["sequence"] is None, "the same settlements were written twice"
        self.messages += ready

    def _perform(self, run: ClaimedRun, data: st.DataObject) -> dict[str, Any]:
        node = self.graph.nodes[run.key]
        settlement = Settlement(self.graph, key=run.key, path=run.path, token=run.token)
        now = time.monotonic()
        if run.gate_live is not None and not node.starts(live=run.gate_live):
            starting = list(settlement.settle(run.key, SKIPPED_END, started=now))
        elif node.traits.is_loop:
            end = loop_end(self.graph, settlement, run, lambda strategy: data.draw(strategy, label=run.key))
            starting = list(settlement.settle(run.key, end, started=now))
        else:
            end = self.maybe_call(run, data.draw) or data.draw(ends, label=run.key)
            starting = list(settlement.settle(run.key, end, started=now))
        for _ in range(data.draw(st.integers(0, 3), label="riders")):
            riders = [key for key in starting if self.graph.nodes[key].traits.is_pure]
            if not riders or settlement.is_fatal:
                break
            starting.remove(riders[0])
            starting += settlement.settle(riders[0], data.draw(ends, label=riders[0]), started=now)
        return orjson.loads(orjson.dumps(settlement.document(starting=[] if settlement.is_fatal else starting)))

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 1000), data=st.data())
    def report_late(self, which: int, data: st.DataObject) -> None:
        """The lease lapses while the worker still works; somebody else takes the node run; then the first one reports."""
        run = self.claims[which % len(self.claims)]
        self.lapse_leases()
        self.rescue(publishes=True)
        self.messages.append((run.key, run.path))
        self.deliver(which=len(self.messages) - 1, stays=False, several=0)
        self.settle(which=self.claims.index(run), data=data, publishes=True, repeats=False)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 1000), happens=SELDOM)
    def crash(self, which: int, happens: bool) -> None:
        if happens:
            self.claims.pop(which % len(self.claims))

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 1000))
    def begin_effect(self, which: int) -> None:
        run = self.claims[which % len(self.claims)]
        current = self._node_run(run.key, run.path)
        holds = current["status"] == "running" and current["claim_token"] == run.token
        assert protocol.begin_effect(execution_id=self.execution, run=run) == holds

    @precondition(lambda self: self.claims)
    @rule()
    def renew(self) -> None:
        for verdict in protocol.renew(held=[(self.execution, run) for run in self.claims]):
            wanted = "select stop_requested_at is not null as is_to_stop from node_run where claim_token = %(token)s and status = 'running'"
            holder = fetch(wanted, verdict)
            assert verdict["is_lost"] == (not holder)
            if holder and holder[0]["is_to_stop"]:
                assert verdict["is_cancelled"]

    @rule(forgive=st.booleans())
    def die(self, forgive: bool) -> None:
        protocol.lapse(workers=["w"], forgive=forgive)

    # Clocks and sweepers

    @rule()
    def lapse_leases(self) -> None:
        self._update("lease_until = clock_timestamp() - interval '1 s'", "status = 'running'")

    @rule(publishes=st.booleans())
    def rescue(self, publishes: bool) -> None:
        token = uuid4()
        lapsed = "select * from node_run where execution_id = %(e)s and status = 'running' and lease_until <= clock_timestamp()"
        verdicts = {(row["key"], row["path"]): _verdict(row) for row in fetch(lapsed, {"e": self.execution})}
        rows = fetch(
            "select * from rescue_v1(100, %(most)s, %(token)s, %(due)s::interval, null)", {"most": MAX_LOSSES, "token": token, "due": DUE}
        )
        rows = self._own(rows)
        assert {(row["key"], row["path"]): row["status"] for row in rows} == verdicts
        for row in sorted(rows, key=lambda row: (row["key"], row["path"])):
            if row["status"] == "queued" and publishes:
                self.messages += _places([row])
            if row["status"] == "running" and publishes:  # else this sweeper itself died here
                self._settle_as((row["key"], row["path"]), token, End(NodeRunStatus.FAILED, error=ERROR, is_fatal=True))

    @rule(publishes=st.booleans())
    def send_overdue(self, publishes: bool) -> None:
        # What is put aside is not due, whatever the time: nobody but the release of its hold may send it.
        self._update("due_at = clock_timestamp() - interval '1 s'", "status = 'queued' and held_by_id is null")
        statement = "select * from sweep_due_v1('default', 'normal', %(is_explained)s, 100, %(due)s::interval)"
        rows = fetch(statement, {"is_explained": not publishes, "due": DUE})
        self.messages += _places(self._own(rows)) if publishes else []

    @rule(publishes=st.booleans())
    def wake(self, publishes: bool) -> None:
        rows = fetch("select * from sweep_wake_v1(100, %(due)s::interval)", {"due": DUE})
        self.messages += _places(self._own(rows)) if publishes else []

    @rule(is_over=st.integers(0, 3))
    def stop_cancelling(self, is_over: int) -> None:
        fetch("select * from sweep_cancelling_v1(100, %(grace)s::interval)", {"grace": "1 hour" if is_over else "0 s"})

    @rule(is_over=st.booleans())
    def stop_parts(self, is_over: bool) -> None:
        fetch("select * from sweep_stopping_v1(100, %(grace)s::interval)", {"grace": "0 s" if is_over else "1 hour"})

    # An operator

    @rule(happens=SELDOM)
    def pause(self, happens: bool) -> None:
        if happens:
            self._pause(pause=True)

    @rule()
    def resume(self) -> None:
        self.messages += _places(self._pause(pause=False).get("ready", []))

    def _pause(self, *, pause: bool) -> dict[str, Any]:
        statement = "select pause_v1(%(execution)s, %(pause)s, %(due)s::interval) as result"
        return protocol.call(statement, execution=self.execution, pause=pause, due=DUE)

    @rule(happens=SELDOM, is_deadline=st.booleans())
    def cancel(self, happens: bool, is_deadline: bool) -> None:
        if happens:
            error = orjson.dumps(ERROR).decode() if is_deadline else None
            protocol.call("select cancel_v1(%(execution)s, %(error)s::jsonb) as result", execution=self.execution, error=error)

    @rule()
    def signal(self) -> None:
        for key, path in self._places("status = 'waiting' and waits_for = 'go'"):
            statement = "select signal_v1(%(execution)s, %(key)s, %(path)s, 'go', '1', %(due)s::interval) as result"
            first = protocol.call(statement, execution=self.execution, key=key, path=path, due=DUE)
            assert first is not None
            assert protocol.call(statement, execution=self.execution, key=key, path=path, due=DUE) is None, "a signal woke a node run twice"
            self.messages.append((key, path))

    @rule(repeats=st.booleans())
    def send_event(self, repeats: bool) -> None:
        """It wakes all that wait for it, once, however often its statement is said."""
        waiting = self._places("status = 'waiting' and waits_for = 'event:go:'")
        event = uuid7()
        for _ in range(1 + repeats):
            statement = (
                "select take_event_v1(%(id)s, %(workspace)s, 'go', 'event:go:', '1', null, null, 1, null, 100, %(due)s::interval) as result"
            )
            result = protocol.call(statement, id=event, workspace=self.rows.workspace, due=DUE)
            assert (result["woken"], result["is_delivered"]) == (len(waiting), True)
            self.messages += _places(result["ready"])
        assert all(self._node_run(*place)["status"] == "queued" for place in waiting)

    @rule(repeats=st.booleans())
    def resume_by_address(self, repeats: bool) -> None:
        for key, path in self._places("status = 'waiting' and waits_for = 'webhook'"):
            statement = "select resume_v1(%(id)s, %(execution)s, %(key)s, %(path)s, '1', %(due)s::interval) as result"
            outcomes = [
                protocol.call(statement, id=request, execution=self.execution, key=key, path=path, due=DUE)["outcome"]
                for request in [uuid7()] * (1 + repeats) + [uuid7()]
            ]
            # The address is of the node run: one that waits again, after a retry, was resumed before.
            assert set(outcomes[:-1]) == {"woken"} or outcomes[0] == "woken", outcomes
            assert outcomes[-1] == "used", outcomes
            self.messages.append((key, path))

    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(["", *self.graph.nodes]))
        statement = (
            "insert into hold (id, workspace_id, workflow_id, node_key, reason, is_done) "
            "values (%(id)s, %(workspace)s, %(workflow)s, %(key)s, 'x', false) returning id"
        )
        fetch(statement, {"id": uuid7(), "workspace": self.rows.workspace, "workflow": self.rows.workflow, "key": key})

    @rule(publishes=st.booleans())
    def sweep_holds(self, publishes: bool) -> None:
        fetch("select put_held_aside_v1(1000)", {})
        rows = fetch("select * from send_released_v1(100, %(due)s::interval)", {"due": DUE})
        self.messages += _places(self._own(rows)) if publishes else []

    @rule()
    def release(self) -> None:
        for row in fetch("select id from hold where released_at is null order by created_at, id limit 1", {}):
            statement = "select release_hold_v1(%(id)s, null) as result"
            assert [protocol.call(statement, id=row["id"]) for _ in range(2)] == [True, False]

    def _is_held(self, key: str) -> bool:
        return bool(fetch("select 1 as one from hold where released_at is null and node_key in ('', %(key)s)", {"key": key}))

    @rule(rerun=st.booleans(), settles=st.booleans())
    def decide(self, rerun: bool, settles: bool) -> None:
        undecided = "select id, key, path from node_run where execution_id = %(e)s and status = 'uncertain' order by key, path"
        for row in fetch(undecided, {"e": self.execution}):
            token = uuid4()
            statement = "select resolve_uncertain_v1(%(id)s, %(rerun)s, %(token)s, %(due)s::interval) as result"
            result = protocol.call(statement, id=row["id"], rerun=rerun, token=token, due=DUE)
            if result and not rerun:
                held = self._node_run(row["key"], row["path"])
                assert held["worker"] == "", "it would be taken for the work of the worker that died"
                assert held["effect_started_at"] is not None, "it would run again if the decision were lost"
                if settles:
                    self._settle_as((row["key"], row["path"]), token, DOCUMENT)

    def _settle_as(self, place: Place, token: UUID, end: End) -> None:
        settlement = Settlement(self.graph, key=place[0], path=place[1], token=token)
        starting = settlement.settle(place[0], end, started=time.monotonic())
        protocol.settle(execution_id=self.execution, settlements=[settlement.document(starting=starting)])

    # What must always hold

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "began"):
            return
        execution = fetch("select * from execution where id = %(e)s", {"e": self.execution})[0]
        rows = fetch("select * from node_run where execution_id = %(e)s", {"e": self.execution})
        still_open = [row for row in rows if row["status"] not in SETTLED_NODE_RUN]
        assert execution["open_nodes"] == len(still_open)
        assert (execution["status"] in ("success", "failed", "cancelled")) == (not still_open)
        if still_open:
            assert any(row["status"] in OPEN_TO_MOVE for row in still_open), "stuck"
        aside = [row for row in rows if row["status"] == "queued" and row["held_by_id"] is not None]
        assert all(fetch("select 1 as one from hold where id = %(held_by_id)s and not is_done", row) for row in aside), (
            "nobody will send it"
        )
        self._history_holds(execution, rows)
        self.children_hold()
        if execution["status"] in ("running", "paused", "success"):
            self._levels_hold(rows)

    def _history_holds(self, execution: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        events = fetch("select sequence, changes from execution_event where execution_id = %(e)s order by sequence", {"e": self.execution})
        assert [event["sequence"] for event in events] == list(range(1, execution["event_seq"] + 1)), "history has a gap"
        endings = [place for event in events for place in _places(event["changes"], among=SETTLED_NODE_RUN)]
        # What a re-run takes over of loops stands in no event.
        told = [row for row in rows if not (row["origin"] and row["path"])]
        endings = [place for place in endings if place in set(_places(told))]
        assert sorted(endings) == _places(told, among=SETTLED_NODE_RUN), "an ending is missing or doubled"

    def _levels_hold(self, rows: list[dict[str, Any]]) -> None:
        """Outside loops and in each iteration that runs, what the rows ask for is there; and loops have begun as many as they may."""
        self._frontier_holds([row for row in rows if self.graph.nodes[row["key"]].parent is None], None, "")
        waiting = {(row["key"], row["path"]) for row in rows if row["waits_for"] == "$loop" and row["status"] == "waiting"}
        running = fetch(
            "select key, path, loop_path from iteration where execution_id = %(e)s and status = 'running'", {"e": self.execution}
        )
        for loop in fetch("select * from loop_run where execution_id = %(e)s", {"e": self.execution}):
            if (loop["key"], loop["path"]) in waiting:
                found = [each for each in running if (each["key"], each["loop_path"]) == (loop["key"], loop["path"])]
                assert 0 < len(found) == loop["running"] <= loop["parallel"], "a loop waits for nothing, or has begun too much"
        for iteration in running:
            if (iteration["key"], iteration["loop_path"]) in waiting:
                body = [row for row in rows if (self.graph.nodes[row["key"]].parent, row["path"]) == (iteration["key"], iteration["path"])]
                self._frontier_holds(body, iteration["key"], iteration["path"])

    def _frontier_holds(self, rows: list[dict[str, Any]], loop: str | None, path: str) -> None:
        snapshot = {
            row["key"]: Settled(NodeRunStatus(row["status"]), row["port"]) if row["status"] in SETTLED_NODE_RUN else None for row in rows
        }
        whole = frontier(self.graph, snapshot, loop=loop)
        assert whole.is_final, f"nobody started {whole.ready} or skipped {whole.skipped} at '{path}'"
        statement = "select key, settled, live from gate where execution_id = %(e)s and path = %(path)s"
        gates = fetch(statement, {"e": self.execution, "path": path})
        names = {gate["key"]: f"$end:{gate['key']}" if gate["key"] == loop else gate["key"] for gate in gates}
        lost = {each for key in snapshot for part in [self.graph.nodes[key].loses] if part is not None for each in part.here}
        here = {key for key, node in self.graph.nodes.items() if node.parent == loop} - set(snapshot) - lost
        counted = {names[gate["key"]]: (gate["settled"], gate["live"]) for gate in gates if names[gate["key"]] in here}
        assert {key: (arrived.settled, arrived.live) for key, arrived in whole.gates.items()} == counted

    def teardown(self) -> None:
        """Without further faults everything reaches its end; and what failed or was stopped, and one node of what ended well, again."""
        if not hasattr(self, "began"):
            return
        self._end_calmly()
        executions = [self.execution]
        if self._status() in ("failed", "cancelled") and self._run_again(None):
            executions.append(self.execution)
        chosen = chosen_of(self.execution, self.which_again) if self._status() == "success" else None
        if chosen is not None and self._run_again(chosen):
            executions.append(self.execution)
        for execution in reversed(executions):
            self._forget(execution)

    def _run_again(self, chosen: RerunPlace | None) -> bool:
        """Run an execution again, from a place or from where it failed, in a new one that takes its place; False where nothing is left."""
        version = Compiled(self.definition, self.graph)
        tree = plan_again(version, self.execution, chosen)
        if tree is None:
            return False
        self.execution = run_again(version, self.execution, self.rows.version, tree, due=DUE)
        self.messages, self.claims = [(key, "") for key in tree.outer.frontier.ready], []
        self.holds()
        self._end_calmly()
        assert self._status() == "success", "the re-run failed, though nothing fails any more"
        self.holds()
        loops_are_whole(self.execution)
        return True

    def _end_calmly(self) -> None:
        for _ in range(200):
            if self._status() in ("success", "failed", "cancelled"):
                break
            self._calm_step()
        else:
            raise AssertionError(f"did not end: {self._status()}")

    def _forget(self, execution: UUID) -> None:
        self.forget_children(execution)
        for table in ("hold", "received_event"):
            fetch(f"with gone as (delete from {table}) select 1 as one", {})
        for table in ("execution_event", "gate", "iteration", "loop_run", "node_run"):
            fetch(f"with gone as (delete from {table} where execution_id = %(e)s) select 1 as one", {"e": execution})
        fetch("with gone as (delete from execution where id = %(e)s) select 1 as one", {"e": execution})

    def _calm_step(self) -> None:
        self.resume()
        self.lapse_leases()
        self.rescue(publishes=True)
        self.decide(rerun=False, settles=True)
        self.signal()
        self.send_event(repeats=False)
        self.resume_by_address(repeats=False)
        self.release()
        self.sweep_holds(publishes=True)
        self.sweep_children()
        self.end_child(succeeds=True)
        self.wake(publishes=True)
        self.send_overdue(publishes=True)
        self.stop_cancelling(is_over=0)
        self.stop_parts(is_over=True)
        for place in self.messages:
            claim = self._claim(place)
            for run in claim.runs if claim else ():
                self._settle_calmly(run)
        self.messages.clear()

    def _settle_calmly(self, run: ClaimedRun) -> None:
        node = self.graph.nodes[run.key]
        if run.gate_live is not None and not node.starts(live=run.gate_live):
            self._settle_as((run.key, run.path), run.token, SKIPPED_END)
        elif not node.traits.is_loop:
            self._settle_as((run.key, run.path), run.token, DOCUMENT)
        else:
            settlement = Settlement(self.graph, key=run.key, path=run.path, token=run.token)
            end = loop_end(self.graph, settlement, run, lambda strategy: None)
            starting = settlement.settle(run.key, end, started=time.monotonic())
            protocol.settle(execution_id=self.execution, settlements=[settlement.document(starting=starting)])

    # Looking

    def _own(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Sweepers look at all executions, those of children too; the messages are this one's."""
        return [row for row in rows if row["execution_id"] == self.execution]

    def _status(self) -> str:
        return str(fetch("select status from execution where id = %(e)s", {"e": self.execution})[0]["status"])

    def _claims(self, places: list[Place]) -> list[Claim]:
        if len(places) == 1:
            claim = self._claim(places[0])
            return [] if claim is None else [claim]
        return claim_places(execution_id=self.execution, wanted=[self._wanted(*place) for place in places], worker="w")

    def _wanted(self, key: str, path: str) -> Wanted:
        reads = [(read, self.graph.path_of(read, path)) for read in self._reads(key)]
        return Wanted(key, path, loop=self.graph.nodes[key].parent, index=int(path.rpartition(".")[2] or 0), reads=reads)

    def _reads(self, key: str) -> list[str]:
        return [each for each, node in self.graph.nodes.items() if node.depth <= self.graph.nodes[key].depth and node.ends_loop is None]

    def _claim(self, place: Place) -> Claim | None:
        key, path = place
        reads = self._reads(key)
        return protocol.claim(
            execution_id=self.execution,
            keys=[key],
            tokens=[uuid4()],
            path=path,
            worker="w",
            reads=reads,
            wants_input=True,
            read_paths=[self.graph.path_of(read, path) for read in reads],
            loop=self.graph.nodes[key].parent,
        )

    def _node_run(self, key: str, path: str) -> Any:
        statement = "select * from node_run where execution_id = %(e)s and key = %(key)s and path = %(path)s"
        rows = fetch(statement, {"e": self.execution, "key": key, "path": path})
        return rows[0] if rows else None

    def _places(self, condition: str) -> list[Place]:
        return _places(fetch(f"select key, path from node_run where execution_id = %(e)s and {condition}", {"e": self.execution}))

    def _update(self, assignment: str, condition: str) -> None:
        statement = f"update node_run set {assignment} where execution_id = %(e)s and {condition} returning 1 as one"
        fetch(statement, {"e": self.execution})
