"""Django's model signals as a source of events, for programs that have StructForge among their apps.

    emits(Order, name="order", workspace=lambda order: order.shop.workspace, data=lambda order: {"id": order.pk, "total": order.total})

From then on saving an Order sends `order.created` or `order.updated`, deleting one `order.deleted`: in its transaction, delivered after it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model
from django.db.models.signals import post_delete, post_save

from apps.accounts.models import Workspace
from apps.triggers.events.sending import emit

Row = TypeVar("Row", bound=Model)
KINDS = ("created", "updated", "deleted")


def emits(
    model: type[Row],
    *,
    name: str,
    workspace: Callable[[Row], Workspace | None],
    data: Callable[[Row], Any],
    on: tuple[str, ...] = KINDS,
) -> Callable[[], None]:
    """Send an event with each change of a model's rows that goes through `save` and `delete`. To be called once, in `AppConfig.ready`.

    name        what types begin with: `order` makes `order.created`
    workspace   whose workflows hear of it; None: nobody's
    data        JSON of the row
    Returns a function that ends it. The subject of an event is the key of its row. `update()` and SQL send nothing, as with all signals.
    """
    uid = f"structforge.events:{name}:{model._meta.label_lower}"

    def send(row: Row, kind: str, row_id: object) -> None:
        if kind in on and (of := workspace(row)) is not None:
            emit(workspace=of, type=f"{name}.{kind}", data=data(row), subject=str(row_id), source=model._meta.label_lower)

    def saved(sender: type[Row], instance: Row, created: bool, raw: bool = False, **_: Any) -> None:
        if not raw:  # rows of a fixture are no news
            send(instance, "created" if created else "updated", instance.pk)

    def deleted(sender: type[Row], instance: Row, **_: Any) -> None:
        send(instance, "deleted", instance.pk)

    post_save.connect(saved, sender=model, weak=False, dispatch_uid=uid)
    post_delete.connect(deleted, sender=model, weak=False, dispatch_uid=uid)

    def end() -> None:
        post_save.disconnect(sender=model, dispatch_uid=uid)
        post_delete.disconnect(sender=model, dispatch_uid=uid)

    return end
