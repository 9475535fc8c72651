"""What is said about a task, and the files that go with it."""

from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.accounts.queries import require_in
from apps.core import object_store
from apps.core.audit import Verb, record
from apps.engine.errors import ConflictError, InvalidError, NotFoundError
from apps.engine.json_values import JsonTooLargeError
from apps.tasks.holding import locked
from apps.tasks.models import Attachment, Comment, HumanTask

MAX_ATTACHMENTS = 20  # of one task
MAX_COMMENTS = 1000


class AttachmentNotFoundError(NotFoundError):
    code = "attachment_not_found"


class TooManyError(ConflictError):
    """The task has as many as it may."""

    code = "too_many"


class EmptyAttachmentError(InvalidError):
    code = "empty_attachment"


@transaction.atomic
def comment(*, task: HumanTask, user: User, text: str) -> Comment:
    """Say something about a task, open or closed. Raises NotAllowedInWorkspaceError, TooManyError."""
    require_in(user, task.workspace, Permission.TASK_WORK)
    if task.comments.count() >= MAX_COMMENTS:
        raise TooManyError(f"A task has at most {MAX_COMMENTS} comments.")
    made = Comment.objects.create(workspace_id=task.workspace_id, task=task, user=user, text=text)
    made.refresh_from_db(fields=["created_at"])
    record(Verb.TASK_COMMENTED, task)
    return made


def attach(*, task: HumanTask, user: User, name: str, content_type: str, data: bytes) -> Attachment:
    """Keep a file with an open task. Raises NotAllowedInWorkspaceError, JsonTooLargeError, TooManyError, TaskClosedError."""
    require_in(user, task.workspace, Permission.TASK_WORK)
    if not data:
        raise EmptyAttachmentError("Expected the bytes of a file as the body, found none.")
    if len(data) > settings.TASK_ATTACHMENT_BYTES:
        limit = settings.TASK_ATTACHMENT_BYTES
        raise JsonTooLargeError(f"Expected at most {limit} bytes, found {len(data)}.", max_bytes=limit, size_bytes=len(data))
    ref = object_store.put(task.workspace_id, data)
    with transaction.atomic():
        if locked(task.pk).attachments.count() >= MAX_ATTACHMENTS:
            raise TooManyError(f"A task has at most {MAX_ATTACHMENTS} attachments.")
        made = Attachment.objects.create(
            workspace_id=task.workspace_id, task=task, user=user, name=name, content_type=content_type, size_bytes=len(data), ref=ref
        )
        record(Verb.TASK_ATTACHED, task, after={"name": name, "size_bytes": len(data)})
    made.refresh_from_db(fields=["created_at"])
    return made


def get_attachment(task: HumanTask, attachment_id: UUID) -> Attachment:
    """Raises AttachmentNotFoundError."""
    found = task.attachments.filter(pk=attachment_id).first()
    if found is None:
        raise AttachmentNotFoundError(f"The task has no attachment {attachment_id}.")
    return found
