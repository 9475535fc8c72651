"""WebSockets of executions."""

from typing import Any

from apps.accounts.models import User
from apps.executions.queries_live import find_sequence, find_snapshot
from apps.realtime.consumer import LiveConsumer


class ExecutionConsumer(LiveConsumer):
    """/ws/executions/{execution_id}: one execution with its node runs, as `queries_live.find_snapshot` describes it."""

    @property
    def followed_id(self) -> str:
        return str(self.scope["url_route"]["kwargs"]["execution_id"])

    def read_snapshot(self, user: User) -> dict[str, Any] | None:
        return find_snapshot(user, self.followed_id)

    def read_sequence(self, user: User) -> int | None:
        return find_sequence(user, self.followed_id)
