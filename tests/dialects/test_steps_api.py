"""The step vocabulary over HTTP: the library, templates, executions; real rows, the real runner and the real sandbox."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_httpserver import HTTPServer

import tests.workers.functions  # noqa: F401  # registers the functions
from tests.api.clients import ApiClient, client_of, make_workflow
from tests.api.workspaces import join, share, workspace_of
from tests.workers.driving import drive

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shell_sandbox")]


def make_step(client: ApiClient, name: str, command: str = "echo done", **fields: Any) -> dict[str, Any]:
    body = {"name": name, "executor_type": "shell", "executor_config": {"command": command}, **fields}
    made: dict[str, Any] = client.post_json("/steps", body, 201)
    return made


def make_template(client: ApiClient, name: str, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = client.post_json("/templates", {"name": name, "steps": list(steps), **fields}, 201)
    return made


def run(client: ApiClient, template: int, **fields: Any) -> dict[str, Any]:
    """Start it by the address of all executions, run it to its end, and read it."""
    started = client.post_json("/executions", {"template_id": template, **fields}, 201)
    drive(UUID(started["id"]))
    ended: dict[str, Any] = client.get_json(f"/executions/{started['id']}/steps")
    return ended


def steps_of(execution: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["status"] for each in execution["steps"]}


def test_a_step_has_the_defaults_of_the_source(ada):
    made = make_step(ada, "build")
    assert (made["timeout"], made["retry_count"], made["description"]) == (300, 0, "")
    assert ada.get_json(f"/steps/{made['id']}") == made
    assert [each["id"] for each in ada.get_json("/steps?executor_type=shell")["results"]] == [made["id"]]
    assert ada.get_json("/steps?executor_type=http")["results"] == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"executor_type": "shell", "executor_config": {}}, "/executor_config"),
        ({"executor_type": "shell", "executor_config": {"command": "true", "env": {"1": "x"}}}, "/executor_config/env/1"),
        ({"executor_type": "shell", "executor_config": {"comand": "true"}}, "/executor_config"),
        ({"executor_type": "http", "executor_config": {"url": "nowhere"}}, "/executor_config/url"),
        ({"executor_type": "http", "executor_config": {"url": "https://a.example", "credential": "x"}}, "/executor_config/credential"),
        ({"executor_type": "function", "executor_config": {"function": "no.such"}}, "/executor_config/function"),
    ],
)
def test_a_step_that_cannot_run_is_refused_at_its_place(ada, fields, pointer):
    refused = ada.post_json("/steps", {"name": "s", **fields}, 422)
    assert refused["details"]["errors"][0]["pointer"].startswith(pointer), refused
    assert ada.get_json("/steps")["results"] == []


@pytest.mark.parametrize("fields", [{"timeout": 0}, {"retry_count": -1}, {"executor_type": "ssh"}, {"name": "n" * 129}, {"colour": "red"}])
def test_a_step_with_values_out_of_range_is_refused(ada, fields):
    ada.post_json("/steps", {"name": "s", "executor_type": "shell", "executor_config": {"command": "true"}, **fields}, 422)


def test_names_are_taken_once(ada):
    step = make_step(ada, "build")["id"]
    body = {"name": "build", "executor_type": "shell", "executor_config": {"command": "true"}}
    assert ada.post_json("/steps", body, 409)["code"] == "step_name_taken"
    make_template(ada, "deploy", {"step_id": step})
    assert ada.post_json("/templates", {"name": "deploy", "steps": [{"step_id": step}]}, 409)["code"] == "workflow_name_taken"


def test_a_template_runs_its_steps_by_their_dependencies(ada, httpserver: HTTPServer, settings):
    settings.EGRESS_ALLOWED = [f"{httpserver.host}:{httpserver.port}"]
    httpserver.expect_request("/deploy", method="POST").respond_with_json({"deployed": True})
    build = make_step(ada, "build", 'echo "built $TARGET"', executor_config={"command": 'echo "built $TARGET"', "env": {"TARGET": "all"}})
    http = {"url": httpserver.url_for("/deploy"), "method": "POST"}
    deploy = make_step(ada, "deploy", executor_type="http", executor_config=http)
    count = make_step(
        ada, "count", executor_type="function", executor_config={"function": "tests.double", "arguments": {"number": 4, "at": 1}}
    )
    template = make_template(
        ada,
        "release",
        {"step_id": deploy["id"], "dependencies": [build["id"], "count"], "order_num": 1},
        {"step_id": build["id"], "run_mode": "parallel", "order_num": 2},
        {"step_id": count["id"], "run_mode": "parallel", "order_num": 3},
    )
    assert [(each["step_name"], each["dependencies"]) for each in template["steps"]] == [
        ("deploy", [build["id"], "count"]),
        ("build", []),
        ("count", []),
    ]

    ended = run(ada, template["id"], executed_by="nightly job", remarks="of the second of May")
    assert (ended["status"], ended["executed_by"], ended["remarks"]) == ("success", "nightly job", "of the second of May")
    assert ended["completed_at"] is not None
    outputs = {each["step_name"]: each["output"] for each in ended["steps"]}
    assert outputs["build"]["stdout"] == "built all\n"
    assert outputs["deploy"]["body"] == {"deployed": True}
    assert outputs["count"] == {"double": 8, "at": 1}
    assert [each["step_name"] for each in ended["steps"]][-1] == "deploy"


@pytest.mark.parametrize(
    ("on_failure", "attempts", "status", "after"),
    [("abort", 1, "failed", None), ("continue", 1, "success", "success"), ("retry", 3, "failed", None)],
)
def test_what_follows_a_failure_is_said_by_the_template(ada, on_failure, attempts, status, after):
    steps = [make_step(ada, "breaks", "exit 1")["id"], make_step(ada, "after")["id"]]
    template = make_template(ada, "t", {"step_id": steps[0], "on_failure": on_failure}, {"step_id": steps[1]})
    ended = run(ada, template["id"])
    assert ended["status"] == status
    assert ended["executed_by"] == "ada"
    by_key = {each["key"]: each for each in ended["steps"]}
    assert by_key["breaks"]["attempt"] == attempts
    assert steps_of(ended).get("after") == after


def test_retry_count_is_how_often_a_step_is_tried_again(ada):
    step = make_step(ada, "breaks", "exit 1", retry_count=1)["id"]
    assert run(ada, make_template(ada, "t", {"step_id": step})["id"])["steps"][0]["attempt"] == 2


def test_a_cycle_is_refused_by_its_names(ada):
    one, two = make_step(ada, "one")["id"], make_step(ada, "two")["id"]
    steps = [{"step_id": one, "dependencies": [two]}, {"step_id": two, "dependencies": [one]}]
    refused = ada.post_json("/templates", {"name": "t", "steps": steps}, 422)
    assert refused["code"] == "invalid_definition"
    [fault] = refused["details"]["errors"]
    assert set(fault["found"].split(" -> ")) == {"one", "two"}
    assert fault["pointer"] in ("/steps/0/dependencies", "/steps/1/dependencies")
    assert ada.get_json("/templates")["results"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"steps": [{"step_id": 1}]}, "/name"),
        ({"name": "t", "steps": []}, "/steps"),
        ({"name": "t", "steps": [{"step_id": 2**40}]}, "/steps/0/step_id"),
        ({"name": "t", "steps": [{"step_id": 1, "run_mode": "beside"}]}, "/steps/0/run_mode"),
        ({"name": "t", "steps": [{"step_id": 1, "on_failure": "ignore"}]}, "/steps/0/on_failure"),
        ({"name": "t", "status": "draft", "steps": [{"step_id": 1}]}, "/status"),
        ({"name": "t", "steps": [{"step": 1}]}, "/steps/0/step"),
        ([], ""),
    ],
)
def test_a_form_with_faults_is_refused_at_its_place(ada, body, pointer):
    refused = ada.post_json("/templates", body, 422)
    assert pointer in [each["pointer"] for each in refused["details"]["errors"]]


def test_an_inactive_template_starts_nothing(ada):
    template = make_template(ada, "t", {"step_id": make_step(ada, "one")["id"]}, status="inactive")
    assert template["status"] == "inactive"
    assert ada.post_json("/executions", {"template_id": template["id"]}, 409)["code"] == "workflow_not_published"
    assert ada.patch_json(f"/templates/{template['id']}", {"status": "active"})["status"] == "active"
    assert ada.post_json(f"/templates/{template['id']}/executions", {}, 201)["status"] == "running"
    assert ada.patch_json(f"/templates/{template['id']}", {"status": "inactive"})["status"] == "inactive"
    assert ada.get_json("/templates?status=active")["results"] == []


def test_a_changed_step_is_a_new_version_of_its_templates(ada):
    step = make_step(ada, "one", "echo old")["id"]
    template = make_template(ada, "t", {"step_id": step, "key": "first"}, {"step_id": step, "dependencies": ["first"]})
    assert run(ada, template["id"])["steps"][0]["output"]["stdout"] == "old\n"
    ada.patch_json(f"/steps/{step}", {"executor_config": {"command": "echo new"}})
    ended = run(ada, template["id"])
    assert [each["output"]["stdout"] for each in ended["steps"]] == ["new\n", "new\n"]
    numbers = [each["number"] for each in ada.get_json(f"/workflows/{template['workflow']}/versions")["results"]]
    assert numbers == [2, 1]
    assert ada.delete_json(f"/steps/{step}", 409)["details"]["templates"] == [template["id"]]


def test_a_template_is_replaced_and_deleted(ada):
    one, two = make_step(ada, "one")["id"], make_step(ada, "two")["id"]
    template = make_template(ada, "t", {"step_id": one})
    path = f"/templates/{template['id']}"
    changed = ada.put_json(path, {"name": "u", "description": "new", "steps": [{"step_id": two}]})
    assert (changed["name"], changed["description"], [each["step_id"] for each in changed["steps"]]) == ("u", "new", [two])
    ada.delete_json(f"/steps/{one}")
    ada.delete_json(path)
    ada.get_json(path, 404)
    ada.delete_json(f"/steps/{two}")


def test_executions_are_listed_in_both_words(ada):
    template = make_template(ada, "t", {"step_id": make_step(ada, "one")["id"]})
    other = ada.post_json("/executions", {"workflow": make_workflow(ada)["id"], "input": {"amount": 1}}, 202)["id"]
    ended = run(ada, template["id"], remarks="first")
    [row] = ada.get_json(f"/executions?template_id={template['id']}")["results"]
    assert (row["id"], row["remarks"], row["template_name"], row["status"]) == (ended["id"], "first", "t", "success")
    assert ada.get_json(f"/templates/{template['id']}/executions")["results"] == [row]
    assert ada.get_json(f"/executions?template_id={template['id']}&status=failed")["results"] == []
    assert {each["id"] for each in ada.get_json("/executions")["results"]} == {other, ended["id"]}
    ada.get_json(f"/executions/{other}/steps", 404)
    ada.post_json("/executions", {"template_id": template["id"], "workflow": other}, 422)
    ada.post_json("/executions", {"template_id": template["id"], "executed_by": "x" * 65}, 422)
    ada.post_json("/executions", {"template_id": 2**50}, 404)


def test_strangers_find_nothing_and_roles_allow_what_they_say(ada, bob):
    step = make_step(ada, "one")["id"]
    template = make_template(ada, "t", {"step_id": step})
    started = run(ada, template["id"])["id"]
    paths = (f"/steps/{step}", f"/templates/{template['id']}", f"/templates/{template['id']}/executions", f"/executions/{started}/steps")
    for path in paths:
        bob.get_json(path, 404)
    assert bob.get_json(f"/executions?template_id={template['id']}")["results"] == bob.get_json("/steps")["results"] == []
    bob.post_json("/templates", {"name": "theft", "steps": [{"step_id": step}]}, 422)
    join(bob, workspace_of(ada), "viewer")
    viewer = client_of(bob.user)
    for path in paths:
        viewer.get_json(path)
    viewer.patch_json(f"/steps/{step}", {"timeout": 5}, 403)
    viewer.delete_json(f"/steps/{step}", 403)
    viewer.patch_json(f"/templates/{template['id']}", {"status": "inactive"}, 403)
    viewer.post_json("/executions", {"template_id": template["id"]}, 403)


def test_a_share_of_the_workflow_shows_the_template_with_its_steps(ada, bob):
    template = make_template(ada, "t", {"step_id": make_step(ada, "one")["id"]})
    share(ada, f"/workflows/{template['workflow']}", "viewer", user="bob")
    assert [each["step_name"] for each in client_of(bob.user).get_json(f"/templates/{template['id']}")["steps"]] == ["one"]


def test_lists_ask_as_often_for_many_as_for_one(ada):
    step = make_step(ada, "one")["id"]
    first = make_template(ada, "t0", {"step_id": step})["id"]
    paths = ("/steps", "/templates", f"/executions?template_id={first}")

    def asked() -> list[int]:
        counts = []
        for path in paths:
            with CaptureQueriesContext(connection) as queries:
                ada.get_json(path)
            counts.append(len(queries))
        return counts

    ada.post_json("/executions", {"template_id": first}, 201)
    before = asked()
    for number in range(1, 4):
        make_template(ada, f"t{number}", {"step_id": make_step(ada, f"s{number}")["id"]}, {"step_id": step})
        ada.post_json("/executions", {"template_id": first}, 201)
    assert asked() == before
