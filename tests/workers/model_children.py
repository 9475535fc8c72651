"""The model's children: executions that node runs have started, and wait for."""

from collections.abc import Callable
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import rule

from apps.core.ids import uuid7
from apps.engine.definition import parse_definition
from apps.engine.graph import compile_graph
from apps.engine.outcomes import NodeError
from apps.engine.statuses import NodeRunStatus
from apps.executions import protocol
from apps.executions.connection import fetch
from apps.executions.protocol import ClaimedRun
from apps.executions.settlement import End, Settlement
from tests.engine.simulation import traits

ENTRY = {"key": "only", "queue": "default", "lost": "rerun"}
GRAPH = compile_graph(
    parse_definition({"schema": 1, "name": "child", "nodes": [{"key": "only", "type": "data.set"}]}), lambda node: traits()
)
OPEN = "status in ('pending', 'running', 'paused', 'cancelling')"
ENDS = {
    True: End(NodeRunStatus.SUCCESS, "out", output=b"1"),
    False: End(NodeRunStatus.FAILED, error=NodeError("test", "It failed.").as_json(), is_fatal=True),
}


class ChildRules:
    """Rules of a state machine that has `execution` and `rows`."""

    execution: UUID
    rows: Any

    def maybe_call(self, run: ClaimedRun, draw: Callable[..., Any]) -> End | None:
        """Sometimes the node run starts a child and waits for it, once for each attempt."""
        if run.deferred is not None or draw(st.integers(0, 5), label=f"{run.key} calls"):
            return None
        child = uuid7()
        document = {
            "id": child,
            "workflow": self.rows.workflow,
            "version": self.rows.version,
            "input": {},
            "variables": {},
            "entries": [ENTRY],
            "priority": "normal",
            "timeout_seconds": None,
            "waits": True,
            "try": run.attempt - run.losses,
        }
        return End(NodeRunStatus.WAITING, waits_for="$child", state={"child": str(child)}, child=document)

    @rule(succeeds=st.booleans())
    def end_child(self, succeeds: bool) -> None:
        """The oldest child that runs does what it has to."""
        for child in self._children("e.status = 'running'")[:1]:
            claim = protocol.claim(
                execution_id=child["id"], keys=["only"], tokens=[uuid4()], path="", worker="w", reads=[], wants_input=True
            )
            for run in claim.runs if claim else ():  # none where it is held
                settlement = Settlement(GRAPH, key="only", path="", token=run.token)
                for key in settlement.settle("only", ENDS[succeeds], started=monotonic()):
                    settlement.settle(key, ENDS[True], started=monotonic())  # the output of the execution rides along
                protocol.settle(execution_id=child["id"], settlements=[settlement.document(starting=[])])

    @rule()
    def sweep_children(self) -> None:
        """Children that nobody waits for any more are cancelled."""
        fetch("select * from sweep_children_v1(100)", {})
        assert not self._children(
            "e.status in ('pending', 'running', 'paused') and n.status in ('success', 'failed', 'skipped', 'cancelled')"
        )

    def children_hold(self) -> None:
        """Whoever waits for a child waits for one that is under way, and each attempt has started one at most."""
        waiting = {
            row["child"]
            for row in fetch(
                "select deferred->'state'->>'child' as child from node_run where execution_id = %(e)s and status = 'waiting' "
                "and waits_for = '$child'",
                {"e": self.execution},
            )
        }
        assert waiting <= {str(child["id"]) for child in self._children(f"e.{OPEN}")}, "a node run waits for a child that has ended"
        tries = [(child["parent_node_run_id"], child["parent_try"]) for child in self._children("true")]
        assert len(tries) == len(set(tries)), "an attempt has started two children"

    def forget_children(self, execution: UUID) -> None:
        ids = [child["id"] for child in self._children("true", execution)]
        for table in ("execution_event", "node_run"):
            fetch(f"with gone as (delete from {table} where execution_id = any(%(ids)s)) select 1 as one", {"ids": ids})
        fetch("with gone as (delete from execution where id = any(%(ids)s)) select 1 as one", {"ids": ids})

    def _children(self, condition: str, execution: UUID | None = None) -> list[dict[str, Any]]:
        statement = (
            "select e.id, e.parent_node_run_id, e.parent_try from execution e join node_run n on n.id = e.parent_node_run_id "
            f"where n.execution_id = %(e)s and {condition} order by n.key, n.path, e.parent_try"
        )
        return fetch(statement, {"e": execution or self.execution})
