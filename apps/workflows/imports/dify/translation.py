"""One application of Dify drawn as a definition of ours."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.nodes.registry import find_type
from apps.workflows.imports.blueprint import Blueprint, literal_value
from apps.workflows.imports.dify import references
from apps.workflows.imports.dify.document import DifyApp, DifyNode
from apps.workflows.imports.dify.registry import find_mapping
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript.cel import Cel, member
from apps.workflows.imports.placeholders import MAX_NOTES, notes_of, placeholder_config
from apps.workflows.imports.report import Line, Report, Verdict

INNER_STARTS = ("iteration-start", "loop-start")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MAX_RETRIES = 10


@dataclass
class Step:
    """One node on its way.

    ports   {handle of Dify: port}; a handle that is missing leaves by the port of its own name
    reads   what others read of it: {variable: piece of CEL}; the variables that are missing are those of its output
    """

    translation: "Translation"
    node: DifyNode
    ports: dict[str, str] = field(default_factory=lambda: {"source": "out", "success-branch": "out", "fail-branch": "error"})
    reads: dict[str, Cel] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    first: str | None = None
    last: str | None = None
    keys: list[str] = field(default_factory=list)

    @property
    def data(self) -> dict[str, Any]:
        return self.node.data

    def find(self, selector: Sequence[str]) -> Cel:
        return self.translation.find(selector, self)

    def text(self, value: Any) -> str:
        return references.translated(value, self.find)

    def selected(self, selector: Any) -> Cel:
        return references.selected(selector, self.find)

    def remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks.append(text)

    def add(self, type: str, config: Mapping[str, Any], *, name: str | None = None, **fields: Any) -> str:
        """Draw the next node, behind what was drawn before. Raises LeftOut where no such node is installed."""
        if find_type(type) is None:
            raise LeftOut(f"No node type '{type}' is installed.")
        drawing = self.translation.blueprint
        key = drawing.key(self.node.title if name is None else f"{self.node.title} {name}")
        title = self.node.title if name is None else f"{self.node.title}: {name}"
        drawing.add(key, type, config, name=title, parent=self.translation.parent(self.node), position=self.node.position, **fields)
        if self.last is not None:
            drawing.connect(self.last, "out", key)
        self.first, self.last = self.first or key, key
        self.keys.append(key)
        return key


class Translation:
    """refused: {id of a node: why it cannot be brought over}, found when an earlier translation was validated."""

    def __init__(self, app: DifyApp, refused: Mapping[str, str]) -> None:
        self.app, self._refused = app, refused
        self.blueprint = Blueprint()
        self.inputs: dict[str, Any] = {}
        self.variables: dict[str, Any] = {}
        self.ends: dict[str, list[Cel]] = defaultdict(list)
        self.answers: list[Cel] = []
        self.owners: dict[str, str] = {}
        self.remarks: list[str] = []
        self._steps: dict[str, Step] = {}
        self._lines: dict[str, Line] = {}
        self._kept_variables()

    def run(self) -> tuple[dict[str, Any], Report]:
        """The definition, and what became of each node."""
        for node in self._in_order():
            self._draw(node)
        for edge in self.app.edges:
            source, target = self._steps.get(edge.source), self._steps.get(edge.target)
            if source is not None and source.last is not None and target is not None and target.first is not None:
                self.blueprint.connect(source.last, source.ports.get(edge.handle, edge.handle), target.first)
        for step in self._steps.values():
            self._close_body(step)
        document = {
            "name": self.app.name,
            "description": "\n\n".join(filter(None, [self.app.description, *self._notes()]))[:10_000],
            "inputs": self.inputs,
            "variables": self.variables,
            "nodes": list(self.blueprint.nodes.values()),
            "edges": self.blueprint.edges,
            "output": self._output(),
        }
        lines = [self._lines.get(node.id) or _unreached(node) for node in self.app.nodes.values() if _is_told(node)]
        return document, Report("dify", tuple(lines), tuple(self.remarks))

    def parent(self, node: DifyNode) -> str | None:
        """Key of the loop around a node."""
        if node.parent is None:
            return None
        around = self._steps.get(node.parent)
        if around is None or around.last is None:
            raise LeftOut("It lies in a loop that could not be drawn.")
        return around.last

    def find(self, selector: Sequence[str], reader: Step) -> Cel:
        """What `[node, variable, …]` reads. Raises LeftOut."""
        node, *names = [each.strip() for each in selector]
        if not names or len(names) > references.MAX_STEPS:
            raise LeftOut(f"The reference '{'.'.join(selector)[:100]}' cannot be read.")
        match node:
            case "sys":
                return self._of_system(names, reader)
            case "env" | "conversation":
                return self._of_variables(node, names, reader)
        step = self._steps.get(node)
        if step is None or step.last is None:
            raise LeftOut(f"It reads '{'.'.join(selector)[:100]}', which does not come before it.")
        known = step.reads.get(names[0]) or step.reads.get("*")
        if known is None:
            return references.steps(Cel(f"nodes.{step.last}"), names)
        return references.steps(known, names[1:] if names[0] in step.reads else names)

    def _of_system(self, names: Sequence[str], reader: Step) -> Cel:
        if names[0] not in ("query", "user_id", "conversation_id"):
            raise LeftOut(f"'sys.{names[0]}' has no counterpart.")
        self.inputs.setdefault("properties", {}).setdefault(names[0], {"type": "string"})
        reader.remark(f"'sys.{names[0]}' is read from the input: give it as '{names[0]}'.")
        return references.steps(Cel("input"), names)

    def _of_variables(self, kind: str, names: Sequence[str], reader: Step) -> Cel:
        if names[0] not in self.variables:
            raise LeftOut(f"'{kind}.{names[0]}' is a secret, or not declared: secrets belong into a credential.")
        if kind == "conversation":
            reader.remark("A variable of the conversation lasts as long as one execution here.")
        return references.steps(Cel("vars"), names)

    def _kept_variables(self) -> None:
        for each in (*self.app.environment, *self.app.conversation):
            if each.get("value_type") == "secret":
                self.remarks.append(f"The secret '{each['name'][:64]}' is left out: make a credential of it.")
            elif _NAME.fullmatch(each["name"]):
                value = each.get("value")
                self.variables[each["name"]] = {"type": "object", "default": value} if isinstance(value, dict) else value

    def _reached(self) -> set[str]:
        """Ids of the nodes that a start leads to; a loop leads to the start of its body."""
        after: dict[str, list[str]] = defaultdict(list)
        for edge in self.app.edges:
            after[edge.source].append(edge.target)
        for node in self.app.nodes.values():
            if node.parent is not None and node.type in INNER_STARTS:
                after[node.parent].append(node.id)
        rest = [node.id for node in self.app.nodes.values() if node.parent is None and is_start(node)]
        reached: set[str] = set()
        while rest:
            if (found := rest.pop()) not in reached:
                reached.add(found)
                rest += after[found]
        return reached

    def _in_order(self) -> list[DifyNode]:
        """Every node behind those that lead to it, and behind the loop that it lies in; what goes round in a circle stays in its place."""
        reached = self._reached()
        waiting = {key: node for key, node in self.app.nodes.items() if key in reached and node.type not in INNER_STARTS}
        inside: dict[str, set[str]] = defaultdict(set)
        before: dict[str, set[str]] = defaultdict(set)
        for node in waiting.values():
            if node.parent is not None:
                inside[node.parent].add(node.id)
                before[node.id].add(node.parent)
        for edge in self.app.edges:  # what follows a loop reads what its body has drawn
            before[edge.target] |= {edge.source} | (inside[edge.source] if edge.target not in inside[edge.source] else set())
        ordered: list[DifyNode] = []
        while waiting:
            ready = [key for key in waiting if not before[key] & waiting.keys()] or [next(iter(waiting))]
            ordered += [waiting.pop(key) for key in ready]
        return ordered

    def _draw(self, node: DifyNode) -> None:
        mark, before = self.blueprint.mark(), set(self.blueprint.nodes)
        try:
            step = Step(self, node)
            self._translate(step)
            verdict = Verdict.APPROXIMATED if step.remarks else Verdict.MAPPED
        except LeftOut as fault:
            self.blueprint.undo(mark)
            step, verdict = self._placeholder(node, str(fault)), Verdict.LEFT_OUT
        self._steps[node.id] = step
        self.owners.update({key: node.id for key in self.blueprint.nodes if key not in before})
        self._lines[node.id] = Line(node.title, node.type, verdict, tuple(step.keys), tuple(step.remarks))

    def _translate(self, step: Step) -> None:
        node = step.node
        if node.id in self._refused:
            raise LeftOut(self._refused[node.id])
        if (mapping := find_mapping(node.type)) is None:
            raise LeftOut("There is no counterpart: build it anew with a node of ours, such as http.request.")
        mapping.translate(step)
        if step.first is None:
            return
        drawn = self.blueprint.nodes[step.first]
        if isinstance(desc := node.data.get("desc"), str) and desc.strip():
            drawn["notes"] = desc[:MAX_NOTES]
        _retries(drawn, node.data.get("retry_config"))
        if node.data.get("error_strategy") == "default-value":
            drawn["on_error"] = {"default": _default_of(node.data.get("default_value"))}

    def _placeholder(self, node: DifyNode, reason: str) -> Step:
        step = Step(self, node, remarks=[reason])
        try:
            key = step.add("code.python", placeholder_config(node.title, node.type, reason), notes=notes_of(node.data, ""))
        except LeftOut:
            return step
        step.reads = {"*": Cel(f"nodes.{key}")}
        handles = sorted({edge.handle for edge in self.app.edges if edge.source == node.id and edge.handle not in step.ports})
        if handles:
            step.ports = {handle: f"way_{index}" for index, handle in enumerate(handles)}
            cases = [{"equals": handle, "port": port} for handle, port in step.ports.items()]
            step.add("control.switch", {"value": f"${{nodes.{key}}}", "cases": cases}, name="ways")
        return step

    def _close_body(self, step: Step) -> None:
        """Let an iteration end in one node that gives what its setting names, so that its output is an array of that."""
        if step.node.type != "iteration" or step.last is None or self.blueprint.nodes[step.last]["type"] != "loop.foreach":
            return
        inside = [key for key, node in self.blueprint.nodes.items() if node.get("parent") == step.last]
        inner = Step(self, DifyNode("", "", f"{step.node.title} output", {}, step.node.id, step.node.position))
        try:
            text = references.present_or_null(inner.selected(step.data.get("output_selector")))
        except LeftOut:
            text = "null"
            self.remarks.append(f"What the iteration '{step.node.title}' gives could not be read: its output is an array of null.")
        sources = {edge["source"] for edge in self.blueprint.edges}
        lasts = [key for key in inside if key not in sources]
        key = inner.add("data.transform", {"expression": "$", "input": f"${{{text}}}"})
        self.owners[key] = step.node.id
        for last in lasts:
            for port in self._ports(last):
                self.blueprint.connect(last, port, key)

    def _ports(self, key: str) -> tuple[str, ...]:
        node = self.blueprint.nodes[key]
        found = find_type(node["type"])
        return found.ports(node["config"]).outputs if found is not None else ()

    def _output(self) -> dict[str, Any]:
        output = {name: f"${{{references.first_present(pieces)}}}" for name, pieces in self.ends.items()}
        if self.answers:
            texts = [f'({piece.present} ? string({piece.text}) : "")' for piece in self.answers]
            output["answer"] = f"${{{' + '.join(texts)}}}"
        return output

    def _notes(self) -> list[str]:
        texts = [node.data.get("text") for node in self.app.nodes.values() if node.is_note]
        return [" ".join(_WORDS.findall(text))[:2000] if text.startswith("{") else text[:2000] for text in texts if isinstance(text, str)]


# Notes are kept as a tree of the editor; the words are in its leaves.
_WORDS = re.compile(r'"text":\s*"((?:[^"\\]|\\.)*)"')


def is_start(node: DifyNode) -> bool:
    return node.type == "start" or node.type.startswith("trigger-")


def _is_told(node: DifyNode) -> bool:
    return not node.is_note and node.type not in INNER_STARTS


def _unreached(node: DifyNode) -> Line:
    return Line(node.title, node.type, Verdict.LEFT_OUT, (), ("No start leads to it: it never ran.",))


def _retries(drawn: dict[str, Any], found: Any) -> None:
    if not isinstance(found, Mapping) or found.get("retry_enabled") is not True or drawn["type"] == "loop.foreach":
        return
    times, wait = found.get("max_retries", 3), found.get("retry_interval", 1000)
    attempts = 1 + int(times) if isinstance(times, int | float) and 0 <= times <= _MAX_RETRIES else 4
    seconds = wait / 1000 if isinstance(wait, int | float) and 0 <= wait <= 3_600_000 else 1.0
    drawn["retry"] = {"max_attempts": attempts, "strategy": "fixed", "delay_seconds": seconds}


def _default_of(found: Any) -> dict[str, Any]:
    pairs = found if isinstance(found, list) else []
    return {
        each["key"]: literal_value(each.get("value")) for each in pairs if isinstance(each, Mapping) and isinstance(each.get("key"), str)
    }


def output_of(key: str, name: str) -> Cel:
    return member(Cel(f"nodes.{key}"), name)
