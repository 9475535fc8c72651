"""What becomes of each node type of Dify."""

from collections.abc import Callable, Mapping
from typing import Any

from apps.nodes.python_check import fault_of
from apps.workflows.imports.dify import references
from apps.workflows.imports.dify.conditions import combined
from apps.workflows.imports.dify.jinja import jinja
from apps.workflows.imports.dify.registry import maps
from apps.workflows.imports.dify.translation import Step, output_of
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript.cel import Cel, is_plain, member
from apps.workflows.imports.templated_json import json_of

_TYPES = {"text-input": "string", "paragraph": "string", "select": "string", "number": "number", "checkbox": "boolean"}


@maps("start", to="trigger.manual", note="Its variables are the input of the execution.")
def start(step: Step) -> None:
    properties = step.translation.inputs.setdefault("properties", {})
    required = []
    for each in step.data.get("variables") or ():
        if not isinstance(each, Mapping) or not isinstance(each.get("variable"), str):
            raise LeftOut("Its variables cannot be read.")
        name, kind = each["variable"], str(each.get("type", "text-input"))
        properties[name] = _schema(step, each, kind)
        if each.get("required") is True:
            required.append(name)
        else:
            read = member(Cel("input"), name)
            step.reads[name] = Cel(f"({read.present} ? {read.text} : null)", present=f"{read.present} && {read.text} != null")
    step.translation.inputs |= {"type": "object"} | ({"required": required} if required else {})
    if step.translation.app.mode == "advanced-chat":
        properties.setdefault("query", {"type": "string"})
        step.remark("A message of the chat starts one execution: give it as 'query'.")
    step.add("trigger.manual", {})
    step.reads["*"] = Cel("input")


@maps("trigger-webhook", "trigger-schedule", "trigger-plugin", to="trigger.manual", note="Whatever starts the workflow gives its input.")
def trigger(step: Step) -> None:
    step.add("trigger.manual", {})
    step.reads = {"*": Cel("input")}
    step.remark("Make a trigger or a schedule for it: whatever starts the workflow gives its input.")


def _schema(step: Step, each: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if kind.startswith("file"):
        step.remark(f"'{each['variable']}' is a file there; here any value is taken.")
    schema: dict[str, Any] = {"type": _TYPES[kind]} if kind in _TYPES else {}
    options = each.get("options")
    if kind == "select" and isinstance(options, list) and options:
        schema["enum"] = [str(option) for option in options]
    length = each.get("max_length")
    if schema.get("type") == "string" and isinstance(length, int) and not isinstance(length, bool) and 0 < length < 10**9:
        schema["maxLength"] = length
    return schema


@maps("end", to="data.set", note="Its variables are the output of the execution.")
def end(step: Step) -> None:
    values = {name: step.selected(selector) for name, selector in references.named(step.data.get("outputs"))}
    if not values:
        step.add("data.transform", {"expression": "$", "input": None})
        return
    key = step.add("data.set", {"values": {name: f"${{{piece.text}}}" for name, piece in values.items()}})
    for name in values:
        step.translation.ends[name].append(output_of(key, name))


@maps(
    "answer",
    to="data.set",
    note="All answers that were given, one after the other, are `answer` of the output. Nothing is sent piece by piece.",
)
def answer(step: Step) -> None:
    key = step.add("data.set", {"values": {"answer": step.text(step.data.get("answer", ""))}})
    step.translation.answers.append(output_of(key, "answer"))


@maps("if-else", to=("control.if", "control.switch"))
def if_else(step: Step) -> None:
    cases = step.data.get("cases")
    if not isinstance(cases, list):
        cases = [{"case_id": "true", "logical_operator": step.data.get("logical_operator"), "conditions": step.data.get("conditions")}]
    if not 0 < len(cases) <= 50 or not all(isinstance(case, Mapping) for case in cases):
        raise LeftOut("Its cases cannot be read.")
    named = [(str(case.get("case_id") or case.get("id") or "true")[:60], combined(step, case)) for case in cases]
    if len(named) == 1:
        step.add("control.if", {"condition": f"${{{named[0][1]}}}"})
        step.ports |= {named[0][0]: "true", "false": "false"}
        return
    config = {"cases": [{"when": f"${{{when}}}", "port": f"case_{index}"} for index, (_, when) in enumerate(named)], "default": "false"}
    step.add("control.switch", config)
    step.ports |= {name: f"case_{index}" for index, (name, _) in enumerate(named)} | {"false": "false"}


@maps("code", to="code.python", note="Python. JavaScript is left out: the placeholder keeps the text.")
def code(step: Step) -> None:
    language, text = step.data.get("code_language"), step.data.get("code")
    if language != "python3":
        raise LeftOut("The sandbox runs Python and no JavaScript: write the code in the notes anew in Python.")
    if not isinstance(text, str) or not text.strip():
        raise LeftOut("It holds no code.")
    given = dict(references.named(step.data.get("variables")))
    if unusable := [name for name in given if not is_plain(name)]:
        raise LeftOut(f"'{unusable[0][:64]}' is no name of a variable.")
    written = f"{text.rstrip()}\n\nreturn main({', '.join(f'{name}={name}' for name in given)})\n"
    if fault := fault_of(written):
        raise LeftOut(f"The sandbox does not run this Python: {fault}")
    inputs = {name: f"${{{step.selected(selector).text}}}" for name, selector in given.items()}
    step.add("code.python", {"code": written, "inputs": inputs})


@maps("template-transform", to="data.set", note="Jinja with values and simple filters; blocks are left out.")
def template(step: Step) -> None:
    names = {name: step.selected(selector) for name, selector in references.named(step.data.get("variables"))}
    text = step.data.get("template")
    if not isinstance(text, str):
        raise LeftOut("It has no template.")
    step.add("data.set", {"values": {"output": jinja(text, names)}})


@maps("variable-aggregator", "variable-assigner", to="data.set", note="The first variable that is there.")
def aggregator(step: Step) -> None:
    advanced = step.data.get("advanced_settings")
    if isinstance(advanced, Mapping) and advanced.get("group_enabled") is True:
        groups = advanced.get("groups")
        if not isinstance(groups, list) or not all(
            isinstance(each, Mapping) and isinstance(each.get("group_name"), str) for each in groups
        ):
            raise LeftOut("Its groups cannot be read.")
        step.add("data.set", {"values": {each["group_name"]: {"output": _first(step, each.get("variables"))} for each in groups}})
        return
    step.add("data.set", {"values": {"output": _first(step, step.data.get("variables"))}})


def _first(step: Step, selectors: Any) -> str:
    if not isinstance(selectors, list) or not 0 < len(selectors) <= 50:
        raise LeftOut("It does not say which variables it brings together.")
    return f"${{{references.first_present([step.selected(selector) for selector in selectors])}}}"


@maps("assigner", to="data.set", note="Variables of the conversation last as long as one execution here.")
def assigner(step: Step) -> None:
    items = step.data.get("items")
    if not isinstance(items, list) or not items:
        raise LeftOut("Its variables cannot be read.")
    variables = {}
    for each in items:
        selector = each.get("variable_selector") if isinstance(each, Mapping) else None
        if (
            not isinstance(selector, list)
            or len(selector) != 2
            or selector[0] != "conversation"
            or selector[1] not in step.translation.variables
        ):
            raise LeftOut("It writes something other than a variable of the conversation.")
        operation = each.get("operation")
        if operation not in ("over-write", "set"):
            raise LeftOut(f"The operation '{operation}' has no counterpart.")
        value = each.get("value")
        is_read = each.get("input_type") == "variable" or (operation == "over-write" and isinstance(value, list))
        variables[selector[1]] = f"${{{step.selected(value).text}}}" if is_read else step.text(value) if isinstance(value, str) else value
    step.add("data.set", {"variables": variables})
    step.remark("A variable of the conversation lasts as long as one execution here.")


_HANDLING = {"terminated": "stop", "continue-on-error": "collect", "remove-abnormal-output": "collect"}


@maps("iteration", to="loop.foreach")
def iteration(step: Step) -> None:
    config: dict[str, Any] = {"items": f"${{{step.selected(step.data.get('iterator_selector')).text}}}"}
    count = step.data.get("parallel_nums", 10)
    if step.data.get("is_parallel") is True and isinstance(count, int) and 1 <= count <= 1000:
        config["parallel"] = count
    handling = str(step.data.get("error_handle_mode") or "terminated")
    if _HANDLING.get(handling, "stop") == "collect":
        config["on_failure"] = "collect"
        step.remark('Where an item fails, {"error": …} stands in its place.')
    key = step.add("loop.foreach", config)
    step.reads = {"item": Cel("item"), "index": Cel("index"), "output": Cel(f"nodes.{key}")}


@maps("http-request", to="http.request", note="Choose its credential anew; files are left out.")
def http_request(step: Step) -> None:
    method = str(step.data.get("method", "get")).upper()
    if method not in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
        raise LeftOut(f"The method '{method[:20]}' is not known.")
    config: dict[str, Any] = {"method": method, "url": step.text(step.data.get("url")), "response_format": "text", **_body(step)}
    for ours, theirs in (("headers", "headers"), ("query", "params")):
        if pairs := _pairs(step, step.data.get(theirs)):
            config[ours] = pairs
    found = step.data.get("authorization")
    if isinstance(found, Mapping) and found.get("type") not in (None, "no-auth"):
        step.remark("Choose a credential: keys are never taken over.")
    # An answer of another status is no failure there.
    config["expected"] = ["2xx", "3xx", "4xx", "5xx"]
    key = step.add("http.request", config)
    step.reads = {"status_code": output_of(key, "status")}


def _pairs(step: Step, text: Any) -> dict[str, str]:
    """Lines of `name:value` as an object."""
    lines = [line.partition(":") for line in text.splitlines() if line.strip()] if isinstance(text, str) else []
    return {name.strip(): step.text(value.strip()) for name, _, value in lines if name.strip() and value.strip()}


def _body(step: Step) -> dict[str, Any]:
    found = step.data.get("body")
    if not isinstance(found, Mapping) or found.get("type") in (None, "none"):
        return {}
    data = found.get("data")
    entries = [each for each in data if isinstance(each, Mapping)] if isinstance(data, list) else [{"value": data}]
    match found["type"]:
        case "json":
            return _json(step, entries[0].get("value") if entries else "")
        case "raw-text":
            return {"body": step.text(entries[0].get("value") if entries else ""), "body_format": "text"}
        case "x-www-form-urlencoded":
            if isinstance(data, str):
                return {"body": _pairs(step, data), "body_format": "form"}
            return {"body": {str(each.get("key")): step.text(each.get("value", "")) for each in entries}, "body_format": "form"}
    raise LeftOut(f"A body of the kind '{found['type']}' has no counterpart.")


def _json(step: Step, text: Any) -> dict[str, Any]:
    if not isinstance(text, str) or not text.strip():
        return {}
    return {"body": json_of([part if isinstance(part, str) else _written(part) for part in references.split(text, step.find)])}


def _written(piece: Cel) -> Callable[[bool], str]:
    return lambda is_inside: f"${{{piece.text}}}"


def _left_out(reason: str) -> Any:
    def refuse(step: Step) -> None:
        raise LeftOut(reason)

    return refuse


for _type, _reason in {
    "llm": "No node type for language models is installed: call one by an http.request.",
    "agent": "No node type for agents is installed.",
    "tool": "Tools of Dify are its own: use an http.request.",
    "knowledge-retrieval": "No node type for knowledge is installed.",
    "parameter-extractor": "No node type for language models is installed.",
    "question-classifier": "No node type for language models is installed. Give the id of a class as the output of the placeholder.",
    "document-extractor": "No node type for documents is installed.",
    "list-operator": "Lists are filtered and sorted by data.transform.",
    "loop": "Loops are written as loop.while here.",
}.items():
    maps(_type, note=_reason)(_left_out(_reason))
