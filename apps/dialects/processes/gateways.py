"""Steps where ways part and meet."""

from typing import ClassVar, Literal

from pydantic import Field

from apps.dialects.processes.drafting import PlacedStep, Way, unique
from apps.dialects.processes.element import Element, Process, expression_of, inner_of
from apps.dialects.processes.events import NOTHING
from apps.engine.definition import Key, Part

OTHERWISE = "default"


class Condition(Part):
    expression: str | bool | None = None
    """When this way is taken; the one without is the default."""
    next: Key
    """Where it leads."""


class ConditionsConfig(Part):
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=99)
    """Tried from top to bottom."""
    default: Key | None = None
    """Step that follows where no condition holds."""


class _Conditional(Element[ConditionsConfig]):
    Config: ClassVar = ConditionsConfig
    leads_by: ClassVar = frozenset({"next"})

    def ways(self, step: PlacedStep, config: ConditionsConfig) -> list[Way]:
        return [*_taken(step, config), *_default(step, config)[:1]]


def _taken(step: PlacedStep, config: ConditionsConfig) -> list[Way]:
    """The way of each condition, in their order."""
    numbered = enumerate(config.conditions)
    return [Way(each.next, step.at("config", "conditions", index, "next")) for index, each in numbered if each.expression is not None]


def _default(step: PlacedStep, config: ConditionsConfig) -> list[Way]:
    """Every way that claims to be the default: there may be one."""
    named = [] if config.default is None else [Way(config.default, step.at("config", "default"))]
    open_ended = [
        Way(each.next, step.at("config", "conditions", index, "next"))
        for index, each in enumerate(config.conditions)
        if each.expression is None
    ]
    # Who lists all that may follow in `next` as well says nothing new; what only stands there is the default.
    known = {each.next for each in config.conditions} | {config.default}
    return [*named, *open_ended, *(way for way in step.next if way.target not in known)]


def _check_default(step: PlacedStep, config: ConditionsConfig, process: Process) -> list[Way]:
    found = _default(step, config)
    for way in found[1:]:
        message = f"A gateway has one default way, and '{found[0].target}' is it already."
        process.draft.fault(way.pointer, message, found=way.target, expected="a condition that says when it is taken")
    return found[:1]


class ExclusiveGateway(_Conditional):
    """`exclusive_gateway`: one node `control.switch`. Where no condition holds and there is no default, it fails."""

    def add(self, step: PlacedStep, config: ConditionsConfig, process: Process) -> None:
        default = _check_default(step, config, process)
        conditions = [(index, each) for index, each in enumerate(config.conditions) if each.expression is not None]
        cases = [{"when": expression_of(each.expression or False), "port": f"case_{index}"} for index, each in conditions]
        if not cases:
            process.draft.fault(step.at("config", "conditions"), "Expected a condition with an expression, found none.")
        process.draft.step_node(step, "control.switch", {"cases": cases, **({"default": OTHERWISE} if default else {})})
        for place, (index, _) in enumerate(conditions):
            process.draft.note(f"/cases/{place}/when", step.at("config", "conditions", index, "expression"))
        for (index, _), way in zip(conditions, _taken(step, config), strict=True):
            process.lead(step, way, port=f"case_{index}")
        for way in default:
            process.lead(step, way, port=OTHERWISE)


class InclusiveGateway(_Conditional):
    """`inclusive_gateway`: every way whose condition holds; the default where none does, else it fails."""

    def add(self, step: PlacedStep, config: ConditionsConfig, process: Process) -> None:
        process.draft.step_node(step, "control.merge", NOTHING)
        default, inner = _check_default(step, config, process), []
        ways = iter(_taken(step, config))
        for index, each in enumerate(config.conditions):
            if each.expression is None:
                continue
            expression, place = expression_of(each.expression), step.at("config", "conditions", index, "expression")
            inner.append(self._inner(expression, place, process))
            self._add_if(step, f"{step.id}__{index}", expression, place, process)
            process.lead(step, next(ways), source=f"{step.id}__{index}", port="true")
        if not inner:
            process.draft.fault(step.at("config", "conditions"), "Expected a condition with an expression, found none.")
            return
        none = "${" + " && ".join(f"!({each})" for each in inner) + "}"
        self._add_if(step, f"{step.id}__none", none, step.at("config", "conditions"), process)
        if default:
            process.lead(step, default[0], source=f"{step.id}__none", port="true")
        else:
            failure = {"code": "no_matching_case", "message": "No condition holds, and there is no default."}
            process.draft.node(step, f"{step.id}__failed", "control.fail", failure)
            process.draft.edge(f"{step.id}__none", f"{step.id}__failed", step.pointer, "true")

    def _inner(self, expression: str | bool, place: str, process: Process) -> str:
        found = ("true" if expression else "false") if isinstance(expression, bool) else inner_of(expression)
        if found is None:
            process.draft.fault(place, "Expected one expression such as ${amount > 1000}.", found=str(expression)[:80])
        return found or "false"

    def _add_if(self, step: PlacedStep, key: str, expression: str | bool, place: str, process: Process) -> None:
        process.draft.node(step, key, "control.if", {"condition": expression})
        process.draft.note("/condition", place)
        process.draft.edge(step.id, key, place)


class ParallelConfig(Part):
    parallel_tasks: tuple[Key, ...] = Field(default=(), max_length=1000)
    """Steps that begin at the same time. Without any, ways just part or meet here."""
    join_condition: Literal["all_complete", "any_complete", "n_complete"] | None = None
    """When it goes on with `next`; `all_complete` where it is missing."""
    n: int | None = Field(default=None, ge=1)
    """Of `n_complete`: how many."""
    cancel_rest: bool = False
    """Of `any_complete` and `n_complete`: what has not ended by then is cancelled."""


class ParallelGateway(Element[ParallelConfig]):
    """`parallel_gateway`: a node where the ways part, and one, `<id>__join`, where they meet before `next`."""

    Config: ClassVar = ParallelConfig
    leads_by: ClassVar = frozenset({"next"})

    def ways(self, step: PlacedStep, config: ParallelConfig) -> list[Way]:
        return [*self.branches(step, config), *super().ways(step, config)]

    def branches(self, step: PlacedStep, config: ParallelConfig) -> list[Way]:
        return [Way(target, step.at("config", "parallel_tasks", index)) for index, target in enumerate(config.parallel_tasks)]

    def add(self, step: PlacedStep, config: ParallelConfig, process: Process) -> None:
        self._check(step, config, process)
        process.draft.step_node(step, "control.merge", NOTHING)
        if not config.parallel_tasks:
            self.lead_on(step, process)
            return
        for way in self.branches(step, config):
            process.draft.edge(step.id, way.target, way.pointer)
        process.draft.node(step, join_of(step.id), "control.merge", {"mode": "collect"}, **_join(config))
        process.draft.note("", step.at("config"))
        for way in step.next:
            process.lead(step, way, source=join_of(step.id))

    def _check(self, step: PlacedStep, config: ParallelConfig, process: Process) -> None:
        fault, count = process.draft.fault, len(unique(config.parallel_tasks))
        if not config.parallel_tasks:
            if len(config.model_fields_set) > 0:
                fault(step.at("config"), "Has no effect without 'parallel_tasks'.", expected="parallel_tasks, or no config")
            return
        if (config.n is not None) != (config.join_condition == "n_complete"):
            message = "Expected 'n' beside 'n_complete', and nowhere else."
            fault(step.at("config", "n"), message, found=str(config.n), expected="a number from 1 to the number of tasks")
        if config.n is not None and config.n > count:
            message = f"{config.n} of {count} parallel tasks can't complete."
            fault(step.at("config", "n"), message, found=str(config.n), expected=f"a number from 1 to {count}")
        if config.cancel_rest and config.join_condition in (None, "all_complete"):
            fault(step.at("config", "cancel_rest"), "Has no effect with 'all_complete'.", expected="any_complete or n_complete")


def join_of(gateway: str) -> str:
    """Key of the node where the ways of a parallel gateway meet."""
    return f"{gateway}__join"


def _join(config: ParallelConfig) -> dict[str, object]:
    rest = {"cancel_rest": True} if config.cancel_rest else {}
    match config.join_condition:
        case "any_complete":
            return {"join": "any", **rest}
        case "n_complete":
            return {"join": {"at_least": config.n}, **rest}
    return {"join": "all"}
