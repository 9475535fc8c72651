"""One workflow of n8n drawn as a definition of ours."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.nodes.registry import find_type
from apps.workflows.imports.blueprint import Blueprint, beside
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.n8n.document import MAIN, N8nNode, N8nWorkflow
from apps.workflows.imports.n8n.flow import Arrow, Flow, Stop, flow_of, is_trigger
from apps.workflows.imports.n8n.levels import Levels, Value, Way
from apps.workflows.imports.n8n.meeting import Meeting
from apps.workflows.imports.n8n.registry import find_mapping
from apps.workflows.imports.n8n.settings import apply_common, settings_of
from apps.workflows.imports.n8n.step import Step
from apps.workflows.imports.n8n.sticky import STICKY, put_up
from apps.workflows.imports.placeholders import notes_of, placeholder_config
from apps.workflows.imports.report import Line, Report, Verdict

FindWorkflow = Callable[[str], str | None]
START = "start"


@dataclass
class Translation:
    """
    refused         {name of a node: why it cannot be brought over}, found when an earlier translation was validated
    find_workflow   id of the workflow of a name in the workspace, None where there is none
    """

    workflow: N8nWorkflow
    refused: Mapping[str, str] = field(default_factory=dict)
    find_workflow: FindWorkflow = lambda name: None

    def __post_init__(self) -> None:
        self.blueprint = Blueprint()
        self.levels = Levels(self.blueprint)
        self.flow: Flow = flow_of(self.workflow)
        self.owners: dict[str, str] = {}
        self.output: dict[str, Any] = {}
        self.remarks: list[str] = []
        self._ways: dict[tuple[Stop, int], Way] = {}
        self._lines: dict[str, Line] = {}
        self._stop = Stop("")

    def run(self) -> tuple[dict[str, Any], Report]:
        """The definition, and what became of each node."""
        if not self.flow.roots:
            self.start()
        for stop in self.flow.order:
            self._stop = stop
            self._own(stop.name, self._draw, stop)
        for cut in self.flow.cuts:
            self._stop = cut.source
            self._own(cut.source.name, self._cut, cut)
        self.levels.finish()
        settings = settings_of(self)
        description = put_up(self)
        document = {
            "name": self.workflow.name,
            "description": description[:10_000],
            "nodes": list(self.blueprint.nodes.values()),
            "edges": self.blueprint.edges,
            "output": self.output,
            "settings": settings,
        }
        lines = tuple(self._lines.get(name) or self._unreached(node) for name, node in self.workflow.nodes.items() if node.type != STICKY)
        return document, Report("n8n", lines, tuple(self.remarks))

    def _own(self, name: str, draw: Callable[[Any], None], what: Any) -> None:
        """Draw, and remember for whom."""
        before = set(self.blueprint.nodes)
        draw(what)
        self.owners.update({key: name for key in self.blueprint.nodes if key not in before})

    def start(self) -> str:
        """The one place where executions begin."""
        if START not in self.blueprint.nodes:
            self.blueprint.add(START, "trigger.manual", {}, name="Start")
        return START

    def place(self, node: N8nNode, number: int) -> dict[str, float] | None:
        return beside(node.position, number) if number else node.position

    def find_way(self, name: str, reader: N8nNode) -> Way:
        """The first output of a node that an expression names. Raises LeftOut where it does not come before."""
        found = sorted(output for stop, output in self._ways if stop == Stop(name))
        if not found or Stop(name) not in self.flow.ancestors.get(self._stop, frozenset()):
            raise LeftOut(f"An expression reads '{name}', which does not come before '{reader.name}'.")
        return self._ways[Stop(name), found[0]]

    def loop_over(self, name: str) -> Way | None:
        """What leaves at the beginning of a "Loop Over Items", None where that could not be drawn."""
        return self._ways.get((Stop(name), 0))

    def arrivals(self, stop: Stop) -> dict[int, list[Way]]:
        """{input: the ways that lead to it}"""
        found: dict[int, list[Way]] = defaultdict(list)
        for arrow in self.flow.into[stop]:
            if (way := self._ways.get((arrow.source, arrow.output))) is not None:
                found[arrow.input].append(way)
        return dict(found)

    def _draw(self, stop: Stop) -> None:
        node = self.flow.node(stop)
        if not self.flow.into[stop] and stop not in self.flow.roots and not stop.is_end:
            return
        mark = self.blueprint.mark()
        try:
            step = self._drawn(stop, node)
            verdict = Verdict.APPROXIMATED if step.remarks else Verdict.MAPPED
        except LeftOut as fault:
            self.blueprint.undo(mark)
            step = self._placeholder(stop, node, str(fault))
            verdict = Verdict.LEFT_OUT
        for output, way in step.ways.items():
            self._ways[stop, output] = way
        self._tell(Line(node.name, node.type, verdict, tuple(step.keys), tuple(dict.fromkeys(step.remarks))), stop)

    def _tell(self, line: Line, stop: Stop) -> None:
        """Keep a line; both stops of a loop are one node, of which the worse is told."""
        if (first := self._lines.get(line.node)) is not None and stop.is_end:
            worse = max(first.verdict, line.verdict, key=list(Verdict).index)
            line = Line(line.node, line.type, worse, first.keys + line.keys, tuple(dict.fromkeys(first.remarks + line.remarks)))
        self._lines[line.node] = line

    def _drawn(self, stop: Stop, node: N8nNode) -> Step:
        if node.name in self.refused:
            raise LeftOut(self.refused[node.name])
        mapping = find_mapping(node.type)
        if mapping is None and not node.is_disabled and not (stop in self.flow.roots and is_trigger(node)):
            raise LeftOut("There is no counterpart: build it anew with a node of ours, such as http.request.")
        if node.is_disabled:
            return self._passed_over(self._step(stop, node, "item"))
        step = self._step(stop, node, mapping.takes if mapping else "nothing")
        if stop.is_end:
            self._leave_loop(step)
        elif mapping is None:
            key = self.start()
            step.ways[0] = Way(key, "out", Value("input"))
            step.remark("It starts by hand here: whatever calls the workflow gives its input.")
        else:
            mapping.translate(step)
            apply_common(step, self.flow.outputs(stop))
        return step

    def _step(self, stop: Stop, node: N8nNode, takes: Any) -> Step:
        meeting = Meeting(self.blueprint, self.levels, node.name, node.position)
        inputs = {index: meeting.met(ways, takes) for index, ways in sorted(self.arrivals(stop).items())}
        if takes != "nothing" and stop not in self.flow.roots and not any(inputs.values()) and not stop.is_end:
            raise LeftOut("Nothing leads to it any more.")
        if len(inputs) > 1:
            levelled = meeting.level_with([way for way in inputs.values() if way is not None])
            inputs = dict(zip(inputs, levelled, strict=True))
        if not inputs and stop in self.flow.roots and takes != "nothing":
            inputs = {0: Way(self.start(), "out", Value("input"))}
        level = next((way.value.level for way in inputs.values() if way is not None), None)
        return Step(self, node, inputs, level, remarks=meeting.remarks)

    def _leave_loop(self, step: Step) -> None:
        """The end of a "Loop Over Items": what came back to it, of all iterations."""
        begun = self.loop_over(step.node.name)
        loop = self.levels.find(begun.value.level) if begun is not None else None
        if loop is None:
            raise LeftOut("The loop could not be drawn.")
        back = [way for ways in self.arrivals(Stop(step.node.name, is_end=True)).values() for way in ways]
        inside = [way for way in back if loop.key in self.levels.chain(way.value.level)]
        ends = self.levels.lifted(inside, loop.key, step.node.position) or [Way(None, "", Value("item", loop.key))]
        step.ways[0] = self.levels.gathered(loop.key, ends, step.node.position)
        step.level = loop.parent
        if len(inside) < len(back):
            step.remark("What comes back to the loop from outside of it is left out.")

    def _passed_over(self, step: Step) -> Step:
        key = step.add("data.transform", {"expression": "$", "input": f"${{{step.value.text}}}"})
        self.blueprint.nodes[key]["notes"] = notes_of(step.parameters, "Disabled where it comes from.")
        step.leave(key, many=step.value.many)
        step.remark("It is disabled: it hands on what it is given, and its settings are in the notes.")
        return step

    def _placeholder(self, stop: Stop, node: N8nNode, reason: str) -> Step:
        """A node that fails and says why; what follows is connected to it, so that it can be replaced."""
        try:
            step = self._step(stop, node, "item")
        except LeftOut:
            # No loop or join can be drawn here: it stands behind the first of those that lead to it.
            first = next((way for ways in self.arrivals(stop).values() for way in ways), None)
            step = Step(self, node, {0: first}, first.value.level if first else None)
        step.remarks = [reason]
        arrived = bool(step.tail) or step.level is not None
        if not arrived and stop in self.flow.roots:
            step.tail = [(self.start(), "out")]
        elif not arrived:
            return step
        key = step.add("code.python", placeholder_config(node.name, node.type, reason))
        self.blueprint.nodes[key]["notes"] = notes_of(node.parameters, node.notes)
        outputs = sorted(output for output in self.flow.outputs(stop) if output >= 0)
        step.leave(key)
        if outputs and outputs != [0]:
            cases = [{"equals": output, "port": f"output_{output}"} for output in outputs]
            ways = step.add("control.switch", {"value": f"${{nodes.{key}}}", "cases": cases}, name="ways")
            for output in outputs:
                step.leave(ways, output=output, port=f"output_{output}", text=f"nodes.{key}")
        return step

    def _cut(self, cut: Arrow) -> None:
        """A line that goes back, outside of a "Loop Over Items": whoever comes this way is told."""
        way, target = self._ways.get((cut.source, cut.output)), cut.target.name
        reason = f"The line from '{cut.source.name}' goes back to '{target}'. Circles are written as loop.while here."
        self.remarks.append(reason)
        if way is None or find_type("code.python") is None:
            return
        step = Step(self, self.flow.node(cut.source), {0: way}, way.value.level)
        key = step.add("code.python", placeholder_config(target, "a line that goes back", reason), name=f"back to {target}")
        if not step.tail and way.value.level is None:
            self.blueprint.drop(key)

    def _unreached(self, node: N8nNode) -> Line:
        if any(each.source == node.name and each.kind != MAIN for each in self.workflow.connections):
            reason = "It belongs to another node, which was left out."
        elif is_trigger(node) and node.is_disabled:
            reason = "The trigger is disabled."
        else:
            reason = "No trigger leads to it: it never ran."
        return Line(node.name, node.type, Verdict.LEFT_OUT, (), (reason,))
