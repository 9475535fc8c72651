"""The process vocabulary over HTTP: definitions, instances, services; real rows, and the real runner."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_httpserver import HTTPServer

import tests.workers.functions  # noqa: F401  # registers the functions
from apps.tasks.models import HumanTask
from tests.api.clients import ApiClient, client_of
from tests.api.workspaces import join, share, workspace_of
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

# As the source has it, with a name in plain letters.
ORDER: dict[str, Any] = {
    "name": "orders",
    "description": "From the order to the payment",
    "version": "1.0.0",
    "variables": {"order_id": "string", "customer_id": "string", "total_amount": "number"},
    "steps": [
        {
            "id": "validate_order",
            "name": "Validate",
            "type": "service_task",
            "config": {"service_name": "OrderValidationService", "method": "validate", "timeout": "30s"},
            "next": ["payment_check"],
        }
    ],
}
VARIABLES = {"order_id": "ORDER-001", "customer_id": "CUST-456", "total_amount": 999.99}


@pytest.fixture
def service(httpserver: HTTPServer, settings) -> HTTPServer:
    """A stand-in of the service, on a loopback address that nodes may call."""
    settings.EGRESS_ALLOWED = [f"{httpserver.host}:{httpserver.port}"]
    httpserver.expect_request("/validate", method="POST").respond_with_json({"valid": True})
    return httpserver


def register(client: ApiClient, url: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = client.post_json("/services", {"name": "OrderValidationService", "base_url": url, **fields}, 201)
    return made


def define(client: ApiClient, form: dict[str, Any] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = client.post_json("/process-definitions", form or ORDER, 201)
    return made


def start(client: ApiClient, number: int, status: int = 201, **fields: Any) -> dict[str, Any]:
    body = {"process_definition_id": number, "business_key": "ORDER-001", "variables": VARIABLES, **fields}
    started: dict[str, Any] = client.post_json("/process-instances", body, status)
    return started


def simple(name: str, *steps: dict[str, Any], **variables: str) -> dict[str, Any]:
    return {"name": name, "variables": variables, "steps": list(steps)}


TIMER = {"id": "wait", "type": "timer_event", "config": {"duration": "2h"}}


def test_the_order_of_the_source_runs_to_its_end(ada, service):
    register(ada, service.url_for("/"))
    made = define(ada)
    assert (made["status"], made["version"], made["version_number"]) == ("active", "1.0.0", 1)
    assert (made["steps"], made["variables"]) == (ORDER["steps"], ORDER["variables"])
    assert [each["pointer"] for each in made["warnings"]] == ["/steps/0/next/0"]

    instance = start(ada, made["id"])
    assert (instance["status"], instance["business_key"], instance["started_by"]) == ("running", "ORDER-001", "ada")
    drive(UUID(instance["id"]), rounds=3)
    [(request, _)] = service.log
    assert request.json == VARIABLES
    [task] = ada.get_json("/tasks?assignee=current_user")["results"]
    assert (task["title"], task["business_key"]) == ("payment_check", "ORDER-001")
    assert ada.get_json(f"/process-instances/{instance['id']}")["current_steps"] == ["payment_check"]

    ada.put_json(f"/tasks/{task['id']}/complete", {"variables": {"approved": True, "comments": "审批通过"}})
    drive(UUID(instance["id"]))
    ended = ada.get_json(f"/process-instances/{instance['id']}")
    assert ended["status"] == "success"
    assert ended["variables"] == {**VARIABLES, "initiator": "ada", "approved": True, "comments": "审批通过"}
    history = ada.get_json(f"/process-instances/{instance['id']}/history")["results"]
    assert [(each["step_id"], each["status"]) for each in history] == [("validate_order", "success"), ("payment_check", "success")]
    assert history[0]["output"] == {"valid": True}


def test_instances_are_found_by_their_business_key(ada):
    number = define(ada, simple("timed", TIMER))["id"]
    ids = [start(ada, number, business_key=key, variables={})["id"] for key in ("A", "B", "A")]
    found = ada.get_json("/process-instances?business_key=A")["results"]
    assert [each["id"] for each in found] == [ids[2], ids[0]]
    assert ada.get_json(f"/process-instances?process_definition_id={number + 1}")["results"] == []
    assert {each["id"] for each in ada.get_json("/executions?business_key=A")["results"]} == {ids[0], ids[2]}
    first = ada.get_json(f"/process-instances?process_definition_id={number}&limit=2")
    assert [each["id"] for each in first["results"]] == [ids[2], ids[1]]


def test_an_idempotency_key_starts_an_instance_once(ada):
    number = define(ada, simple("timed", TIMER))["id"]
    body = {"process_definition_id": number}
    first = ada.post_json("/process-instances", body, 201, **{"Idempotency-Key": "once"})
    assert ada.post_json("/process-instances", body, 201, **{"Idempotency-Key": "once"}) == first


def test_variables_that_do_not_fit_are_refused_at_their_place(ada, service):
    register(ada, service.url_for("/"))
    number = define(ada)["id"]
    refused = start(ada, number, 422, variables={**VARIABLES, "total_amount": "much"})
    assert (refused["code"], refused["details"]["errors"][0]["pointer"]) == ("invalid_input", "/variables/total_amount")
    assert ada.get_json("/process-instances")["results"] == []
    start(ada, number + 1, 404)


def test_nobody_starts_in_the_name_of_somebody_else(ada):
    number = define(ada, simple("mine", {"id": "ask", "type": "user_task"}))["id"]
    instance = start(ada, number, variables={"initiator": "root"})
    assert instance["variables"]["initiator"] == "ada"


def test_a_form_with_faults_is_refused_with_places_and_nothing_is_kept(ada):
    faults = ada.post_json("/process-definitions", ORDER, 422)["details"]["errors"]
    assert [each["pointer"] for each in faults] == ["/steps/0/config/service_name"]
    cycle = simple("round", {**TIMER, "next": "b"}, {**TIMER, "id": "b", "next": "wait"})
    [fault] = ada.post_json("/process-definitions", cycle, 422)["details"]["errors"]
    assert set(fault["found"].split(" -> ")) == {"wait", "b"}
    wrong = simple(
        "wrong", {"id": "g", "type": "exclusive_gateway", "config": {"conditions": [{"expression": "${nope > 1}", "next": "x"}]}}
    )
    [fault] = ada.post_json("/process-definitions", wrong, 422)["details"]["errors"]
    assert fault["pointer"] == "/steps/0/config/conditions/0/expression"
    ada.post_json("/process-definitions", [1], 422)
    assert ada.get_json("/process-definitions")["results"] == ada.get_json("/workflows")["results"] == []


def test_a_form_can_be_checked_without_being_kept(ada):
    assert ada.post_json("/process-definitions/validate", simple("ok", TIMER)) == {"is_valid": True, "errors": [], "warnings": []}
    told = ada.post_json("/process-definitions/validate", ORDER)
    assert (told["is_valid"], told["errors"][0]["pointer"]) == (False, "/steps/0/config/service_name")
    assert ada.get_json("/process-definitions")["results"] == []


def gate(**config: Any) -> dict[str, Any]:
    conditions = [{"expression": "${amount > 1000}", "next": "large"}, {"expression": "${amount < 10}", "next": "small"}]
    return {"id": "gate", "type": "exclusive_gateway", "config": {"conditions": conditions, **config}}


WAYS = [{"id": key, "type": "data.set", "config": {"values": {"way": key}}} for key in ("large", "small", "other")]


@pytest.mark.parametrize(("amount", "way"), [(2000, "large"), (5, "small"), (100, "other")])
def test_an_exclusive_gateway_decides_by_the_variables(ada, amount, way):
    number = define(ada, simple("gate", gate(default="other"), *WAYS, amount="number"))["id"]
    instance = start(ada, number, variables={"amount": amount})["id"]
    drive(UUID(instance))
    history = ada.get_json(f"/process-instances/{instance}/history")["results"]
    assert [each["step_id"] for each in history if each["status"] == "success"] == ["gate", way]


def test_a_gateway_without_a_matching_condition_fails_clearly(ada):
    number = define(ada, simple("gate", gate(), *WAYS[:2], amount="number"))["id"]
    instance = start(ada, number, variables={"amount": 100})["id"]
    drive(UUID(instance))
    ended = ada.get_json(f"/process-instances/{instance}")
    assert (ended["status"], ended["error"]["code"]) == ("failed", "no_matching_case")


@pytest.mark.parametrize(("amount", "taken"), [(25, {"a", "b"}), (15, {"a"}), (5, {"c"})])
def test_an_inclusive_gateway_takes_all_that_hold(ada, amount, taken):
    conditions = [{"expression": "${amount > 10}", "next": "a"}, {"expression": "${amount > 20}", "next": "b"}]
    fork = {"id": "fork", "type": "inclusive_gateway", "config": {"conditions": conditions, "default": "c"}}
    ways = [{"id": key, "type": "data.set", "config": {"values": {"way": key}}, "next": "end"} for key in "abc"]
    number = define(ada, simple("inclusive", fork, *ways, {"id": "end", "type": "end_event"}, amount="number"))["id"]
    instance = start(ada, number, variables={"amount": amount})["id"]
    drive(UUID(instance))
    history = ada.get_json(f"/process-instances/{instance}/history")["results"]
    assert {each["step_id"] for each in history if each["status"] == "success"} == taken | {"fork", "end"}


@pytest.mark.parametrize(
    ("config", "answers"), [({}, 3), ({"join_condition": "any_complete"}, 1), ({"join_condition": "n_complete", "n": 2}, 2)]
)
def test_parallel_tasks_meet_when_enough_are_complete(ada, config, answers):
    tasks = ["stock", "credit", "fraud"]
    fork = {"id": "fork", "type": "parallel_gateway", "config": {"parallel_tasks": tasks, **config}, "next": ["ship"]}
    ship = {"id": "ship", "type": "data.set", "config": {"values": {"done": True}}}
    number = define(ada, simple("parallel", fork, ship))["id"]
    instance = start(ada, number, variables={})["id"]
    for answered, task in enumerate(tasks, start=1):
        drive(UUID(instance), rounds=2)
        history = {each["step_id"]: each["status"] for each in ada.get_json(f"/process-instances/{instance}/history")["results"]}
        assert ("ship" in history) == (answered > answers)
        open_task = HumanTask.objects.get(execution_id=instance, key=task)
        ada.put_json(f"/tasks/{open_task.pk}/complete", {"variables": {}})
    assert drive(UUID(instance)).status == "success"


def test_a_parallel_join_may_cancel_the_rest(ada):
    config = {"parallel_tasks": ["a", "b"], "join_condition": "any_complete", "cancel_rest": True}
    fork = {"id": "fork", "type": "parallel_gateway", "config": config}
    number = define(ada, simple("parallel", fork))["id"]
    instance = start(ada, number, variables={})["id"]
    drive(UUID(instance), rounds=2)
    ada.put_json(f"/tasks/{HumanTask.objects.get(key='b').pk}/complete", {"variables": {}})
    assert drive(UUID(instance)).status == "success"
    assert HumanTask.objects.get(key="a").status == "cancelled"


def test_a_timer_waits_and_then_does_its_action(ada):
    timer = {**TIMER, "config": {"duration": "2h", "action": "escalate_to_manager"}}
    number = define(ada, simple("timer", timer))["id"]
    instance = start(ada, number, variables={})["id"]
    drive(UUID(instance), rounds=1)
    assert ada.get_json(f"/process-instances/{instance}")["current_steps"] == ["wait"]
    drive(UUID(instance), rounds=3)  # the clock is moved by the rows
    assert HumanTask.objects.get(execution_id=instance).title == "escalate_to_manager"


@pytest.mark.parametrize(("event", "way"), [("order.paid", "paid"), (None, "late")])
def test_an_event_gateway_goes_the_way_of_what_comes_first(ada, event, way):
    events = [{"event": "order.paid", "correlation_key": "${order_id}", "next": "paid"}, {"duration": "2h", "next": "late"}]
    fork = {"id": "fork", "type": "event_gateway", "config": {"events": events}}
    ways = [{"id": key, "type": "data.set", "config": {"values": {"way": key}}} for key in ("paid", "late")]
    number = define(ada, simple("events", fork, *ways, order_id="string"))["id"]
    instance = start(ada, number, variables={"order_id": "7"})["id"]
    drive(UUID(instance), rounds=2)
    if event:
        assert ada.post_json("/signals", {"event": event, "correlation_key": "7"}, 202)["woken"] == 1
    drive(UUID(instance))
    history = {each["step_id"]: each["status"] for each in ada.get_json(f"/process-instances/{instance}/history")["results"]}
    assert history[way] == "success"
    assert history.get({"paid": "late", "late": "paid"}[way], "skipped") == "skipped"


def test_a_suspended_definition_starts_nothing_until_it_is_activated(ada):
    number = define(ada, simple("timed", TIMER))["id"]
    path = f"/process-definitions/{number}"
    assert ada.post_json(f"{path}/suspend")["status"] == ada.post_json(f"{path}/suspend")["status"] == "suspended"
    assert start(ada, number, 409, variables={})["code"] == "workflow_not_published"
    assert [each["id"] for each in ada.get_json("/process-definitions?status=suspended")["results"]] == [number]
    assert ada.put_json(path, simple("timed", TIMER, {**TIMER, "id": "again"}))["status"] == "suspended"
    active = ada.post_json(f"{path}/activate")
    assert (active["status"], active["version_number"]) == ("active", 2)
    start(ada, number, variables={})


def test_an_instance_is_suspended_activated_and_cancelled(ada):
    number = define(ada, simple("timed", TIMER))["id"]
    path = f"/process-instances/{start(ada, number, variables={})['id']}"
    assert ada.post_json(f"{path}/suspend")["status"] == "paused"
    assert ada.post_json(f"{path}/suspend", status=409)["code"] == "wrong_status"
    assert ada.post_json(f"{path}/activate")["status"] == "running"
    assert ada.post_json(f"{path}/cancel")["status"] in ("cancelling", "cancelled")


def test_a_new_form_is_the_next_version_and_instances_keep_theirs(ada):
    number = define(ada, simple("timed", TIMER))["id"]
    instance = start(ada, number, variables={})["id"]
    changed = ada.put_json(f"/process-definitions/{number}", {**simple("renamed", TIMER, {**TIMER, "id": "more"}), "version": "2"})
    assert (changed["name"], changed["version"], changed["version_number"]) == ("renamed", "2", 2)
    assert ada.get_json(f"/process-instances/{instance}")["version_number"] == 1
    assert ada.delete_json(f"/process-definitions/{number}", 409)["code"] == "workflow_in_use"


def test_what_is_saved_in_the_editor_stands_in_the_words_of_a_form(ada):
    made = define(ada, simple("timed", TIMER))
    nodes = [{"key": "s", "type": "trigger.manual"}, {"key": "d", "type": "control.delay", "config": {"seconds": 5}}]
    definition = {"name": "timed", "nodes": nodes, "edges": [{"source": "s", "target": "d"}]}
    ada.post_json(f"/workflows/{made['workflow']}/versions", {"definition": definition, "publish": True}, 201)
    shown = ada.get_json(f"/process-definitions/{made['id']}")
    assert shown["is_form"] is False
    assert [(each["id"], each["type"], each.get("next")) for each in shown["steps"]] == [
        ("s", "trigger.manual", ["d"]),
        ("d", "control.delay", None),
    ]
    again = ada.put_json(f"/process-definitions/{made['id']}", {"name": "timed", "steps": shown["steps"]})
    assert (again["is_form"], again["version_number"]) == (True, 3)


def test_strangers_find_nothing_and_roles_allow_what_they_say(ada, bob):
    number = define(ada, simple("timed", TIMER))["id"]
    instance = start(ada, number, variables={})["id"]
    bob.get_json(f"/process-definitions/{number}", 404)
    bob.get_json(f"/process-instances/{instance}", 404)
    bob.get_json(f"/process-instances/{instance}/history", 404)
    start(bob, number, 404, variables={})
    join(bob, workspace_of(ada), "viewer")
    viewer = client_of(bob.user)
    assert viewer.get_json(f"/process-definitions/{number}")["name"] == "timed"
    start(viewer, number, 403, variables={})
    viewer.put_json(f"/process-definitions/{number}", simple("timed", TIMER), 403)
    viewer.post_json(f"/process-definitions/{number}/suspend", status=403)
    viewer.post_json(f"/process-instances/{instance}/cancel", status=403)
    viewer.post_json("/services", {"name": "x", "base_url": "https://a.example", "workspace": str(workspace_of(ada).pk)}, 403)


def test_a_share_of_the_workflow_reaches_the_process(ada, bob):
    made = define(ada, simple("timed", TIMER))
    share(ada, f"/workflows/{made['workflow']}", "editor", user="bob")
    friend = client_of(bob.user)
    assert friend.get_json(f"/process-definitions/{made['id']}")["status"] == "active"
    start(friend, made["id"], variables={})


def test_lists_ask_as_often_for_many_as_for_one(ada):
    def asked(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            ada.get_json(path)
        return len(queries)

    def more(name: str) -> None:
        start(ada, define(ada, simple(name, TIMER))["id"], variables={})

    more("first")
    before = [asked(path) for path in ("/process-definitions", "/process-instances")]
    for name in ("second", "third"):
        more(name)
    assert [asked(path) for path in ("/process-definitions", "/process-instances")] == before


def test_services_are_registered_changed_and_deleted(ada, bob, service):
    made = register(ada, "https://old.example", methods={"validate": {"path": "/v1/check", "http_method": "GET"}})
    assert ada.post_json("/services", {"name": made["name"], "base_url": "https://a.example"}, 409)["code"] == "service_name_taken"
    number = define(ada, simple("call", {"id": "a", **{k: ORDER["steps"][0][k] for k in ("type", "config")}}, order_id="string"))["id"]
    service.expect_request("/v1/check", query_string={"order_id": "7"}).respond_with_json("fine")
    ada.patch_json(f"/services/{made['id']}", {"base_url": service.url_for("/")})
    instance = start(ada, number, variables={"order_id": "7"})["id"]
    assert drive(UUID(instance)).output == "fine"
    for method in ("get", "patch", "delete"):
        assert getattr(bob, method)(f"/api/v1/services/{made['id']}", {}, format="json").status_code == 404
    ada.delete_json(f"/services/{made['id']}")
    instance = start(ada, number, variables={"order_id": "7"})["id"]
    assert drive(UUID(instance)).error["code"] == "unknown_service"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"base_url": "nowhere"}, "/base_url"),
        ({"base_url": "https://user:password@a.example"}, "/base_url"),
        ({"base_url": "https://a.example", "methods": {"m": "GET"}}, "/methods/m"),
        ({"base_url": "https://a.example", "methods": {"m": {"http_method": "FETCH"}}}, "/methods/m/http_method"),
        ({"kind": "function"}, "/methods"),
        ({"kind": "function", "methods": {"m": "no.such"}}, "/methods/m"),
        ({"kind": "function", "base_url": "https://a.example", "methods": {"m": "no.such"}}, "/base_url"),
    ],
)
def test_a_service_that_cannot_be_is_refused_at_its_place(ada, fields, pointer):
    refused = ada.post_json("/services", {"name": "s", **fields}, 422)
    assert (refused["code"], refused["details"]["pointer"]) == ("invalid_service", pointer)


def test_functions_of_the_host_project_are_a_service_too(ada):
    ada.post_json("/services", {"name": "maths", "kind": "function", "methods": {"double": "tests.double"}}, 201)
    call = {"id": "a", "type": "service_task", "config": {"service_name": "maths", "method": "double", "result_variable": "twice"}}
    reads = {"id": "b", "type": "data.set", "config": {"values": {"x": "${twice.double + 1}"}}}
    number = define(ada, simple("function", {**call, "next": "b"}, reads, number="number", at="number", other="string"))["id"]
    instance = start(ada, number, variables={"number": 20, "at": 1, "other": "x"})["id"]
    assert drive(UUID(instance)).output == {"x": 41}
    wrong = {**call, "config": {**call["config"], "method": "dubble"}}
    [fault] = ada.post_json("/process-definitions", simple("wrong", wrong), 422)["details"]["errors"]
    assert (fault["pointer"], fault["suggestion"]) == ("/steps/0/config/method", "double")
