"""Names of groups. They are made here alone, so that no caller can name a group of somebody else."""

from uuid import UUID

from django.conf import settings


def execution_group(execution_id: UUID | str) -> str:
    """The group of those who watch one execution. Raises ValueError when `execution_id` is no UUID."""
    return f"execution.{UUID(str(execution_id)).hex}"


def redis_channel(group: str) -> str:
    """The Redis pub/sub channel that carries `group` in `RedisPubSubChannelLayer`."""
    return f"{settings.LIVE_PREFIX}__group__{group}"
