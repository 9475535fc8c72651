"""The history of an execution, as a stream of events reads it."""

from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.core import fence
from apps.core.errors import UnauthenticatedError
from apps.engine.statuses import SETTLED_EXECUTION
from apps.executions import queries
from apps.executions.api.serializers import output_url
from apps.executions.models import ExecutionEvent
from apps.realtime.identity import WhoNow
from apps.realtime.streams import Item


class HistoryReader:
    """Reads one execution's history for `user`; `who` says whether they are still who they were, and what they may now.

    Items are named `execution.changed` and hold {"sequence", "kind", "at", "status", "changes"}. The last one, with which the execution
    has ended, is named `execution.ended` and has its result as well: {"output", "output_url", "error", "finished_at"}.
    """

    def __init__(self, user: User, execution_id: UUID, who: WhoNow) -> None:
        self._user, self._execution_id, self._who = user, execution_id, who

    def __call__(self, after: int, is_checking: bool) -> list[Item]:
        """As `streams.Read`. Raises UnauthenticatedError, ExecutionNotFoundError."""
        if is_checking:
            self._know_who()
        with fence.around(self._user.access.as_caller()):
            if is_checking:
                queries.check_visible(self._user, self._execution_id)
            return [self._item(event) for event in queries.list_events(self._user, self._execution_id, after=after)]

    def _know_who(self) -> None:
        user = self._who()
        if user != self._user:
            raise UnauthenticatedError(
                "The token or session has ended. Connect again with another one, from where this stream has come to."
            )
        self._user = user

    def _item(self, event: ExecutionEvent) -> Item:
        is_last = event.status in SETTLED_EXECUTION
        data = {name: getattr(event, name) for name in ("sequence", "kind", "at", "status", "changes")}
        if is_last:
            data |= self._result()
        return Item(event.sequence, "execution.ended" if is_last else "execution.changed", data, is_last)

    def _result(self) -> dict[str, Any]:
        result = queries.get_result(self._execution_id)
        ref = result.pop("output_ref")
        return {**result, "output_url": output_url(self._execution_id, ref)}
