"""Executions, node runs and history in the admin."""

from apps.executions.admin.events import ExecutionEventAdmin
from apps.executions.admin.executions import ExecutionAdmin
from apps.executions.admin.follow_ups import FollowUpAdmin
from apps.executions.admin.holds import HoldAdmin, ReceivedEventAdmin
from apps.executions.admin.iterations import IterationAdmin
from apps.executions.admin.limits import ExecutionLimitAdmin
from apps.executions.admin.node_runs import NodeRunAdmin
from apps.executions.admin.reruns import BulkRerunAdmin
from apps.executions.admin.workflow_variables import WorkflowVariableAdmin

__all__ = [
    "BulkRerunAdmin",
    "ExecutionAdmin",
    "ExecutionEventAdmin",
    "ExecutionLimitAdmin",
    "FollowUpAdmin",
    "HoldAdmin",
    "IterationAdmin",
    "NodeRunAdmin",
    "ReceivedEventAdmin",
    "WorkflowVariableAdmin",
]
