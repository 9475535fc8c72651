"""Reads of deliveries, each for somebody."""

from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.engine.errors import NotFoundError
from apps.notifications.models import Delivery, DeliveryQuerySet
from apps.workflows.access import require


class DeliveryNotFoundError(NotFoundError):
    code = "delivery_not_found"


def list_deliveries(
    user: User, *, execution: UUID | None = None, workflow: UUID | None = None, state: str | None = None
) -> DeliveryQuerySet:
    """Deliveries about executions that `user` may see."""
    columns: dict[str, Any] = {"execution_id": execution, "execution__workflow_id": workflow, "state": state}
    found = Delivery.objects.visible_to(user).filter(**{name: value for name, value in columns.items() if value is not None})
    return found.select_related("execution").only(*_LISTED)


def get_delivery(user: User, delivery_id: UUID) -> Delivery:
    """Raises DeliveryNotFoundError."""
    found = list_deliveries(user).filter(pk=delivery_id).first()
    if found is None:
        raise DeliveryNotFoundError(f"There is no delivery {delivery_id} that you may see.")
    return found


def check_redeliverable(user: User, delivery: Delivery) -> None:
    """Raise NotAllowedError unless `user` may steer executions of the workflow, or of the workspace where it is about a schedule.

    What they have started they may steer; so whoever asked to be called back may ask for it again.
    """
    if delivery.execution is None:
        get_workspace(user, delivery.workspace_id, Permission.EXECUTION_OPERATE)
        return
    if delivery.execution.started_by_id == user.pk:
        return
    require(user, delivery.execution.workflow, Permission.EXECUTION_OPERATE)


_LISTED = [
    *(field.name for field in Delivery._meta.concrete_fields if field.name not in ("payload", "token")),
    "execution__workflow_id",
    "execution__started_by_id",
]
