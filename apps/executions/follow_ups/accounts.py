"""What is told of the end of an execution: to error workflows as their input, and to people and programs as the message."""

from typing import Any

from apps.executions.models import Execution, FollowUp


def account_of(execution: Execution) -> dict[str, Any]:
    """The shape is in docs/errors.md; it has neither input nor output, which may be for fewer eyes."""
    follows = FollowUp.objects.filter(execution=execution).first()
    error = execution.error
    return {
        "execution": {
            "id": str(execution.pk),
            "status": execution.status,
            "trigger": execution.trigger,
            "business_key": execution.business_key,
            "attempt": follows.attempt if follows else 1,
            "follows": str(follows.origin_id) if follows else None,
            "created_at": execution.created_at.isoformat(),
            "finished_at": execution.finished_at.isoformat() if execution.finished_at else None,
        },
        "workflow": {"id": str(execution.workflow_id), "name": execution.workflow.name, "version": execution.version.number},
        "error": error and {name: error.get(name) for name in ("code", "message", "details")},
        "node": error and error.get("node"),
    }
