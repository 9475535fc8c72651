"""Several ways out, by a value or by conditions."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, StrictBool

from apps.engine.outcomes import ERROR, Failed, NodeError, Outcome, Succeeded
from apps.engine.problems import shown
from apps.nodes.contract import Effect, NodeConfig, NodeType, Ports, RunContext, is_constant
from apps.nodes.registry import register

PortName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]


class Case(NodeConfig):
    port: PortName = Field(title="Port")
    """The way out that this case leads to; several cases may share one."""

    equals: Any = Field(default=None, title="Equals")
    """The case holds when the value of the node equals this one."""

    when: StrictBool | None = Field(default=None, title="When")
    """The case holds when this expression gives true. Give either `equals` or `when`."""


class SwitchConfig(NodeConfig):
    value: Any = Field(default=None, title="Value")
    """What the cases with `equals` are compared with."""

    cases: list[Case] = Field(title="Cases", min_length=1, max_length=100)
    """Tried from top to bottom: the first that holds decides."""

    default: PortName | None = Field(default=None, title="Default port")
    """The way out when no case holds. Without one, the node then fails with `no_matching_case`."""


@register
class Switch(NodeType[SwitchConfig]):
    """Go one of several ways, by a value or by conditions; the output is {"port": str}.

    Values are equal when they are the same JSON: 1 and 1.0 are, 1 and true or "1" are not.
    """

    name = "control.switch"
    title = "Switch"
    category = "control"
    icon = "signpost"
    effect = Effect.PURE
    brief = True
    errors: ClassVar = {
        "no_matching_case": "no case holds, and there is no default port",
    }
    example: ClassVar = {
        "value": "${input.country}",
        "cases": [{"equals": "DE", "port": "domestic"}, {"when": "${input.is_express}", "port": "express"}],
        "default": "abroad",
    }
    Config: ClassVar = SwitchConfig

    def ports(self, config: Mapping[str, Any]) -> Ports:
        cases = config["cases"] if isinstance(config["cases"], list) else []
        named = [case["port"] for case in cases if isinstance(case, Mapping)] + [config.get("default")]
        return Ports(tuple(dict.fromkeys(port for port in named if isinstance(port, str))))

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        return list(_faults(config))

    def run(self, config: SwitchConfig, context: RunContext) -> Outcome:
        port = next((case.port for case in config.cases if _holds(case, config.value)), config.default)
        if port is None:
            message = f"No case holds for {shown(config.value)}, and there is no default port."
            return Failed(NodeError("no_matching_case", message), is_final=True)
        return Succeeded({"port": port}, port=port)


def _faults(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for pointer, text in _port_texts(config):
        if not is_constant(text):
            yield pointer, "Expected a constant, found an expression: which ways out there are must be known beforehand."
            return
    for index, case in enumerate(config["cases"]):
        if ("equals" in case) == ("when" in case):
            yield f"/cases/{index}", "Expected either 'equals' or 'when', found " + ("both." if "when" in case else "neither.")
        if "equals" in case and "value" not in config:
            yield f"/cases/{index}/equals", "Expected 'value' beside 'cases', to compare with; found none."
        if case["port"] == ERROR:
            yield f"/cases/{index}/port", "Expected a name other than 'error', which is the port of failures."
    if "value" in config and not any("equals" in case for case in config["cases"]):
        yield "/value", "No case compares with 'value', so it has no effect."
    if config.get("default") == ERROR:
        yield "/default", "Expected a name other than 'error', which is the port of failures."


def _port_texts(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(pointer, text) of all that says which ports there are."""
    cases = config["cases"]
    yield "/default", config.get("default")
    if not isinstance(cases, list):
        yield "/cases", cases
        return
    for index, case in enumerate(cases):
        yield (f"/cases/{index}/port", case["port"]) if isinstance(case, Mapping) else (f"/cases/{index}", case)


def _holds(case: Case, value: Any) -> bool:
    return case.when is True if "when" in case.model_fields_set else is_same_json(case.equals, value)


def is_same_json(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal; Python alone takes True for 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(is_same_json(each, right[name]) for name, each in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(is_same_json, left, right))
    return bool(left == right)
