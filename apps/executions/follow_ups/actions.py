"""What people decide about that which follows from the end of executions."""

from uuid import UUID

from django.db import transaction

from apps.core.audit import Verb, record
from apps.engine.errors import ConflictError
from apps.executions.models import FollowUp


class AlreadyStartedError(ConflictError):
    """It was started or given up before."""

    code = "already_started"


@transaction.atomic
def drop_follow_up(*, follow_up_id: UUID, by: str) -> FollowUp:
    """Let a planned follow-up not happen. Raises AlreadyStartedError."""
    follow_up = FollowUp.objects.open().select_for_update(of=("self",)).filter(pk=follow_up_id).first()
    if follow_up is None:
        raise AlreadyStartedError("It was started or given up before: cancel the execution that it has started instead.")
    follow_up.error = {"code": "dropped", "message": f"{by} decided against it.", "details": {}}
    follow_up.save(update_fields=["error"])
    record(Verb.FOLLOW_UP_DROPPED, follow_up, before={"kind": follow_up.kind, "due_at": follow_up.due_at}, object_id=follow_up.origin_id)
    return follow_up
