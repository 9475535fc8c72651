"""Decisions, loops, waiting and ends."""

from collections.abc import Mapping
from typing import Any

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.n8n.levels import Value, Way
from apps.workflows.imports.n8n.mappings.conditions import condition, old_condition, old_rule
from apps.workflows.imports.n8n.registry import maps
from apps.workflows.imports.n8n.step import Step

MAX_PORT = 60


def _condition_of(step: Step) -> str:
    found = step.object("conditions")
    if "conditions" in found:
        return condition(step, found)
    return old_condition(step, found, step.parameters.get("combineOperation", "all"))


@maps("if", to="control.if")
def if_(step: Step) -> None:
    key = step.add("control.if", {"condition": f"${{{_condition_of(step)}}}"})
    for output, port in enumerate(("true", "false")):
        step.hand_on(key, output=output, port=port, decides=True)


@maps("filter", to="control.if", note="What does not pass goes nowhere.")
def filter_(step: Step) -> None:
    key = step.add("control.if", {"condition": f"${{{_condition_of(step)}}}"})
    step.hand_on(key, port="true", decides=True)


@maps("switch", to="control.switch", note="The first rule that holds decides; `allMatchingOutputs` is left out.")
def switch(step: Step) -> None:
    if step.options.get("allMatchingOutputs") is True:
        raise LeftOut("It sends data to all outputs that match, and a switch here to one: use several `control.if`.")
    if step.plain("mode", "rules") == "expression":
        _by_number(step)
        return
    rules, fallback = (_new_rules if step.node.version >= 3 else _old_rules)(step)
    if not 0 < len(rules) <= 50:
        raise LeftOut(f"It has {len(rules)} rules, where from 1 to 50 can be written.")
    cases = [{"when": f"${{{when}}}", "port": f"output_{output}"} for when, output in rules]
    outputs = {output for _, output in rules}
    port = "none" if fallback is None else f"output_{fallback}"
    key = step.add("control.switch", {"cases": cases, "default": port})
    for output in sorted(outputs | ({fallback} if fallback is not None else set())):
        step.hand_on(key, output=output, port=f"output_{output}", decides=True)


def _by_number(step: Step) -> None:
    found = step.parameters.get("output")
    number = step.cel(found)
    count = step.parameters.get("numberOutputs", 4)
    if not isinstance(count, int) or not 1 <= count <= 50:
        raise LeftOut("It does not say how many outputs it has.")
    cases = [{"equals": output, "port": f"output_{output}"} for output in range(count)]
    key = step.add("control.switch", {"value": f"${{{number.text}}}", "cases": cases})
    for output in range(count):
        step.hand_on(key, output=output, port=f"output_{output}", decides=True)


def _new_rules(step: Step) -> tuple[list[tuple[str, int]], int | None]:
    """((condition, output), …) and the output of what matches none, of version 3."""
    found = step.object("rules")
    values = found.get("values", found.get("rules"))
    if not isinstance(values, list):
        raise LeftOut("Its rules cannot be read.")
    rules = []
    for output, rule in enumerate(values):
        if not isinstance(rule, Mapping) or not isinstance(rule.get("conditions"), Mapping):
            raise LeftOut("Its rules cannot be read.")
        rules.append((condition(step, rule["conditions"]), output))
    match step.options.get("fallbackOutput", "none"):
        case "extra":
            return rules, len(rules)
        case int(fallback) if not isinstance(fallback, bool) and 0 <= fallback < len(rules):
            return rules, fallback
    return rules, None


def _old_rules(step: Step) -> tuple[list[tuple[str, int]], int | None]:
    found, kind = step.object("rules").get("rules"), step.plain("dataType", "number")
    if not isinstance(found, list) or not all(isinstance(rule, Mapping) for rule in found):
        raise LeftOut("Its rules cannot be read.")
    rules = [
        (old_rule(step, kind, step.parameters.get("value1", ""), rule), _output(rule.get("output", index)))
        for index, rule in enumerate(found)
    ]
    fallback = step.parameters.get("fallbackOutput", -1)
    return rules, fallback if isinstance(fallback, int) and not isinstance(fallback, bool) and 0 <= fallback < 50 else None


def _output(found: Any) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 50:
        raise LeftOut("A rule does not say which output it leads to.")
    return found


@maps(
    "splitInBatches",
    to="loop.foreach",
    takes="items",
    note="The loop and what comes back to it become its body, without a line back. A batch of N: N at once.",
)
def loop_over_items(step: Step) -> None:
    if step.options.get("reset"):
        raise LeftOut("It begins anew while it runs: write it as a loop.while.")
    size = step.parameters.get("batchSize", 1 if step.node.version >= 3 else 10)
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise LeftOut("The size of its batches is an expression.")
    arrived = step.inputs.get(0)
    if arrived is None:
        raise LeftOut("Nothing leads to it.")
    if size > 1:
        step.remark(f"n8n handed over {size} items at a time; here each item is handed over alone, {min(size, 1000)} of them at once.")
    translation = step.translation
    config: dict[str, Any] = {"items": f"${{{arrived.value.as_items}}}"}
    if size > 1:
        config["parallel"] = min(size, 1000)
    key = translation.blueprint.key(step.node.name)
    translation.levels.enter(arrived, key, config, is_batch=True, name=step.node.name[:128], position=step.node.position)
    step.main, step.keys = key, [key]
    step.ways[0] = Way(None, "", Value("item", key), step.guards)


@maps("noOp", to="data.transform", note="It hands on what it is given.")
def no_op(step: Step) -> None:
    step.leave(step.add("data.transform", {"expression": "$", "input": f"${{{step.value.text}}}"}))


_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


@maps("wait", to=("control.delay", "control.wait_until", "control.wait_webhook"), note="A form is left out.")
def wait(step: Step) -> None:
    match step.plain("resume", "timeInterval"):
        case "timeInterval":
            _delay(step)
        case "specificTime":
            key = step.add("control.wait_until", {"instant": step.translated(step.parameters.get("dateTime", ""))})
            step.hand_on(key)
        case "webhook":
            key = step.add("control.wait_webhook", {})
            step.leave(key)
            step.remark("The address to go on by is `resume_url` of the node run.")
        case other:
            raise LeftOut(f"Waiting for '{other}' has no counterpart: use human.task.")


def _delay(step: Step) -> None:
    unit, amount = step.plain("unit", "hours"), step.parameters.get("amount", 1)
    if unit not in _UNITS:
        raise LeftOut(f"The unit '{unit}' is not known.")
    if isinstance(amount, int | float) and not isinstance(amount, bool):
        seconds: Any = amount * _UNITS[unit]
    else:
        seconds = f"${{{step.cel(amount).operand} * {_UNITS[unit]}}}"
    step.hand_on(step.add("control.delay", {"seconds": seconds}))


@maps("stopAndError", to="control.fail")
def stop_and_error(step: Step) -> None:
    if step.plain("errorType", "errorMessage") == "errorObject":
        message = step.parameters.get("errorObject", "{}")
    else:
        message = step.parameters.get("errorMessage", "")
    step.add("control.fail", {"message": step.translated(message) or "An error was raised."})


@maps("executeWorkflow", to="workflow.call", note="The workflow is looked up by its name; import what is called first.")
def execute_workflow(step: Step) -> None:
    named = step.parameters.get("workflowId", "")
    name = named.get("cachedResultName", named.get("value", "")) if isinstance(named, Mapping) else named
    found = step.translation.find_workflow(name) if isinstance(name, str) else None
    if found is None:
        raise LeftOut(f"The workspace has no workflow '{str(name)[:100]}': import that first, or put a workflow.call here.")
    given = step.object("workflowInputs").get("value")
    config: dict[str, Any] = {"workflow": found, "input": step.translated(given) if given else f"${{{step.value.text}}}"}
    if step.options.get("waitForSubWorkflow") is False:
        config["wait"] = False
    step.leave(step.add("workflow.call", config))
