"""Workflows of n8n and Dify, imported and run to their end by the real runner, against an HTTP service on loopback."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from apps.executions.actions import start_execution
from apps.executions.models import Execution, NodeRun
from apps.nodes.triggering import TRIGGER
from apps.workflows.imports.importing import import_document
from apps.workflows.imports.report import Report
from tests.factories import make_workspace
from tests.imports import export_of
from tests.workers.driving import drive, statuses

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Service:
    """What the workflows call; a stand-in for the APIs of shops and weather stations. `calls` are (method, path, body)."""

    server: HTTPServer
    calls: list[tuple[str, str, Any]]
    is_ready: bool = True

    def of(self, path: str) -> list[Any]:
        """The bodies that came to a path, in an order of their own: loops run several iterations at once."""
        return sorted((body for _, found, body in self.calls if found == path), key=lambda body: json.dumps(body, sort_keys=True))


ANSWERS: dict[str, Any] = {
    "/orders": {
        "shop": "Berlin",
        "orders": [
            {"id": 1, "status": "paid", "total": 20},
            {"id": 2, "status": "open", "total": 50},
            {"id": 3, "status": "Paid", "total": 9.5},
            {"id": 4, "status": "PAID", "total": 12.5},
            {"id": 5, "total": 100},
        ],
    },
    "/customers": [{"id": 7, "name": "ada"}, {"id": 8, "name": "bob"}, {"id": 9, "name": "eve"}],
    "/stock": {"items": [{"sku": "a", "count": 2}, {"sku": "b", "count": 5}, {"sku": "c", "count": 1}]},
    "/prices": {"items": [{"sku": "c", "price": 30}, {"sku": "a", "price": 10}, {"sku": "b", "price": 1}, {"sku": "z", "price": 99}]},
    "/weather": {"name": "Berlin", "main": {"temp": 5}},
    "/jobs": {"id": "j1"},
    "/enrich": {"found": True},
    "/order/o-1": {"items": [{"name": "desk", "price": 90}, {"name": "lamp", "price": 20}]},
    "/primary": {"answer": "42"},
}  # fmt: skip


@pytest.fixture
def service(httpserver: HTTPServer, settings) -> Service:
    settings.EGRESS_ALLOWED = [f"{httpserver.host}:{httpserver.port}"]
    found = Service(httpserver, [])

    def answer(request: Request) -> Response:
        body = request.get_json() if request.is_json else dict(request.form) or request.get_data(as_text=True)
        found.calls.append((request.method, request.path, body or dict(request.args)))
        if request.path == "/charge/missing":
            return Response("404 no such order", 404)
        if request.path == "/jobs/j1":
            return Response(
                json.dumps({"status": "ready" if found.is_ready else "busy", "result_url": httpserver.url_for("/result")}),
                mimetype="application/json",
            )
        if request.path == "/result":
            return Response("first\nsecond", mimetype="text/plain")
        return Response(json.dumps(ANSWERS.get(request.path, {"id": request.path.rpartition("/")[2]})), mimetype="application/json")

    httpserver.expect_request(re.compile(".*")).respond_with_handler(answer)
    return found


def brought(name: str, service: Service, **more: Any) -> tuple[Any, Report]:
    """The workflow that an export becomes, published, and its report."""
    workspace = make_workspace()
    document = export_of(name, at=service.server.url_for("").rstrip("/"))
    (found,) = import_document(
        workspace=workspace, document=document, on_conflict="rename", created_by=workspace.owner, publish=True, **more
    )
    assert found.report is not None
    return found.imported.workflow, found.report


def run(name: str, service: Service, input: dict[str, Any] | None = None) -> Execution:
    workflow, _ = brought(name, service)
    workflow.refresh_from_db()
    return drive(start_execution(workflow=workflow, input=input or {}).execution_id)


def output(execution: Execution, key: str) -> Any:
    assert execution.error is None, execution.error
    return NodeRun.objects.get(execution_id=execution.id, key=key, path="").output


def verdicts(report: Report) -> dict[str, str]:
    return {line.node: line.verdict.value for line in report.lines}


ORDER = {"customer": " Ada ", "items": [{"name": "desk", "price": 90}, {"name": "lamp", "price": 20.5}]}
ACCEPTED = {"status": "accepted", "order": {"customer": "Ada", "count": 2, "names": "desk, lamp"}, "note": "Order of  Ada : ${ 90 }"}
REFUSED = {"status": 400, "body": {"status": "refused"}}


@pytest.mark.parametrize(
    ("body", "response"),
    [
        (ORDER, {"status": 201, "body": ACCEPTED}),
        ({"items": [], "customer": "Bob"}, REFUSED),
        ({"items": [1]}, REFUSED),
        ({}, REFUSED),
    ],
)
def test_an_endpoint_that_answers(service, body, response):
    execution = run("01-api-endpoint", service, {"body": body})

    key = "accepted" if response["status"] == 201 else "refused"
    assert (execution.status, output(execution, key)) == ("success", {**response, "headers": {}})


def test_a_report_of_the_items_that_pass_a_filter(service):
    execution = run("02-scheduled-report", service)

    assert execution.error is None, execution.error
    assert service.of("/reports") == [
        {"count": 2, "lines": [{"line": "1: 20 EUR", "shop": "Berlin"}, {"line": "4: 12.5 EUR", "shop": "Berlin"}]}
    ]
    assert list(service.of("/orders")[0]) == ["since"]


def test_a_loop_over_items_waits_and_brings_them_together(service):
    execution = run("03-loop-over-items", service)

    assert execution.error is None, execution.error
    assert [(method, body) for method, path, body in sorted(service.calls, key=repr) if path.startswith("/crm/")] == [
        ("PUT", {"name": name, "source": "shop"}) for name in ("ADA", "BOB", "EVE")
    ]
    assert output(execution, "summary") == {"ids": ["7", "8", "9"], "count": 3}


@pytest.mark.parametrize(
    ("body", "team"),
    [
        ({"kind": "bug", "priority": 1}, "engineering"),
        ({"kind": "Billing", "amount": 101}, "finance"),
        ({"kind": "billing", "amount": 99}, "support"),
        ({"kind": "other", "team": "sales"}, "sales"),
        ({}, "support"),
    ],
)
def test_a_switch_leads_to_one_of_several_ways_that_meet_again(service, body, team):
    execution = run("04-routing", service, {"body": {**body, "title": "T&1"}})

    assert execution.error is None, execution.error
    assert service.of("/tell") == [{"team": team, "title": "T&1"}]
    assert output(execution, "done")["statusCode"] == 200


def test_two_lists_are_joined_by_a_field(service):
    execution = run("05-join-two-sources", service)

    assert output(execution, "all") == {"data": [{"sku": "c", "value": 30}, {"sku": "a", "value": 20}]}


@pytest.mark.parametrize(("order", "status"), [("o-1", "paid"), ("missing", "not found")])
def test_a_failure_goes_its_own_way(service, order, status):
    execution = run("06-error-output", service, {"order": order})

    assert execution.error is None, execution.error
    assert [entry["status"] for entry in service.of("/log")] == [status]


def test_an_old_workflow_runs_and_the_way_not_taken_is_a_placeholder(service):
    workflow, report = brought("07-old-versions", service)
    assert {name: verdict for name, verdict in verdicts(report).items() if verdict == "left_out"} == {
        "Function": "left_out",
        "Send Email": "left_out",
    }
    workflow.refresh_from_db()

    execution = drive(start_execution(workflow=workflow).execution_id)

    assert output(execution, "cold") == {"text": "Only 3° in Berlin"}
    assert statuses(execution.id)["function"] == "skipped"
    notes = {node["key"]: node.get("notes", "") for node in workflow.versions.get().definition["nodes"]}
    assert "item.json.text = `${item.json.city} is warm`" in notes["function"]


def test_a_line_that_goes_back_is_cut_and_fails_where_it_is_taken(service):
    execution = run("08-poll-until-ready", service, {"name": "x"})
    assert output(execution, "text") == {"first": "first", "size": 12}
    assert service.of("/jobs") == [{"input": "x", "tags": ["a", "b"]}]

    service.is_ready = False
    execution = run("08-poll-until-ready", service, {"name": "x"})
    assert execution.status == "failed"
    assert "The line from 'Ready?' goes back to 'Wait'" in execution.error["message"]


def test_a_placeholder_that_is_reached_fails_and_says_what_to_do(service):
    workflow, _ = brought("09-sub-workflow", service)
    workflow.refresh_from_db()

    execution = drive(start_execution(workflow=workflow, input={"invoiced_at": "2020-01-01T00:00:00Z", "amount": 5}).execution_id)

    assert execution.status == "failed"
    assert execution.error["node"] == "call"
    assert "The workspace has no workflow 'Old weather'" in execution.error["message"]


def test_a_workflow_calls_another_that_came_in_the_same_document(service):
    at = service.server.url_for("").rstrip("/")
    documents = [export_of("09-sub-workflow", at=at), export_of("07-old-versions", at=at)]
    workspace = make_workspace()

    found = import_document(workspace=workspace, document=documents, on_conflict="rename", created_by=workspace.owner, publish=True)

    caller = next(each.imported.workflow for each in found if each.imported.name == "Invoice reminder")
    caller.refresh_from_db()
    started = start_execution(workflow=caller, input={"invoiced_at": "2020-01-01T00:00:00Z", "amount": 5})
    drive(started.execution_id)
    child = Execution.objects.exclude(id=started.execution_id).get()
    assert drive(child.id).status == "success"
    execution = drive(started.execution_id)
    assert output(execution, "remind")["text"] == "Pay 5 by 2020-01-15"


def test_python_runs_for_all_items_and_disabled_nodes_hand_on(service):
    leads = [{"name": "Ada", "company": "x"}, {"name": "Bob"}]

    execution = run("10-app-and-code", service, {TRIGGER: "leads", "body": {"leads": leads}})

    assert output(execution, "everything") == {"data": [{"found": True}, {"name": "Bob", "score": 3}]}
    assert service.of("/enrich") == [{"name": "Ada"}]


@pytest.mark.parametrize(
    ("input", "text"),
    [
        ({"order_id": "o-1", "tier": "silver"}, "Review desk, lamp: 110 EUR (SILVER)"),
        ({"order_id": "o-1", "tier": "gold"}, "Fine: 110 EUR"),
        ({"order_id": "o-1", "tier": "silver", "limit": 200}, "Fine: 110 EUR"),
    ],
)
def test_a_workflow_of_dify_checks_an_order(service, input, text):
    execution = run("01-order-check", service, input)

    assert (execution.error, execution.output) == (None, {"text": text, "status": 200})


def test_an_iteration_of_dify(service):
    execution = run("02-translate-each", service, {"cities": "Rome, Oslo"})

    weather = json.dumps(ANSWERS["/weather"])
    assert (execution.error, execution.output) == (None, {"lines": [f"Rome={weather}", f"Oslo={weather}"]})
    assert service.of("/weather") == [{"city": "Rome", "at": 0}, {"city": "Oslo", "at": 1}]


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("a refund?", "You asked: a refund?. Refunds take 5 days."),
        ("Money back", "You asked: Money back. Refunds take 5 days."),
        ("", "Please write something."),
    ],
)
def test_a_chatflow_of_dify_answers(service, query, answer):
    execution = run("03-support-chat", service, {"query": query})

    assert (execution.error, execution.output) == (None, {"answer": answer})


def test_a_model_of_dify_is_a_placeholder(service):
    execution = run("03-support-chat", service, {"query": "hello"})

    assert (execution.status, execution.error["node"]) == ("failed", "model")
    assert "No node type for language models is installed" in execution.error["message"]


@pytest.mark.parametrize(("answered", "answer"), [({"answer": "42"}, "42"), ({}, "No answer to why (none)")])
def test_a_failure_branch_of_dify(service, monkeypatch, answered, answer):
    monkeypatch.setitem(ANSWERS, "/primary", answered)

    execution = run("04-fallbacks", service, {"question": "why"})

    assert (execution.error, execution.output) == (None, {"answer": answer})


def test_a_classifier_of_dify_is_a_placeholder_with_its_ways(service):
    workflow, report = brought("04-fallbacks", service)
    workflow.refresh_from_db()

    execution = drive(start_execution(workflow=workflow, input={"question": "why", "mode": "classify"}).execution_id)

    assert (execution.status, execution.error["node"]) == ("failed", "topic")
    assert {name: verdict for name, verdict in verdicts(report).items() if verdict == "left_out"} == dict.fromkeys(
        ("Topic", "Docs", "Search"), "left_out"
    )
