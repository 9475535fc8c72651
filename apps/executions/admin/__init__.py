"""Executions, node runs and history in the admin."""

from apps.executions.admin.events import ExecutionEventAdmin
from apps.executions.admin.executions import ExecutionAdmin
from apps.executions.admin.follow_ups import FollowUpAdmin
from apps.executions.admin.node_runs import NodeRunAdmin
from apps.executions.admin.workflow_variables import WorkflowVariableAdmin

__all__ = ["ExecutionAdmin", "ExecutionEventAdmin", "FollowUpAdmin", "NodeRunAdmin", "WorkflowVariableAdmin"]
