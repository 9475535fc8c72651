"""For whom a connection works."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose rows alone a connection serves.

    workspace_id   the only workspace that counts, as for an API key; None: all of the person's, and what was shared with them
    """

    user_id: UUID
    workspace_id: UUID | None = None
