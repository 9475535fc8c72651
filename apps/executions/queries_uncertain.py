"""Node runs that wait for a person to say what became of them."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import F

from apps.accounts.models import User
from apps.executions.models import NodeRun

MAX_UNCERTAIN = 200  # in one answer


def list_uncertain(user: User, *, workspace: UUID | None = None, workflow: UUID | None = None, after: int = 0) -> Sequence[NodeRun]:
    """Uncertain node runs that `user` may see, the oldest first, from the one after id `after`; with `workflow_id` and `workflow_name`."""
    narrowed = {"workspace_id": workspace, "execution__workflow_id": workflow}
    found = NodeRun.objects.visible_to(user).filter(status="uncertain", id__gt=after)
    found = found.filter(**{name: value for name, value in narrowed.items() if value is not None})
    named = found.annotate(workflow_id=F("execution__workflow_id"), workflow_name=F("execution__workflow__name"))
    return list(named.defer("input", "output", "deferred").order_by("id")[:MAX_UNCERTAIN])
