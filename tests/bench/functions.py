"""The steps of the measured workflows. Workers import this module by the setting NODE_FUNCTION_MODULES."""

from apps.nodes.contract import Effect
from apps.nodes.functions import node_function
from tests.bench.fibonacci import fib


@node_function("bench.pure", effect=Effect.PURE, brief=True)
def pure(number: int) -> int:
    """A step that may ride along."""
    return fib(number)


@node_function("bench.idempotent", effect=Effect.IDEMPOTENT, brief=True)
def idempotent(number: int) -> int:
    """A step that is a Celery task of its own."""
    return fib(number)


@node_function("bench.external", effect=Effect.EXTERNAL, brief=True)
def external(number: int) -> int:
    """A step that is a Celery task of its own, and stamps the start of its effect."""
    return fib(number)
