"""The result cache as a claimed node run uses it."""

import logging
from dataclasses import dataclass
from typing import Any

import orjson

from apps.core import object_store
from apps.engine.errors import StructForgeError
from apps.engine.expressions import Scope
from apps.engine.graph import GraphNode, NodeCache
from apps.executions.protocol import Claim, ClaimedRun
from apps.executions.result_cache import digest_of, find_result, keep_result
from apps.executions.settlement import End
from apps.nodes.registry import get_type

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """How an earlier run ended, and its output."""

    end: End
    output: Any


class Reuse:
    """Finds what an earlier run of a node with the same config returned, and keeps what this one returns.

    config     with its expressions resolved
    upstream   {predecessor: output}, where the node reads them besides its config
    scope      what the expression of `cache.key` reads; ExpressionError where that fails
    """

    def __init__(
        self, claim: Claim, run: ClaimedRun, node: GraphNode, cache: NodeCache, *, config: Any, upstream: Any, scope: Scope
    ) -> None:
        self._claim, self._run, self._cache = claim, run, cache
        depends_on = {
            "type": node.type,
            "type_version": get_type(node.type).version,
            "config": config,
            "credentials": dict(node.credentials),
            "key": None if cache.key is None else cache.key.resolve(scope),
            "upstream": upstream if node.traits.reads_upstream else None,
        }
        self._digest = digest_of(claim.workspace_id, depends_on)

    @classmethod
    def of(cls, claim: Claim, run: ClaimedRun, node: GraphNode, *, config: Any, upstream: Any, scope: Scope) -> "Reuse | None":
        """For a node without `cache`: None. Such a node may ride along, one with `cache` never does."""
        return None if node.cache is None else cls(claim, run, node, node.cache, config=config, upstream=upstream, scope=scope)

    def find(self) -> Found | None:
        """How an earlier run ended; None where there is none, or its output is lost. Else the node run is marked with its origin."""
        end = self._find(self._digest)
        if end is None:
            return None
        try:
            data = object_store.get(end.output_ref) if end.output_ref is not None else end.output
            return Found(end, None if data is None else orjson.loads(data))
        except StructForgeError as error:
            log.warning("A cached output of '%s' cannot be read, so the node runs: %s", self._run.key, error)
            self._find("")  # takes the mark back
            return None

    def keep(self, end: End) -> None:
        if end.workflow_variables:
            return  # an output from the cache would not write them
        keep_result(
            workspace_id=self._claim.workspace_id,
            execution_id=self._claim.execution_id,
            digest=self._digest,
            end=end,
            ttl_seconds=self._cache.ttl_seconds,
        )

    def _find(self, digest: str) -> End | None:
        return find_result(workspace_id=self._claim.workspace_id, execution_id=self._claim.execution_id, run=self._run, digest=digest)
