"""Workflows and versions over HTTP."""

import threading

import pytest
import yaml
from django.db import connection

from apps.workflows.models import Workflow, WorkflowVersion
from tests.api.clients import ORDER, client_of, make_workflow

pytestmark = pytest.mark.django_db

CYCLE = {
    "name": "cycle",
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "a", "type": "data.set", "config": {"values": {}}},
        {"key": "b", "type": "data.set", "config": {"values": {}}},
    ],
    "edges": [{"source": "start", "target": "a"}, {"source": "a", "target": "b"}, {"source": "b", "target": "a"}],
}


def with_note(text):
    return {**ORDER, "description": text}


def test_a_definition_becomes_a_workflow_with_version_1(ada):
    made = ada.post_json("/workflows", {"definition": ORDER}, 201)
    assert made["name"] == "order"
    assert made["latest_number"] == made["version"]["number"] == 1
    assert made["published_number"] is None
    assert ada.get_json(f"/workflows/{made['id']}/versions/1")["definition"] == ORDER
    assert [row["id"] for row in ada.get_json("/workflows")["results"]] == [made["id"]]


def test_a_bare_definition_as_yaml_is_taken_too(ada):
    text = yaml.safe_dump(ORDER, sort_keys=False)
    response = ada.post("/api/v1/workflows?publish=true", text, content_type="application/yaml")
    assert response.status_code == 201, response.content
    assert response.json()["published_number"] == 1
    assert ada.get_json(f"/workflows/{response.json()['id']}/versions/1")["definition"] == ORDER


def test_the_same_content_makes_no_second_version(ada):
    made = make_workflow(ada)
    path = f"/workflows/{made['id']}/versions"
    again = ada.post_json(path, {"definition": dict(reversed(ORDER.items()))}, 200)
    assert (again["number"], again["created"]) == (1, False)
    second = ada.post_json(path, {"definition": with_note("new"), "changelog": "a note"}, 201)
    assert (second["number"], second["changelog"]) == (2, "a note")
    assert [version["number"] for version in ada.get_json(path)["results"]] == [2, 1]
    assert ada.post_json(path, {"definition": ORDER}, 201)["number"] == 3, "the content of an older version is a change"


def test_publishing_names_the_version_that_starts_run(ada):
    path = f"/workflows/{make_workflow(ada)['id']}"
    ada.post_json(f"{path}/versions", {"definition": with_note("new")}, 201)
    assert ada.get_json(path)["published_number"] == 1
    assert ada.post_json(f"{path}/versions/2/publish")["published_number"] == 2
    assert ada.get_json(f"{path}/versions/2")["published_at"] is not None
    assert ada.post_json(f"{path}/unpublish")["published_number"] is None


def test_a_workflow_is_renamed_and_deleted(ada):
    path = f"/workflows/{make_workflow(ada)['id']}"
    assert ada.patch_json(path, {"name": "orders"}, 200)["name"] == "orders"
    ada._call("delete", path, 204)
    ada.get_json(path, 404)
    assert not WorkflowVersion.objects.exists()


def test_a_workflow_that_has_run_is_kept(ada):
    made = make_workflow(ada)
    ada.post_json("/executions", {"workflow": made["id"], "input": {"amount": 1}}, 202)
    assert ada._call("delete", f"/workflows/{made['id']}", 409)["code"] == "workflow_in_use"
    assert ada.get_json(f"/workflows/{made['id']}")["published_number"] == 1


def test_a_name_is_there_once_in_a_workspace(ada, bob):
    make_workflow(ada)
    assert ada.post_json("/workflows", {"definition": ORDER}, 409)["code"] == "workflow_name_taken"
    other = ada.post_json("/workflows", {"definition": ORDER, "name": "other"}, 201)
    assert ada.patch_json(f"/workflows/{other['id']}", {"name": "order"}, 409)["code"] == "workflow_name_taken"
    make_workflow(bob)


def test_a_wrong_definition_is_refused_with_its_places_and_nothing_is_stored(ada):
    wrong = {
        "name": "wrong",
        "nodes": [{"key": "start", "type": "trigger.manuall"}, {"key": "start", "type": "trigger.manual"}],
        "edgs": [],
    }
    body = ada.post_json("/workflows", {"definition": wrong}, 422)
    assert body["code"] == "invalid_definition"
    fault = body["details"]["errors"][0]
    assert fault["pointer"] == "/edgs"
    assert fault["suggestion"] == "edges"
    del wrong["edgs"]
    errors = ada.post_json("/workflows", {"definition": wrong}, 422)["details"]["errors"]
    assert ("/nodes/0/type", "trigger.manual") in {(each["pointer"], each["suggestion"]) for each in errors}
    assert not Workflow.objects.exists()


def test_a_new_version_with_a_fault_leaves_the_old_ones(ada):
    made = make_workflow(ada)
    body = ada.post_json(f"/workflows/{made['id']}/versions", {"definition": CYCLE}, 422)
    assert "a" in body["message"]
    assert "b" in body["message"]
    assert ada.get_json(f"/workflows/{made['id']}")["latest_number"] == 1


def test_validate_stores_nothing(ada):
    assert ada.post_json("/workflows/validate", {"definition": ORDER}) == {"is_valid": True, "errors": [], "warnings": []}
    answer = ada.post_json("/workflows/validate", {"definition": CYCLE})
    assert answer["is_valid"] is False
    assert answer["errors"][0]["message"]
    assert not Workflow.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/definition"),
        ({"definition": ORDER, "publsh": True}, "/publsh"),
        ({"definition": ORDER, "name": ""}, "/name"),
        ({"definition": ORDER, "name": "x" * 129}, "/name"),
        ({"definition": ORDER, "publish": "perhaps"}, "/publish"),
        ([], ""),
    ],
    ids=str,
)
def test_a_wrong_body_is_refused_with_its_place(ada, body, pointer):
    answer = ada.post_json("/workflows", body, 422)
    assert answer["details"]["errors"][0]["pointer"] == pointer
    assert not Workflow.objects.exists()


def test_what_others_own_does_not_exist(ada, bob, operator):
    path = f"/workflows/{make_workflow(ada)['id']}"
    for address in (path, f"{path}/versions", f"{path}/versions/1"):
        ada.get_json(address)
        operator.get_json(address)
        bob.get_json(address, 404)
    assert bob.get_json("/workflows")["results"] == []
    bob.post_json(f"{path}/versions", {"definition": ORDER}, 404)


@pytest.mark.django_db(transaction=True)
def test_versions_saved_at_the_same_time_are_numbered_without_gap(ada):
    made = make_workflow(ada)
    barrier = threading.Barrier(4)

    def save(text):
        barrier.wait()
        client_of(ada.user).post(f"/api/v1/workflows/{made['id']}/versions", {"definition": with_note(text)}, format="json")
        connection.close()

    threads = [threading.Thread(target=save, args=[text]) for text in ("a", "b", "c", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(WorkflowVersion.objects.values_list("number", flat=True)) == [1, 2, 3, 4, 5]


def test_lists_take_the_same_queries_for_one_row_and_for_many(ada, django_assert_num_queries):
    make_workflow(ada, {**ORDER, "name": "0"})
    with django_assert_num_queries(3):  # the person with the rights, what was shared, the rows
        ada.get_json("/workflows")
    for number in range(1, 12):
        make_workflow(ada, {**ORDER, "name": str(number)})
    with django_assert_num_queries(3):
        assert len(ada.get_json("/workflows")["results"]) == 12


def test_pages_follow_one_another_without_gap_or_repetition(ada):
    names = [make_workflow(ada, {**ORDER, "name": f"{number}"})["name"] for number in range(7)]
    Workflow.objects.update(created_at=Workflow.objects.first().created_at)  # all of one instant, as after a bulk insert
    seen, path = [], "/api/v1/workflows?limit=3"
    while path:
        page = ada.get(path).json()
        seen += [row["name"] for row in page["results"]]
        path = page["next"]
    assert seen == names[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=1000", "limit=x", "cursor=x", "cursor=MjAyNg==", "cursor=%00", "limit=%D9%A3"])
def test_a_wrong_page_is_refused(ada, query):
    assert ada.get_json(f"/workflows?{query}", 422)["code"] == "invalid_page"
