"""Requests, and the answers to them."""

from collections.abc import Mapping
from typing import Any

from apps.nodes.registry import find_type
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.n8n.registry import maps
from apps.workflows.imports.n8n.step import Step

_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_MAX_TIMEOUT = 3600


@maps(
    "httpRequest",
    to="http.request",
    note="Choose its credential anew. Pages and files are left out. An array is one item, unless a loop or a list follows.",
)
def http_request(step: Step) -> None:
    method = step.plain("method" if step.node.version >= 3 else "requestMethod", "GET")
    if method not in _METHODS:
        raise LeftOut(f"The method '{method}' is not known.")
    config: dict[str, Any] = {"url": step.translated(step.parameters.get("url", "")), "method": method}
    if not config["url"]:
        raise LeftOut("It has no URL.")
    config |= {name: value for name, value in (("query", _query(step)), ("headers", _headers(step))) if value}
    config |= _body(step)
    _options(step, config)
    _authentication(step)
    text = _response_format(step) == "text"
    if text:
        config["response_format"] = "text"
    key = step.add("http.request", config)
    _answer(step, key, is_text=text)


def _answer(step: Step, key: str, *, is_text: bool) -> None:
    """What the rest of the workflow reads of the answer."""
    if _response(step).get("fullResponse") is True:
        answer = f"nodes.{key}"
        values = {"body": f"${{{answer}.body}}", "headers": f"${{{answer}.headers}}", "statusCode": f"${{{answer}.status}}"}
        step.leave(step.add("data.set", {"values": values}, name="answer"))
    elif is_text:
        name = _response(step).get("outputPropertyName", "data")
        step.leave(step.add("data.set", {"values": {str(name): f"${{nodes.{key}.body}}"}}, name="answer"))
    else:
        count = step.translation.workflow.pins.get(step.node.name, 1)
        step.leave(key, text=f"nodes.{key}.body", many=count > 1, may_be_list=True)
        if count == 1 and step.is_followed_by_items:
            step.remark("If its answer is an array, n8n takes each element for an item; here the array is one item.")
        if count > 1:
            step.remark("Its test data has several items, so that the answer is taken for an array of items.")


def _pairs(step: Step, found: Any) -> dict[str, Any]:
    """`{"parameters": [{"name", "value"}]}`, or the older `{"parameter": […]}`, as an object; a name given twice has an array."""
    listed = found.get("parameters", found.get("parameter")) if isinstance(found, Mapping) else None
    pairs: dict[str, Any] = {}
    for each in listed if isinstance(listed, list) else ():
        name, value = (each.get("name"), step.translated(each.get("value", ""))) if isinstance(each, Mapping) else (None, None)
        if not isinstance(name, str) or name.startswith("="):
            raise LeftOut("The name of a parameter is an expression.")
        if name in pairs:
            before = pairs[name] if isinstance(pairs[name], list) else [pairs[name]]
            value = [*before, value]
        if name:
            pairs[name] = value
    return pairs


def _query(step: Step) -> dict[str, Any]:
    return _given(step, send="sendQuery", how="specifyQuery", as_json="jsonQuery", as_pairs="queryParameters", old="queryParameters")


def _headers(step: Step) -> dict[str, Any]:
    return _given(
        step, send="sendHeaders", how="specifyHeaders", as_json="jsonHeaders", as_pairs="headerParameters", old="headerParameters"
    )


def _given(step: Step, *, send: str, how: str, as_json: str, as_pairs: str, old: str) -> dict[str, Any]:
    """Query or headers, in any of the ways in which they can be given: one by one or as JSON, since version 3 and before."""
    if step.node.version < 3:
        if step.parameters.get("jsonParameters") is True:
            return _object(step, step.parameters.get(f"{old}Json") or "{}")
        return _pairs(step, step.parameters.get(f"{old}Ui"))
    if step.parameters.get(send) is not True:
        return {}
    if step.plain(how, "keypair") == "json":
        return _object(step, step.parameters.get(as_json, "{}"))
    return _pairs(step, step.parameters.get(as_pairs))


def _object(step: Step, found: Any) -> dict[str, Any]:
    value = step.json(found)
    if not isinstance(value, Mapping):
        raise LeftOut("Query or headers are an expression as a whole; name them one by one.")
    return dict(value)


def _body(step: Step) -> dict[str, Any]:
    if step.node.version < 3:
        return _old_body(step)
    if step.parameters.get("sendBody") is not True:
        return {}
    match step.plain("contentType", "json"):
        case "json" if step.plain("specifyBody", "keypair") == "json":
            return {"body": step.json(step.parameters.get("jsonBody", "{}"))}
        case "json":
            return {"body": _pairs(step, step.parameters.get("bodyParameters"))}
        case "form-urlencoded" if step.plain("specifyBody", "keypair") == "keypair":
            return {"body": _pairs(step, step.parameters.get("bodyParameters")), "body_format": "form"}
        case "raw":
            if kind := step.parameters.get("rawContentType"):
                step.remark(f"Its body was sent as {str(kind)[:64]}: give a header Content-Type.")
            return {"body": step.translated(step.parameters.get("body", "")), "body_format": "text"}
        case other:
            raise LeftOut(f"A body of the kind '{other}' has no counterpart.")


def _old_body(step: Step) -> dict[str, Any]:
    """The body before version 3."""
    options, is_json = step.options, step.parameters.get("jsonParameters") is True
    kind = str(options.get("bodyContentType", "json"))
    given = step.parameters.get("bodyParametersJson") if is_json else _pairs(step, step.parameters.get("bodyParametersUi"))
    if not given:
        return {}
    match kind:
        case "json":
            return {"body": step.json(given) if is_json else given}
        case "form-urlencoded" if not is_json:
            return {"body": given, "body_format": "form"}
    raise LeftOut(f"A body of the kind '{kind}' has no counterpart.")


def _response(step: Step) -> Mapping[str, Any]:
    found = step.options.get("response")
    inner = found.get("response") if isinstance(found, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _response_format(step: Step) -> str:
    found = str(_response(step).get("responseFormat", step.parameters.get("responseFormat", "autodetect")))
    if found == "file":
        raise LeftOut("It downloads a file, and there are no files in a workflow here.")
    return "text" if found in ("text", "string") else "json"


def _options(step: Step, config: dict[str, Any]) -> None:
    options = step.options
    if isinstance(timeout := options.get("timeout"), int | float) and 0 < timeout <= _MAX_TIMEOUT * 1000:
        config["timeout_seconds"] = timeout / 1000
    if (pages := options.get("pagination")) and pages != {"pagination": {}}:
        step.remark("Paging is left out: it asks for the first page alone. Write the rest as a loop.while.")
    redirect = options.get("redirect")
    inner = redirect.get("redirect") if isinstance(redirect, Mapping) else None
    if isinstance(inner, Mapping) and inner.get("followRedirects") is False:
        config["follow_redirects"] = False
    if _response(step).get("neverError") is True or options.get("neverError") is True:
        config["expected"] = ["2xx", "3xx", "4xx", "5xx"]
    for name in ("batching", "proxy", "allowUnauthorizedCerts", "lowercaseHeaders"):
        if options.get(name):
            step.remark(f"The option '{name}' is left out.")


def _authentication(step: Step) -> None:
    chosen = step.parameters.get("authentication", "none")
    if chosen != "none" and not step.node.credentials:
        step.remark("Choose a credential: secrets are never part of an export.")


@maps(
    "respondToWebhook",
    to=("webhook.respond", "data.set"),
    note="`webhook.respond` where that is installed. Else the answer becomes the output of the execution.",
)
def respond(step: Step) -> None:
    kind, status = step.plain("respondWith", "firstIncomingItem"), step.options.get("responseCode", 200)
    body = _answer_body(step, kind)
    wanted = {"body": body, "status": status if isinstance(status, int) else 200}
    found = find_type("webhook.respond")
    if found is not None and {name for name, each in found.Config.model_fields.items() if each.is_required()} <= wanted.keys():
        step.hand_on(step.add("webhook.respond", {name: value for name, value in wanted.items() if name in found.Config.model_fields}))
        return
    key = step.add("data.set", {"values": wanted})
    step.hand_on(key)
    step.remark(
        "Left out: no node type 'webhook.respond' is installed. The answer is the output of this node, and 'response' of the execution."
    )
    if step.level is None:
        outputs = [f"${{has(nodes.{key}.body) ? dyn(nodes.{key}) : dyn(null)}}"]
        step.translation.output.setdefault("response", outputs[0])


def _answer_body(step: Step, kind: str) -> Any:
    match kind:
        case "json":
            return step.json(step.parameters.get("responseBody", "{}"))
        case "text":
            return step.translated(step.parameters.get("responseBody", ""))
        case "noData":
            return None
        case "firstIncomingItem" | "allIncomingItems":
            return f"${{{step.value.text}}}"
    raise LeftOut(f"An answer with '{kind}' has no counterpart.")


@maps("emailSend", to=("email.send",), note="Where that is installed; else use `settings.notify`, or an http.request to a mail service.")
def email(step: Step) -> None:
    found = find_type("email.send")
    if found is None:
        raise LeftOut("Left out: no node type 'email.send' is installed. Use settings.notify, or an http.request to a mail service.")
    names = {"to": "toEmail", "subject": "subject", "text": "text", "body": "text", "html": "html"}
    given = {ours: step.parameters[theirs] for ours, theirs in names.items() if theirs in step.parameters}
    config = {name: step.translated(value) for name, value in given.items() if name in found.Config.model_fields}
    step.leave(step.add("email.send", config))
