"""Starting through a share link, and the results of what it has started."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core.audit import acting
from apps.executions.actions import Started, start_execution
from apps.executions.models import Execution, LinkStart
from apps.workflows.links import LinkNotFoundError, use_link
from apps.workflows.models import ShareLink


@transaction.atomic
def start_by_link(*, link: ShareLink, input: Mapping[str, Any] | None, depth: int = 0) -> Started:
    """Start the published version of the link's workflow for whoever has the link; that is one use of it, unless the start is refused.

    Raises LinkNotFoundError when it was used up meanwhile, and what `start_execution` raises.
    """
    with acting(via="link"):
        use_link(link=link)
        started = start_execution(workflow=link.workflow, input=input, trigger="link", depth=depth)
        LinkStart.objects.create(execution_id=started.execution_id, link=link)
    return started


def get_started(link: ShareLink, execution_id: UUID) -> Execution:
    """An execution that this link has started. Raises LinkNotFoundError."""
    found = Execution.objects.filter(pk=execution_id, link_start__link=link)
    execution = found.only("status", "output", "output_ref", "error", "created_at", "finished_at").first()
    if execution is None:
        raise LinkNotFoundError
    return execution
