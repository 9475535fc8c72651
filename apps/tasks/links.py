"""Addresses in mails about a task. Each is for one person, who still has to log in: whoever else opens it is refused."""

from uuid import UUID

from django.conf import settings
from django.core import signing

from apps.accounts.models import User
from apps.core.redaction import TASK_TOKEN_PREFIX
from apps.engine.errors import ForbiddenError, NotFoundError

_SALT = "structforge.task"
MAX_TOKEN_LENGTH = 400


class TaskLinkNotFoundError(NotFoundError):
    """We have not signed such a link, or somebody changed it."""

    code = "task_link_not_found"


class LinkOfAnotherError(ForbiddenError):
    """The link was sent to somebody else."""

    code = "link_of_another"


def task_token(task_id: int, user_id: UUID) -> str:
    return TASK_TOKEN_PREFIX + _signer().sign(f"{task_id}-{user_id.hex}")


def task_link(task_id: int, user_id: UUID) -> str:
    """Where the mail to this person points; without a public URL only the path."""
    return f"{settings.PUBLIC_URL}/tasks/open/{task_token(task_id, user_id)}"


def read_link(token: str, user: User) -> int:
    """Id of the task of a link that was sent to `user`. Raises TaskLinkNotFoundError, LinkOfAnotherError."""
    try:
        if len(token) > MAX_TOKEN_LENGTH or not token.startswith(TASK_TOKEN_PREFIX):
            raise TaskLinkNotFoundError("There is no such link.")
        task_id, _, user_id = _signer().unsign(token.removeprefix(TASK_TOKEN_PREFIX)).partition("-")
    except signing.BadSignature as error:
        raise TaskLinkNotFoundError("There is no such link.") from error
    if UUID(user_id) != user.pk:
        raise LinkOfAnotherError("This link was sent to somebody else; ask for the task to be given to you.")
    return int(task_id)


def _signer() -> signing.Signer:
    return signing.Signer(sep=".", salt=_SALT)
