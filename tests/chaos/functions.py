"""The node functions of the load. Workers import this module by the setting NODE_FUNCTION_MODULES."""

from apps.nodes.contract import Effect
from apps.nodes.functions import node_function
from tests.chaos.effects import work_and_append


@node_function("chaos.idempotent", effect=Effect.IDEMPOTENT)
def idempotent(execution: str, key: str) -> dict[str, str]:
    """Work a little and leave a row; doing so twice is allowed, and counted."""
    work_and_append(execution, key, is_external=False)
    return {"key": key}


@node_function("chaos.external", effect=Effect.EXTERNAL)
def external(execution: str, key: str) -> dict[str, str]:
    """Work a little and leave a row that must never be there twice."""
    work_and_append(execution, key, is_external=True)
    return {"key": key}
