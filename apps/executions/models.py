"""Executions and all that belongs to them, as tables, each idea in a file of its own.

Their statuses are written by `protocol` alone, in SQL functions.
"""

from apps.executions.models_executions import ENDED_EXECUTION, HOLDING, Execution, ExecutionQuerySet
from apps.executions.models_history import Ending, ExecutionEvent, ExecutionEventQuerySet, FollowUp, FollowUpQuerySet
from apps.executions.models_installation import EngineState, ExecutionLimit, ExecutionLimitQuerySet
from apps.executions.models_kept import CachedResult, WorkflowVariable, WorkflowVariableQuerySet
from apps.executions.models_loops import Iteration, IterationQuerySet, LoopRun, LoopRunQuerySet
from apps.executions.models_node_runs import Gate, NodeRun, NodeRunQuerySet
from apps.executions.models_requests import Callback, IdempotentRequest
from apps.executions.models_starting import BulkRerun, BulkRerunItem, BulkRerunQuerySet, LinkStart
from apps.executions.models_waiting import Hold, HoldQuerySet, ReceivedEvent, ReceivedEventQuerySet

__all__ = [
    "ENDED_EXECUTION",
    "HOLDING",
    "BulkRerun",
    "BulkRerunItem",
    "BulkRerunQuerySet",
    "CachedResult",
    "Callback",
    "Ending",
    "EngineState",
    "Execution",
    "ExecutionEvent",
    "ExecutionEventQuerySet",
    "ExecutionLimit",
    "ExecutionLimitQuerySet",
    "ExecutionQuerySet",
    "FollowUp",
    "FollowUpQuerySet",
    "Gate",
    "Hold",
    "HoldQuerySet",
    "IdempotentRequest",
    "Iteration",
    "IterationQuerySet",
    "LinkStart",
    "LoopRun",
    "LoopRunQuerySet",
    "NodeRun",
    "NodeRunQuerySet",
    "ReceivedEvent",
    "ReceivedEventQuerySet",
    "WorkflowVariable",
    "WorkflowVariableQuerySet",
]
