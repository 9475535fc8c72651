"""Executions, node runs and history in the admin."""

from apps.executions.admin.events import ExecutionEventAdmin
from apps.executions.admin.executions import ExecutionAdmin
from apps.executions.admin.node_runs import NodeRunAdmin
from apps.executions.admin.reruns import BulkRerunAdmin

__all__ = ["BulkRerunAdmin", "ExecutionAdmin", "ExecutionEventAdmin", "NodeRunAdmin"]
