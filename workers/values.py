"""What expressions of one execution may read, at one level: outside loops, or in one iteration."""

from collections import ChainMap
from collections.abc import MutableMapping
from copy import copy
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings

from apps.core import object_store
from apps.engine.expressions import Scope, Template
from apps.engine.graph import Graph, GraphNode
from apps.engine.statuses import NodeRunStatus
from apps.executions import protocol
from apps.executions.gathering import output_of
from apps.executions.loop_items import item_at
from apps.executions.protocol import Around, Claim, Upstream

_UNREAD = object()


def _iso(text: str) -> str:
    """PostgreSQL's way to write an instant as the one that `timestamp(…)` reads: 2026-01-31T12:00:00.5Z."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")


class Values:
    """Fetched when it is first asked for."""

    def __init__(self, graph: Graph, claim: Claim, path: str) -> None:
        self._graph, self._claim, self._path = graph, claim, path
        self._upstream: MutableMapping[str, Upstream | None] = dict(claim.upstream)
        self._loaded: MutableMapping[str, Any] = {}
        self._item: Any = _UNREAD
        self._fresh: frozenset[str] = frozenset()
        self.index = int(path.rpartition(".")[2]) if path else None
        self.variables = dict(claim.variables)
        # As the database has them, in a list so that iterations share what one of them has read.
        self._workflow_variables: list[dict[str, Any]] = []
        # What this stretch has written, and is not yet in the database.
        self.kept: dict[str, Any] = {}
        self._execution = {
            "id": str(claim.execution_id),
            "workflow_id": str(claim.workflow_id),
            "version_id": str(claim.version_id),
            "trigger": claim.trigger,
            "business_key": claim.business_key,
            "created_at": _iso(claim.created_at),
        }

    @property
    def input(self) -> Any:
        return self._claim.input

    def add(self, key: str, output: Any) -> None:
        """Remember the output of a node that has just ended."""
        self._loaded[key] = output

    def add_stored(self, key: str, text: bytes | None, ref: str | None) -> None:
        """Remember an output that is JSON text, here or in the object store; it is parsed when it is first asked for."""
        self._upstream[key] = Upstream(NodeRunStatus.SUCCESS, None, text, ref)

    def output(self, key: str) -> Any:
        """The output of a node; {} where it has none: it was skipped, or has not run."""
        if key not in self._loaded:
            found = self._upstream.get(key)
            self._loaded[key] = {} if found is None else _load(found)
        return self._loaded[key]

    def scope(self, node: GraphNode) -> Scope:
        self.fetch(node.reads)
        named = node.template.nodes if node.cache is None else node.template.nodes | node.cache.reads
        return self._scope(named, reads_item=node.reads_item, reads_workflow_vars=node.reads_workflow_vars)

    def scope_of(self, template: Template) -> Scope:
        """What a template reads that is none of a node's config."""
        self.fetch(template.nodes)
        return self._scope(template.nodes, reads_item=template.uses("item"), reads_workflow_vars=template.uses("workflow_vars"))

    def _scope(self, keys: frozenset[str], *, reads_item: bool, reads_workflow_vars: bool) -> Scope:
        return Scope(
            input=self._claim.input,
            variables=self.variables,
            workflow_vars=self._workflow_vars() if reads_workflow_vars else {},
            nodes={key: self.output(key) for key in keys},
            execution=self._execution,
            env=settings.WORKFLOW_ENV,
            item=self.item() if reads_item else None,
            index=self.index,
        )

    def _workflow_vars(self) -> dict[str, Any]:
        if not self._workflow_variables:
            self._workflow_variables.append(protocol.read_workflow_variables(workflow_id=self._claim.workflow_id))
        return self._workflow_variables[0] | self.kept

    def in_iteration(self, path: str, item: Any, body: frozenset[str]) -> "Values":
        """The values of an iteration of a loop at this level that begins now, and of whose nodes, `body`, none has run."""
        inner = copy(self)
        inner._path, inner._item, inner.index = path, item, int(path.rpartition(".")[2])
        inner._upstream, inner._loaded, inner._fresh = ChainMap({}, self._upstream), ChainMap({}, self._loaded), body
        return inner

    def after_iteration(self, loop: str, count: int) -> "Values":
        """What the config of a loop may read after `count` iterations: the last one's output is the item."""
        inner = copy(self)
        inner._item, inner.index = self._output_of(loop, self._path, count - 1), count
        return inner

    def item(self) -> Any:
        """What the iteration is about."""
        if self._item is _UNREAD:
            around = self._claim.around
            self._item = None if around is None else self._item_of(around)
        return self._item

    def _item_of(self, around: Around) -> Any:
        index = self.index or 0
        if around.asks:
            loop = next(iter(self._graph.nodes[run.key].parent for run in self._claim.runs))
            return None if loop is None else self._output_of(loop, self._path.rpartition(".")[0], index - 1)
        return around.item if around.blocks is None else item_at(around.blocks, index)

    def _output_of(self, loop: str, path: str, index: int) -> Any:
        if index < 0:
            return None
        sinks = self._graph.loops[loop].sinks
        return orjson.loads(output_of(execution_id=self._claim.execution_id, key=loop, path=path, sinks=sinks, index=index))

    def fetch(self, keys: frozenset[str]) -> None:
        """Read the outputs that the claim did not bring along."""
        missing = [key for key in keys if key not in self._fresh and key not in self._loaded and key not in self._upstream]
        if missing:
            places = {key: self._graph.path_of(key, self._path) for key in missing}
            found = protocol.read_outputs(execution_id=self._claim.execution_id, places=places)
            self._upstream.update({key: found.get(key) for key in missing})

    def upstream(self, node: GraphNode) -> dict[str, Any]:
        """{predecessor: output} of the predecessors that ran."""
        self.fetch(frozenset(node.predecessors))
        return {key: self.output(key) for key in node.predecessors if self._ran(key)}

    def _ran(self, key: str) -> bool:
        if (found := self._upstream.get(key)) is not None:
            return found.status != NodeRunStatus.SKIPPED
        return key in self._loaded and self._loaded[key] != {}


def _load(upstream: Upstream) -> Any:
    if upstream.ref is not None:
        return orjson.loads(object_store.get(upstream.ref))
    if isinstance(upstream.output, bytes):
        return orjson.loads(upstream.output)
    return {} if upstream.status == NodeRunStatus.SKIPPED else upstream.output
