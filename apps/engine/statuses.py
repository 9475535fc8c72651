"""Statuses of executions and node runs, and the one table of moves between them."""

from enum import StrEnum


class ExecutionStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_settled(self) -> bool:
        return not EXECUTION_MOVES[self]


class NodeRunStatus(StrEnum):
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    RETRYING = "retrying"
    UNCERTAIN = "uncertain"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_settled(self) -> bool:
        return not NODE_RUN_MOVES[self]


EXECUTION_MOVES: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    # In line for a slot of a limit; what is cancelled there has not run, and one whose concurrency key cannot be had fails there.
    ExecutionStatus.PENDING: frozenset(
        {ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED}
    ),
    ExecutionStatus.RUNNING: frozenset(
        {ExecutionStatus.PAUSED, ExecutionStatus.CANCELLING, ExecutionStatus.SUCCESS, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED}
    ),
    # A paused execution lets its running nodes finish, so it may also end.
    ExecutionStatus.PAUSED: frozenset(
        {ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING, ExecutionStatus.SUCCESS, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED}
    ),
    ExecutionStatus.CANCELLING: frozenset({ExecutionStatus.CANCELLED, ExecutionStatus.FAILED}),
    ExecutionStatus.SUCCESS: frozenset(),
    ExecutionStatus.FAILED: frozenset(),
    ExecutionStatus.CANCELLED: frozenset(),
}

NODE_RUN_MOVES: dict[NodeRunStatus, frozenset[NodeRunStatus]] = {
    NodeRunStatus.PENDING: frozenset({NodeRunStatus.QUEUED, NodeRunStatus.SKIPPED, NodeRunStatus.CANCELLED}),
    NodeRunStatus.QUEUED: frozenset({NodeRunStatus.RUNNING, NodeRunStatus.CANCELLED}),
    NodeRunStatus.RUNNING: frozenset(
        {
            NodeRunStatus.SUCCESS,
            NodeRunStatus.FAILED,
            NodeRunStatus.SKIPPED,
            NodeRunStatus.RETRYING,
            NodeRunStatus.WAITING,
            NodeRunStatus.QUEUED,
            NodeRunStatus.UNCERTAIN,
            NodeRunStatus.CANCELLED,
        }
    ),
    NodeRunStatus.WAITING: frozenset({NodeRunStatus.QUEUED, NodeRunStatus.FAILED, NodeRunStatus.CANCELLED}),
    NodeRunStatus.RETRYING: frozenset({NodeRunStatus.QUEUED, NodeRunStatus.CANCELLED}),
    # A person decides: run it again, or say how it ended (which goes through `running`, under a claim of the person's own).
    NodeRunStatus.UNCERTAIN: frozenset({NodeRunStatus.QUEUED, NodeRunStatus.RUNNING, NodeRunStatus.CANCELLED}),
    NodeRunStatus.SUCCESS: frozenset(),
    NodeRunStatus.FAILED: frozenset(),
    NodeRunStatus.SKIPPED: frozenset(),
    NodeRunStatus.CANCELLED: frozenset(),
}

SETTLED_EXECUTION = frozenset(status for status, moves in EXECUTION_MOVES.items() if not moves)
SETTLED_NODE_RUN = frozenset(status for status, moves in NODE_RUN_MOVES.items() if not moves)
