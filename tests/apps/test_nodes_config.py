"""Configs that fit and configs that do not, as a save would see them."""

import pytest

from apps.nodes.registry import all_types
from tests.apps.nodes import failure_of, faults_at_save

GOOD = [
    ("trigger.manual", {}),
    ("http.request", {"url": "https://example.com"}),
    ("http.request", {"url": "${input.url}", "method": "DELETE", "expected": [204, "3xx"], "headers": {"X-Key": "${input.key}"}}),
    ("http.request", {"url": "https://example.com/a?b=1", "query": {"c": [1, "d"], "e": None}, "body": {"f": 1}, "body_format": "form"}),
    ("code.python", {"code": "return a + 1", "inputs": {"a": "${input.a}"}}),
    ("code.python", {"code": "assert amount > 0, f'${amount}'", "inputs": {"amount": 1}}),
    ("code.python", {"code": "def add(a, b):\n    return a + b\n\nadd(1, 2)", "timeout_seconds": 0.5, "memory_mb": 16}),
    ("code.shell", {"script": "echo ${NAME}", "environment": {"NAME": "${input.name}", "N": 1}, "stdin": "${input.text}"}),
    ("code.shell", {"script": "true", "environment": "${input.environment}"}),
    ("trigger.webhook", {"methods": ["POST"], "respond": "node", "dedup_key": "${request.body.id}", "allowed_ips": ["2001:db8::/32"]}),
    ("trigger.event", {"types": ["order.*"], "filter": "${event.data.total > 1000}"}),
    ("webhook.respond", {"status": "${input.status}", "headers": {"Location": "/${input.id}"}, "body": {"id": "${input.id}"}}),
    ("service.call", {"service_name": "s", "method": "m", "arguments": {"a": "${input.a}"}, "result_variable": "r"}),
    ("service.call", {"service_name": "s", "method": "m", "arguments": "${input.arguments}"}),
    ("data.set", {"values": {"a": "${input.a}"}}),
    ("data.set", {"variables": {"a_1": [1, {"b": None}]}}),
    ("data.transform", {"expression": "${'total': $sum(prices)}", "input": {"prices": [1, 2]}}),
    ("data.transform", {"expression": "$match(text, /a+/i)", "input": "${input}"}),
    ("control.if", {"condition": True}),
    ("control.if", {"condition": "${input.a > 1}"}),
    ("control.switch", {"value": None, "cases": [{"equals": None, "port": "none"}, {"when": "${input.a}", "port": "some"}]}),
    ("control.merge", {}),
    ("control.merge", {"mode": "object"}),
    ("control.delay", {"seconds": 0}),
    ("control.delay", {"seconds": "${input.wait}"}),
    ("control.delay", {"until": "2030-01-31T09:00:00+01:00"}),
    ("control.fail", {"message": "no", "code": "no_2"}),
    ("control.wait_until", {"instant": "${input.due_at}"}),
    ("control.wait_event", {"event": "order.paid", "correlation_key": "${input.order}", "timeout_seconds": 60}),
    ("control.wait_webhook", {}),
    ("loop.foreach", {"items": "${input.orders}", "parallel": 10, "on_failure": "collect", "batch": 5}),
    ("loop.while", {"condition": "${index < 3}", "max_iterations": 5, "delay_seconds": 0.5, "at_limit": "end"}),
    (
        "human.task",
        {"title": "x", "assignee": "${input.who}", "quorum": "first", "due_at": "${input.due}", "escalations": [{"action": "timeout"}]},
    ),
    ("human.task", {"title": "x", "candidate_teams": "${input.teams}", "quorum": {"at_least": 2}, "form": {"approved": "boolean"}}),
    ("workflow.call", {"workflow": "01a1f000-0000-7000-8000-000000000000", "input": {"a": "${input.a}"}, "wait": False}),
    ("function", {"function": "tests.flaky", "arguments": {"failures": 1}}),
    ("function", {"function": "tests.flaky", "arguments": "${input.arguments}"}),
]

# (type, config, pointer inside the config, part of the message)
BAD = [
    ("trigger.manual", {"a": 1}, "/a", "Unknown key 'a'"),
    ("http.request", {}, "/url", "missing"),
    ("http.request", {"url": "example.com/a"}, "/url", "begins with http"),
    ("http.request", {"url": "ftp://example.com"}, "/url", "begins with http"),
    ("http.request", {"url": "file:///etc/passwd"}, "/url", "begins with http"),
    ("http.request", {"url": "https://user:secret@example.com"}, "/url", "without user name and password"),
    ("http.request", {"url": "https://exa mple.com:99999999"}, "/url", "port up to 65535"),
    ("http.request", {"url": "http://%31%32%37.0.0.1/"}, "/url", "name or address of a host"),
    ("http.request", {"url": "http://[::1"}, "/url", "Expected a URL, found none"),
    ("http.request", {"url": "https://example.com", "method": "BREW"}, "/method", "'GET'"),
    ("http.request", {"url": "https://example.com", "mehtod": "GET"}, "/mehtod", "Unknown key"),
    ("http.request", {"url": "https://example.com", "timeout_seconds": 0}, "/timeout_seconds", "over 0"),
    ("http.request", {"url": "https://example.com", "timeout_seconds": 4000}, "/timeout_seconds", "3600"),
    ("http.request", {"url": "https://example.com", "expected": []}, "/expected", "1 or more items"),
    ("http.request", {"url": "https://example.com", "expected": ["6xx"]}, "/expected/0", "6xx"),
    ("http.request", {"url": "https://example.com", "headers": {"A": "b\r\nC: d"}}, "/headers", "on one line"),
    ("http.request", {"url": "https://example.com", "headers": {"a b": "c"}}, "/headers", "header name"),
    ("http.request", {"url": "https://example.com", "headers": {"Host": "inner"}}, "/headers", "header name"),
    ("http.request", {"url": "https://example.com", "body": [1], "body_format": "form"}, "/body", "Expected an object"),
    ("http.request", {"url": "https://example.com", "body": {"a": {}}, "body_format": "form"}, "/body/a", "found an object"),
    ("http.request", {"url": "https://example.com", "body": {}, "body_format": "text"}, "/body", "Expected a text"),
    ("http.request", {"url": "https://example.com", "max_response_mb": 51}, "/max_response_mb", "50"),
    ("code.python", {}, "/code", "missing"),
    ("code.python", {"code": "a = 1\nb = (2"}, "/code", "line 2"),
    ("code.python", {"code": "import numpy\nnumpy.array([])"}, "/code", "no module 'numpy' (line 1)"),
    ("code.python", {"code": "from . import a\na"}, "/code", "(line 1)"),
    ("code.python", {"code": "def f():\n    yield 1\nf()"}, "/code", "(line 2)"),
    ("code.python", {"code": "a = 1"}, "/code", "returns nothing"),
    ("code.python", {"code": "# nothing"}, "/code", "returns nothing"),
    ("code.python", {"code": "(" * 500}, "/code", "Not Python"),
    ("code.python", {"code": "1", "inputs": {"a-b": 1}}, "/inputs/a-b", "name of a Python variable"),
    ("code.python", {"code": "1", "inputs": {"class": 1}}, "/inputs/class", "name of a Python variable"),
    ("code.python", {"code": "1", "timeout_seconds": 301}, "/timeout_seconds", "300"),
    ("code.python", {"code": "1", "memory_mb": 0}, "/memory_mb", "1 or more"),
    ("code.shell", {}, "/script", "missing"),
    ("trigger.webhook", {"methods": ["FETCH"]}, "/methods/0", "'POST'"),
    ("trigger.webhook", {"max_bytes": "${input.most}"}, "/max_bytes", "fixed value"),
    ("trigger.webhook", {"allowed_ips": ["home"]}, "/allowed_ips/0", "IP address or network"),
    ("trigger.webhook", {"dedup_key": "always"}, "/dedup_key", "Expected an expression"),
    ("trigger.event", {}, "/types", "missing"),
    ("trigger.event", {"types": ["a b"]}, "/types/0", "type of an event"),
    ("trigger.event", {"types": ["a"], "filter": "${evnt.type}"}, "/filter", "evnt"),
    ("webhook.respond", {"status": 99}, "/status", "200 or more"),
    ("webhook.respond", {"headers": {"Set-Cookie": "a=b"}}, "/headers/Set-Cookie", "Set-Cookie"),
    ("code.shell", {"script": "true", "environment": {"a-b": 1}}, "/environment/a-b", "letters, digits and _"),
    ("code.shell", {"script": "true", "memory_mb": 1}, "/memory_mb", "16 or more"),
    ("service.call", {"service_name": "s"}, "/method", "missing"),
    ("service.call", {"service_name": "${input.name}", "method": "m"}, "/service_name", "found an expression"),
    ("service.call", {"service_name": "s", "method": "m", "result_variable": "a b"}, "/result_variable", "matches"),
    ("data.set", {}, "", "found neither"),
    ("data.set", {"variables": {"a.b": 1}}, "/variables/a.b", "name of a variable"),
    ("data.set", {"variables": "${input}"}, "/variables", "known beforehand"),
    ("data.set", {"values": [1]}, "/values", "an object"),
    ("data.transform", {"expression": "a"}, "/input", "missing"),
    ("data.transform", {"expression": "a.", "input": 1}, "/expression", "Not JSONata"),
    ("data.transform", {"expression": "/(?=a)/", "input": 1}, "/expression", "RE2"),
    ("data.transform", {"expression": "(" * 5000, "input": 1}, "/expression", "Not JSONata"),
    ("control.if", {"condition": "yes"}, "/condition", "true or false"),
    ("control.if", {"condition": 1}, "/condition", "true or false"),
    ("control.if", {"condition": None}, "/condition", "true or false"),
    ("control.switch", {"cases": []}, "/cases", "1 or more items"),
    ("control.switch", {"cases": [{"port": "a"}]}, "/cases/0", "found neither"),
    ("control.switch", {"value": 1, "cases": [{"equals": 1, "when": True, "port": "a"}]}, "/cases/0", "found both"),
    ("control.switch", {"cases": [{"equals": 1, "port": "a"}]}, "/cases/0/equals", "Expected 'value'"),
    ("control.switch", {"value": 1, "cases": [{"when": True, "port": "a"}]}, "/value", "no effect"),
    ("control.switch", {"cases": [{"when": True, "port": "error"}]}, "/cases/0/port", "other than 'error'"),
    ("control.switch", {"cases": [{"when": True, "port": "a"}], "default": "error"}, "/default", "other than 'error'"),
    ("control.switch", {"cases": [{"when": True, "port": "a b"}]}, "/cases/0/port", "matches"),
    ("control.switch", {"cases": [{"when": True, "port": "${input.a}"}]}, "/cases/0/port", "known beforehand"),
    ("control.switch", {"cases": "${input.cases}"}, "/cases", "known beforehand"),
    ("control.merge", {"mode": "colect"}, "/mode", "'collect'"),
    ("control.delay", {}, "", "found neither"),
    ("control.delay", {"seconds": 1, "until": "2030-01-31T09:00:00Z"}, "", "found both"),
    ("control.delay", {"seconds": -1}, "/seconds", "0 or more"),
    ("control.delay", {"until": "2030-01-31T09:00:00"}, "/until", "timezone"),
    ("control.delay", {"until": "tomorrow"}, "/until", "datetime"),
    ("control.delay", {"until": 1}, "/until", "ISO 8601"),
    ("control.fail", {}, "/message", "missing"),
    ("control.wait_until", {}, "/instant", "missing"),
    ("control.wait_event", {}, "/event", "missing"),
    ("control.wait_event", {"event": "a", "timeout_seconds": 0}, "/timeout_seconds", "over 0"),
    ("control.wait_webhook", {"timeout_seconds": -1}, "/timeout_seconds", "over 0"),
    ("loop.foreach", {}, "/items", "missing"),
    ("loop.foreach", {"items": [], "parallel": 0}, "/parallel", "1 or more"),
    ("loop.while", {"condition": True}, "/max_iterations", "missing"),
    ("human.task", {"assignee": "ada"}, "/title", "missing"),
    ("human.task", {"title": "x"}, "", "somebody to ask"),
    ("human.task", {"title": "x", "assignee": "ada", "form": {"a": 1}}, "/form/a", "a type such as"),
    ("workflow.call", {}, "/workflow", "missing"),
    ("workflow.call", {"workflow": "orders"}, "/workflow", "UUID"),
    ("control.fail", {"message": "a", "code": "No"}, "/code", "matches"),
    ("function", {"function": "tests.flakey", "arguments": {"failures": 1}}, "/function", "did you mean 'tests.flaky'"),
    ("function", {"function": "${input.function}"}, "/function", "known beforehand"),
    ("function", {"function": "tests.flaky", "arguments": {"failure": 1}}, "/arguments/failure", "did you mean 'failures'"),
    ("function", {"function": "tests.flaky"}, "/arguments", "expects an argument 'failures'"),
    ("function", {"function": "tests.count", "arguments": {"context": {}}}, "/arguments/context", "Unknown argument"),
]


@pytest.mark.parametrize(("type_name", "config"), GOOD)
def test_a_config_that_fits_is_saved(type_name, config):
    assert faults_at_save(type_name, config) == {}


@pytest.mark.parametrize(("type_name", "config", "pointer", "message"), BAD)
def test_a_config_that_does_not_fit_is_refused_with_its_place(type_name, config, pointer, message):
    faults = faults_at_save(type_name, config)

    assert message in faults.get(pointer, ""), faults


def test_each_built_in_node_type_is_in_both_tables():
    names = {name for name, node_type in all_types().items() if type(node_type).__module__.startswith("apps.")}

    assert names == {type_name for type_name, _ in GOOD} == {type_name for type_name, *_ in BAD}


@pytest.mark.parametrize(
    ("type_name", "config", "pointer"),
    [
        ("http.request", {"url": "no url"}, "/url"),
        ("http.request", {"url": "https://example.com", "headers": {"A": "b\nc"}}, "/headers"),
        ("code.python", {"code": 1}, "/code"),
        ("data.set", {"values": 1}, "/values"),
        ("data.transform", {"expression": "a"}, "/input"),
        ("control.if", {"condition": "true"}, "/condition"),
        ("control.switch", {"cases": [{"when": 1, "port": "a"}]}, "/cases/0/when"),
        ("control.merge", {"mode": None}, "/mode"),
        ("control.delay", {"seconds": "soon"}, "/seconds"),
        ("control.fail", {"message": ""}, "/message"),
        ("function", {"function": None}, "/function"),
    ],
)
def test_a_config_that_expressions_made_wrong_fails_for_good_with_its_place(type_name, config, pointer):
    failed = failure_of(type_name, config)

    assert failed.error.code == "invalid_config"
    assert failed.is_final
    details = failed.error.details
    assert pointer in {details.get("pointer"), *(each["pointer"] for each in details.get("errors", []))}
