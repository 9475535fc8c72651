"""Executions, node runs and history in the admin."""

from apps.executions.admin.events import ExecutionEventAdmin
from apps.executions.admin.executions import ExecutionAdmin
from apps.executions.admin.holds import HoldAdmin, ReceivedEventAdmin
from apps.executions.admin.node_runs import NodeRunAdmin

__all__ = ["ExecutionAdmin", "ExecutionEventAdmin", "HoldAdmin", "NodeRunAdmin", "ReceivedEventAdmin"]
