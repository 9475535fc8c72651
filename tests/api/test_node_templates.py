"""Configured nodes that are kept for reuse, over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from apps.accounts.models import Membership, User
from apps.accounts.queries import personal_workspace
from apps.templates.models import NodeTemplate
from tests.api.clients import ApiClient, client_of

pytestmark = pytest.mark.django_db

CREDIT = {
    "name": "ask for credit",
    "type": "http.request",
    "config": {"method": "POST", "url": "${env.example_url}/credit", "body": {"amount": "${amount}"}, "timeout_seconds": "${patience}"},
    "description": "Who pays later?",
    "icon": "banknote",
}


def keep(client: ApiClient, status: int = 201, **changes: Any) -> Any:
    return client.post_json("/node-templates", {**CREDIT, **changes}, status)


def test_a_node_is_kept_changed_and_deleted(ada):
    made = keep(ada)
    path = f"/node-templates/{made['id']}"
    assert {name: made[name] for name in CREDIT} == CREDIT
    assert made["workspace"] == str(personal_workspace(ada.user).id)

    changed = ada.patch_json(path, {"type": "control.delay", "config": {"seconds": 5}, "icon": ""})
    assert (changed["type"], changed["config"], changed["icon"], changed["name"]) == ("control.delay", {"seconds": 5}, "", "ask for credit")
    assert ada.get_json(path) == changed
    assert ada.delete(f"/api/v1{path}").status_code == 204
    ada.get_json(path, 404)


def test_the_list_is_filtered_by_type_name_and_workspace(ada):
    keep(ada)
    keep(ada, name="a minute", type="control.delay", config={"seconds": 60})

    def names(query: str) -> list[str]:
        return [each["name"] for each in ada.get_json(f"/node-templates?{query}")["results"]]

    assert names("") == ["a minute", "ask for credit"]
    assert names("type=http.request") == ["ask for credit"]
    assert names("search=MINUTE") == ["a minute"]
    assert names(f"workspace={uuid4()}") == []


@pytest.mark.parametrize(
    ("changes", "pointer", "suggestion"),
    [
        ({"type": "http.reqest"}, "/type", "http.request"),
        ({"config": {"url": "https://example.com", "methd": "GET"}}, "/config/methd", "method"),
        ({"config": {"url": "https://example.com", "timeout_seconds": "long"}}, "/config/timeout_seconds", None),
        ({"config": {"method": "GET"}}, "/config/url", None),
        ({"config": {"url": "https://example.com/${amount +}"}}, "/config/url", None),
        ({"config": {"url": "https://example.com/${size(}"}}, "/config/url", None),
        ({"type": "control.delay", "config": {}}, "/config", None),
        ({"type": "code.python", "config": {"code": "return ("}}, "/config/code", None),
    ],
)
def test_a_config_that_cannot_fit_its_type_is_refused_with_the_place(ada, changes, pointer, suggestion):
    refused = keep(ada, 422, **changes)

    assert refused["code"] == "invalid_node"
    assert (refused["details"]["errors"][0]["pointer"], refused["details"]["errors"][0]["suggestion"]) == (pointer, suggestion)


def test_names_in_expressions_may_be_those_of_any_workflow(ada):
    keep(ada, config={"url": "https://example.com", "body": {"a": "${nodes.check.body.total}", "b": "${order_id}", "c": "${vars.limit}"}})


def test_code_is_taken_as_it_is(ada):
    keep(ada, type="code.python", config={"code": "return '${ not an expression'", "inputs": {}})


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"name": ""}, 422, "invalid"),
        ({"icon": "<svg>"}, 422, "invalid"),
        ({"config": []}, 422, "invalid"),
        ({"name": "taken"}, 409, "template_name_taken"),
        ({"workspace": str(uuid4())}, 404, "workspace_not_found"),
    ],
)
def test_what_cannot_be_kept_is_refused(ada, changes, status, code):
    keep(ada, name="taken")

    assert keep(ada, status, **changes)["code"] == code


def test_they_belong_to_a_workspace_and_its_members_use_them(ada, bob):
    made = keep(ada)
    path = f"/node-templates/{made['id']}"
    for method, body in (("get", None), ("patch", {"name": "x"}), ("delete", None)):
        assert bob._call(method, path, 404, data=body, format="json")["code"] == "node_template_not_found"
    assert bob.get_json("/node-templates")["results"] == []

    workspace = personal_workspace(ada.user)
    Membership.objects.create(workspace=workspace, user=bob.user, role="viewer")
    viewer = client_of(User.objects.get(pk=bob.user.pk))
    assert viewer.get_json(path)["name"] == "ask for credit"
    assert viewer.patch_json(path, {"name": "x"}, 403)["code"] == "not_allowed"
    assert viewer._call("delete", path, 403)["code"] == "not_allowed"
    assert keep(viewer, 403, workspace=str(workspace.id), name="other")["details"] == {"permission": "template.manage"}
    assert NodeTemplate.objects.count() == 1
