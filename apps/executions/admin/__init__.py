"""Executions, node runs and history in the admin."""

from apps.executions.admin.events import ExecutionEventAdmin
from apps.executions.admin.executions import ExecutionAdmin
from apps.executions.admin.limits import ExecutionLimitAdmin
from apps.executions.admin.node_runs import NodeRunAdmin

__all__ = ["ExecutionAdmin", "ExecutionEventAdmin", "ExecutionLimitAdmin", "NodeRunAdmin"]
