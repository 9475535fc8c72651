"""Names of groups. They are made here alone, so that no caller can name a group of somebody else."""

from uuid import UUID

from django.conf import settings


def execution_group(execution_id: UUID | str) -> str:
    """The group of those who watch one execution. Raises ValueError when `execution_id` is no UUID."""
    return f"execution.{UUID(str(execution_id)).hex}"


def inbox_group(key: str) -> str:
    """The group of those whose inboxes hold what is given to `key`: a person, a team or a role, as `apps.tasks.keys` names them."""
    return f"inbox.{key}"


def redis_channel(group: str) -> str:
    """The Redis pub/sub channel that carries `group` in `RedisPubSubChannelLayer`."""
    return f"{settings.LIVE_PREFIX}__group__{group}"
