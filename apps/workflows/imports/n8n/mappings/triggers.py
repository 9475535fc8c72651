"""What starts a workflow. All triggers that have no node of their own here become the one start of the workflow."""

from typing import Any

from apps.nodes.registry import find_type
from apps.workflows.imports.n8n.levels import Value, Way
from apps.workflows.imports.n8n.registry import maps
from apps.workflows.imports.n8n.step import Step

MANUAL = "trigger.manual"


def _begin(step: Step) -> None:
    key = step.translation.start()
    step.main, step.keys = key, [key]
    start = step.translation.blueprint.nodes[key]
    if start.get("position") is None and step.node.position:
        start["position"] = step.node.position
    step.ways[0] = Way(key, "out", Value("input"))


def _own_node(step: Step, type: str, wanted: dict[str, Any]) -> bool:
    """Draw a trigger of its own where such a type is installed, with those settings that it knows. Returns whether it did."""
    if (found := find_type(type)) is None:
        return False
    known = {name: value for name, value in wanted.items() if name in found.Config.model_fields}
    required = {name for name, field in found.Config.model_fields.items() if field.is_required()}
    if not required <= known.keys():
        return False
    key = step.add(type, known)
    step.ways[0] = Way(key, "out", Value(f"nodes.{key}"), frozenset({("trigger", len(step.translation.blueprint.nodes))}))
    return True


@maps("manualTrigger", "start", to=MANUAL, takes="nothing")
def manual(step: Step) -> None:
    _begin(step)


@maps("executeWorkflowTrigger", to=MANUAL, takes="nothing", note="What the calling workflow gives is `input`.")
def called(step: Step) -> None:
    _begin(step)


@maps(
    "webhook",
    to=("trigger.webhook", MANUAL),
    takes="nothing",
    note="`trigger.webhook` where that is installed. Else the workflow is started with `{body, query, headers, params}` as its input.",
)
def webhook(step: Step) -> None:
    method, path = step.parameters.get("httpMethod", "GET"), step.parameters.get("path", "")
    methods = [str(each) for each in method] if isinstance(method, list) else [str(method)]
    if _own_node(step, "trigger.webhook", {"methods": methods, "method": methods[0]}):
        step.remark(f"The address is a new one; it was '{path}'.")
        return
    _begin(step)
    asked = f"It answered {', '.join(methods)} at the path '{path}'."
    step.remark(
        f"Left out: no node type 'trigger.webhook' is installed. {asked} Start it with {{body, query, headers, params}} as its input."
    )


_EVERY = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}
_FIELD = {
    "seconds": "secondsInterval",
    "minutes": "minutesInterval",
    "hours": "hoursInterval",
    "days": "daysInterval",
    "weeks": "weeksInterval",
}
_MOST = {"seconds": 59, "minutes": 59, "hours": 23}


@maps(
    "scheduleTrigger",
    "cron",
    "interval",
    to=("trigger.schedule", MANUAL),
    takes="nothing",
    note="The report says which schedule to give it.",
)
def schedule(step: Step) -> None:
    rules = step.object("rule").get("interval") or step.object("triggerTimes").get("item") or []
    lines = [_cron(rule) for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    told = "; ".join(lines) or "once a day at midnight"
    if lines and lines[0].startswith("cron ") and _own_node(step, "trigger.schedule", {"cron": lines[0][5:]}) and len(lines) == 1:
        return
    if step.main is None:
        _begin(step)
    step.remark(f"Make a schedule for it: {told}.")


def _cron(rule: dict[str, Any]) -> str:
    """A rule of either node in words that a schedule here takes: a cron line, or an interval in seconds."""
    if isinstance(expression := rule.get("expression", rule.get("cronExpression")), str):
        return f"cron {expression}"
    minute, hour = _number(rule, "triggerAtMinute", "minute"), _number(rule, "triggerAtHour", "hour")
    unit = str(rule.get("field") or rule.get("mode") or rule.get("unit") or "days")
    every = _number(rule, _FIELD.get(unit, ""), "value", usual=1)
    match unit:
        case "months" | "everyMonth":
            day, months = _number(rule, "triggerAtDayOfMonth", "dayOfMonth", usual=1), _number(rule, "monthsInterval", usual=1)
            return f"cron {minute} {hour} {day} */{months} *"
        case "weeks" | "everyWeek" if every == 1:
            days = rule.get("triggerAtDay", rule.get("weekday", 0))
            chosen = ",".join(str(day)[:1] for day in days) if isinstance(days, list) and days else str(days or 0)[:1]
            return f"cron {minute} {hour} * * {chosen}"
        case "days" | "everyDay" if every == 1:
            return f"cron {minute} {hour} * * *"
        case "hours" | "everyHour" if every == 1:
            return f"cron {minute} * * * *"
        case "minutes" | "everyMinute" if every == 1:
            return "cron * * * * *"
    return f"an interval of {every * _EVERY.get(unit, 86400)} seconds"


def _number(rule: dict[str, Any], *names: str, usual: int = 0) -> int:
    found = next((rule[name] for name in names if isinstance(rule.get(name), int | float) and not isinstance(rule.get(name), bool)), usual)
    return int(found)


@maps(
    "errorTrigger",
    to=MANUAL,
    takes="nothing",
    note="Name the workflow as `settings.error_workflow` of others; its input has another shape.",
)
def error(step: Step) -> None:
    _begin(step)
    step.remark("Name this workflow as settings.error_workflow of others. Its input is {execution, workflow, error, node} then.")


@maps("formTrigger", to=MANUAL, takes="nothing", note="The answers are the input of the execution.")
def form(step: Step) -> None:
    _begin(step)
    step.remark("The form is left out: its answers are the input of the execution.")
