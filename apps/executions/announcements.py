"""What the engine tells those who watch, after a commit."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from apps.realtime.announce import announce


def announce_change(execution_id: UUID, result: Mapping[str, Any]) -> None:
    """Tell what one of the SQL functions changed: {"status", "sequence", "at", "changes": [node run change]}."""
    announce(
        str(execution_id),
        {
            "type": "execution.changed",
            "execution_id": str(execution_id),
            "sequence": result["sequence"],
            "status": result["status"],
            "at": result.get("at"),
            "node_runs": result["changes"],
        },
    )


def announce_hint(execution_id: UUID, node_runs: Iterable[Mapping[str, Any]]) -> None:
    """Tell of changes that history does not number: a claim, a wake-up, a rescue."""
    announce(
        str(execution_id),
        {
            "type": "execution.changed",
            "execution_id": str(execution_id),
            "sequence": None,
            "status": None,
            "at": datetime.now(UTC).isoformat(),
            "node_runs": list(node_runs),
        },
    )
