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
        names = Names.of(draft.definition)
        self._configs = [
            self._compiled(node.config, names, f"/nodes/{index}/config", draft.verbatim(node)) for index, node in enumerate(draft.nodes)
        ]
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
            if not lineage.is_upstream(key, reader.key):
                yield _not_upstream(pointer, key, reader)

    def warnings(self, lineage: Lineage) -> Iterator[Problem]:
        """References to nodes that may not have run, unless the expression asks first; texts of `output` that look like expressions."""
        for pointer, key, reader, is_tested in self._reads():
            if not is_tested and lineage.is_upstream(key, reader.key) and not lineage.has_surely_run(key, reader.key):
                yield _may_not_have_run(pointer, key, f"when '{reader.key}' starts")
        for pointer, expression in self._output.expressions:
            for key in sorted(expression.nodes - expression.tested_nodes):
                if not lineage.always_runs(key):
                    yield _may_not_have_run(f"/output{pointer}", key, "at the end")
        for name, value in self._draft.definition.output.items():
            if isinstance(value, str) and _LOOKS_LIKE_EXPRESSION.fullmatch(value):
                message = f"'{value}' is plain text here; an expression is written ${{{value}}}."
                yield Problem(pointer_to("output", name), message, found=value, suggestion=f"${{{value}}}")

    def _templates(self) -> Iterator[tuple[str, Template]]:
        for index, template in enumerate(self._configs):
            yield f"/nodes/{index}/config", template
        yield "/output", self._output

    def _reads(self) -> Iterator[tuple[str, str, Node, bool]]:
        """(pointer, key that is read, node that reads it, whether it asks first)."""
        for index, (node, template) in enumerate(zip(self._draft.nodes, self._configs, strict=True)):
            for pointer, expression in template.expressions:
                for key in expression.nodes:
                    if key in self._draft.places:
                        yield f"/nodes/{index}/config{pointer}", key, node, key in expression.tested_nodes


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
