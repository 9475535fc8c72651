"""What the live view of an execution starts from."""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef
from django.db.models.functions import JSONObject

from apps.accounts.models import User
from apps.executions.models import Execution, NodeRun

# As in the messages that follow. Outputs are fetched by whoever opens a node.
NODE_RUN_FIELDS = (
    "key",
    "path",
    "status",
    "revision",
    "attempt",
    "port",
    "worker",
    "queued_at",
    "started_at",
    "finished_at",
    "wake_at",
    "error",
)
EXECUTION_FIELDS = ("status", "priority", "trigger", "business_key", "output", "error", "created_at", "started_at", "finished_at")


def find_snapshot(user: User, execution_id: str) -> dict[str, Any] | None:
    """The execution and all of its node runs at one instant; None when it does not exist or `user` may not see it.

    {"type": "execution.snapshot", "execution_id": str, "sequence": int, "workflow_id": str, "workflow_name": str, "version": int,
     "status", "priority", "trigger", "business_key", "output", "error", "created_at", "started_at", "finished_at",
     "node_runs": [{"key", "path", "status", "revision", "attempt", "port", "worker",
                    "queued_at", "started_at", "finished_at", "wake_at", "error"}]}

    One statement, so that the numbers in it belong together.
    """
    node_runs = NodeRun.objects.filter(execution=OuterRef("pk")).order_by("id")
    row = (
        Execution.objects.visible_to(user)
        .filter(pk=execution_id)
        .values(
            *EXECUTION_FIELDS,
            "workflow_id",
            sequence=F("event_seq"),
            workflow_name=F("workflow__name"),
            version_number=F("version__number"),
            runs=ArraySubquery(node_runs.values(json=JSONObject(**{name: name for name in NODE_RUN_FIELDS}))),
        )
        .first()
    )
    if row is None:
        return None
    # Names that the model has already cannot be given to annotations.
    version, node_runs = row.pop("version_number"), row.pop("runs")
    return {"type": "execution.snapshot", "execution_id": execution_id, "version": version, **row, "node_runs": node_runs}


def find_sequence(user: User, execution_id: str) -> int | None:
    """The number of the newest event of an execution; None when it does not exist or `user` may not see it."""
    return Execution.objects.visible_to(user).filter(pk=execution_id).values_list("event_seq", flat=True).first()
