"""Do the expressions compile, and does what they read exist by then?"""

import re
from collections.abc import Iterator
from typing import Any

from apps.engine.definition import Node
from apps.engine.expressions import ExpressionError, Names, Template, check_template
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, nearest
from apps.engine.validation.draft import Draft
from apps.engine.validation.lineage import Lineage

CONCURRENCY_KEY = "/settings/concurrency_key"
_LOOKS_LIKE_EXPRESSION = re.compile(r"(?:nodes|input|vars|execution)(?:\.[A-Za-z_]\w*)+")


class References:
    """The expressions of a definition, compiled once."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._faults: list[Problem] = []
        self._parents = {node.key: node.parent for node in draft.nodes}
        names = Names.of(draft.definition)
        self._configs = [
            self._compiled(node.config, names.in_loop if draft.reads_item(node) else names, f"/nodes/{index}/config", draft.verbatim(node))
            for index, node in enumerate(draft.nodes)
        ]
        self._cache_keys = {
            index: self._compiled(node.cache.key, names, f"/nodes/{index}/cache/key")
            for index, node in enumerate(draft.nodes)
            if node.cache is not None and node.cache.key is not None
        }
        self._output = self._compiled(draft.definition.output, names, "/output")
        self._concurrency_key = self._compiled(draft.definition.settings.concurrency_key, names, CONCURRENCY_KEY)

    def _compiled(self, value: Any, names: Names, base: str, verbatim: frozenset[str] = frozenset()) -> Template:
        template, errors = check_template(value, names, verbatim=verbatim)
        self._faults += [_fault(error, base) for error in errors]
        return template

    def faults(self) -> Iterator[Problem]:
        """Expressions that do not compile, and references to nodes that there are not."""
        yield from self._faults
        for root in ("nodes", "execution"):
            if self._concurrency_key.uses(root):
                message = f"The expression reads `{root}`, but it is evaluated before the execution is there."
                yield Problem(CONCURRENCY_KEY, message, found=root, expected="only `input`, `vars` and `env`")
        for base, template in self._templates():
            for pointer, expression in template.expressions:
                for key in expression.nodes:
                    if key not in self._draft.places:
                        yield _unknown_node(base + pointer, key, self._draft)

    def out_of_order(self, lineage: Lineage) -> Iterator[Problem]:
        """References to nodes that do not come before the one that reads them."""
        for pointer, key, reader, _ in self._reads():
            if not self._comes_before(key, reader, lineage):
                yield self._inside_loop(pointer, key, reader.parent) or _not_upstream(pointer, key, reader)
        for pointer, expression in self._output.expressions:
            for key in sorted(expression.nodes):
                if (problem := self._inside_loop(f"/output{pointer}", key, None)) is not None:
                    yield problem
            for key in sorted(expression.nodes & self._draft.undone.keys()):
                message = f"The expression reads nodes.{key}, but that node undoes '{self._draft.undone[key]}', and has not run by then."
                yield Problem(f"/output{pointer}", message, found=f"nodes.{key}", expected="the key of a node of the graph")

    def _inside_loop(self, pointer: str, key: str, level: str | None) -> Problem | None:
        """That a reader at this level cannot look into the loop that `key` is in; None where that is not what is wrong."""
        around, loop = level, self._parents.get(key)
        while around is not None and around != loop:
            around = self._parents[around]
        if loop is None or loop == around:
            return None
        message = f"The expression reads nodes.{key}, but that is inside the loop '{loop}', and has a value for each of its items."
        return Problem(pointer, message, found=f"nodes.{key}", expected=f"nodes.{loop}, the output of the loop", suggestion=f"nodes.{loop}")

    def warnings(self, lineage: Lineage) -> Iterator[Problem]:
        """References to nodes that may not have run, unless the expression asks first; texts of `output` that look like expressions."""
        for pointer, key, reader, is_tested in self._reads():
            if not is_tested and self._comes_before(key, reader, lineage) and not self._has_surely_run(key, reader, lineage):
                yield _may_not_have_run(pointer, key, f"when '{reader.key}' starts")
        for pointer, expression in self._output.expressions:
            for key in sorted(expression.nodes - expression.tested_nodes):
                if not lineage.always_runs(key):
                    yield _may_not_have_run(f"/output{pointer}", key, "at the end")
        for name, value in self._draft.definition.output.items():
            if isinstance(value, str) and _LOOKS_LIKE_EXPRESSION.fullmatch(value):
                message = f"'{value}' is plain text here; an expression is written ${{{value}}}."
                yield Problem(pointer_to("output", name), message, found=value, suggestion=f"${{{value}}}")

    def _comes_before(self, key: str, reader: Node, lineage: Lineage) -> bool:
        """Whether `reader` may read the output of `key`. An undo node reads that of the node it undoes, and what this one may read."""
        undone = self._draft.undone.get(reader.key)
        return key == undone or lineage.is_upstream(key, undone or reader.key)

    def _has_surely_run(self, key: str, reader: Node, lineage: Lineage) -> bool:
        undone = self._draft.undone.get(reader.key)
        return key == undone or lineage.has_surely_run(key, undone or reader.key)

    def _templates(self) -> Iterator[tuple[str, Template]]:
        for index, template in enumerate(self._configs):
            yield f"/nodes/{index}/config", template
        for index, template in self._cache_keys.items():
            yield f"/nodes/{index}/cache/key", template
        yield "/output", self._output

    def _reads(self) -> Iterator[tuple[str, str, Node, bool]]:
        """(pointer, key that is read, node that reads it, whether it asks first)."""
        configs = ((f"/nodes/{index}/config", index, template) for index, template in enumerate(self._configs))
        keys = ((f"/nodes/{index}/cache/key", index, template) for index, template in self._cache_keys.items())
        for base, index, template in (*configs, *keys):
            for pointer, expression in template.expressions:
                for key in expression.nodes:
                    if key in self._draft.places:
                        yield base + pointer, key, self._draft.nodes[index], key in expression.tested_nodes


def _fault(error: ExpressionError, base: str) -> Problem:
    at = f" (character {error.offset + 1} of the expression)" if error.offset is not None else ""
    return Problem(
        base + error.pointer,
        f"The expression does not compile: {error.message}{at}",
        found=error.details["expression"],
        expected="an expression in CEL",
        suggestion=error.suggestion,
    )


def _unknown_node(pointer: str, key: str, draft: Draft) -> Problem:
    return Problem(
        pointer,
        f"The expression reads nodes.{key}, but there is no node '{key}'.",
        found=f"nodes.{key}",
        expected="the key of a node upstream",
        suggestion=nearest(key, draft.places),
    )


def _not_upstream(pointer: str, key: str, reader: Node) -> Problem:
    reason = "a node cannot read its own output" if key == reader.key else f"no path leads from '{key}' to '{reader.key}'"
    message = f"The expression reads nodes.{key}, but {reason}."
    return Problem(pointer, message, found=f"nodes.{key}", expected="the key of a node upstream")


def _may_not_have_run(pointer: str, key: str, when: str) -> Problem:
    return Problem(
        pointer,
        f"Node '{key}' may not have run {when}; ask with has(nodes.{key}.…), or write nodes.{key}.?….orValue(…).",
        found=f"nodes.{key}",
        expected="a node that is certain to have run",
    )
