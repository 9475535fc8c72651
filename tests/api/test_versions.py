"""Versions over HTTP: two editors, going back, comparing, drafts, export and import, and how many are kept."""

from typing import Any

import jsonpatch
import pytest
import yaml

from apps.accounts.models import Membership
from apps.accounts.queries import personal_workspace
from apps.workflows.models import Grant, Level, Workflow
from tests.api.clients import ApiClient, client_of, make_workflow

pytestmark = pytest.mark.django_db

BASE: dict[str, Any] = {
    "name": "orders",
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "a", "type": "data.set", "config": {"values": {"of": "a"}}},
        {"key": "b", "type": "data.set", "config": {"values": {"of": "b"}}},
    ],
    "edges": [{"source": "start", "target": "a"}, {"source": "a", "target": "b"}],
}


def changed(key: str, **more: Any) -> dict[str, Any]:
    return {**BASE, "nodes": [{**each, **more} if each["key"] == key else each for each in BASE["nodes"]]}


def noted(text: str) -> dict[str, Any]:
    return {**BASE, "description": text}


@pytest.fixture
def path(ada: ApiClient) -> str:
    """Address of a workflow of Ada's, published in its version 1, which Bob may edit."""
    made = make_workflow(ada, BASE)
    return f"/workflows/{made['id']}"


@pytest.fixture
def editor(path: str, bob: ApiClient) -> ApiClient:
    return shared(path, bob, Level.EDITOR)


def shared(path: str, client: ApiClient, level: Level) -> ApiClient:
    workflow = Workflow.objects.get(pk=path.rsplit("/", 1)[1])
    Grant.objects.create(workspace=workflow.workspace, workflow=workflow, user=client.user, level=level)
    return client_of(type(client.user).objects.get(pk=client.user.pk))


def put_json(client: ApiClient, path: str, body: Any, status: int = 200) -> Any:
    return client._call("put", path, status, data=body, format="json")


# ---- two editors


def test_two_editors_of_different_nodes_keep_both_changes(ada, editor, path):
    ada.post_json(f"{path}/versions", {"definition": changed("a", position={"x": 3, "y": 4}), "base_number": 1}, 201)
    saved = editor.post_json(f"{path}/versions", {"definition": changed("b", name="Second"), "base_number": 1, "changelog": "named"}, 201)
    assert (saved["number"], saved["merged"], saved["created"]) == (3, True, True)
    nodes = {each["key"]: each for each in editor.get_json(f"{path}/versions/3")["definition"]["nodes"]}
    assert nodes["a"]["position"] == {"x": 3, "y": 4}
    assert nodes["b"]["name"] == "Second"
    assert [(row["number"], row["author"]["username"], row["changelog"]) for row in ada.get_json(f"{path}/versions")["results"]] == [
        (3, "bob", "named"),
        (2, "ada", ""),
        (1, "ada", ""),
    ]


def test_two_editors_of_one_node_get_the_data_of_a_merge_view(ada, editor, path):
    ada.post_json(f"{path}/versions", {"definition": changed("b", name="Hers"), "base_number": 1}, 201)
    refused = editor.post_json(f"{path}/versions", {"definition": changed("b", name="His"), "base_number": 1}, 409)
    assert refused["code"] == "edit_conflict"
    details = refused["details"]
    assert (details["base"], details["theirs"], details["conflict_count"]) == (1, 2, 1)
    assert details["conflicts"] == [{"kind": "node", "key": "b", "path": "/name", "mine": "His", "theirs": "Hers"}]
    assert details["document"] == changed("b", name="Hers")
    assert ada.get_json(path)["latest_number"] == 2
    settled = editor.post_json(f"{path}/versions", {"definition": changed("b", name="Ours"), "base_number": 2}, 201)
    assert (settled["number"], settled["merged"]) == (3, False)


@pytest.mark.parametrize(("number", "code"), [(7, "unknown_base_version"), (0, "invalid"), ("x", "invalid"), (2**40, "invalid")])
def test_a_wrong_base_is_refused(ada, path, number, code):
    assert ada.post_json(f"{path}/versions", {"definition": BASE, "base_number": number}, 422)["code"] == code


# ---- going back and comparing


def test_going_back_makes_a_version_and_publishes_nothing_unasked(ada, path):
    ada.post_json(f"{path}/versions", {"definition": noted("second"), "publish": True}, 201)
    back = ada.post_json(f"{path}/versions/1/rollback", {}, 201)
    assert (back["number"], back["changelog"], back["author"]["username"]) == (3, "Roll back to 1", "ada")
    assert ada.get_json(f"{path}/versions/3")["definition"] == BASE
    assert ada.get_json(path)["published_number"] == 2
    assert ada.post_json(f"{path}/versions/3/rollback", {}, 200)["created"] is False
    assert ada.post_json(f"{path}/versions/2/rollback", {"publish": True, "changelog": "again"}, 201)["changelog"] == "again"
    assert ada.get_json(path)["published_number"] == 4


def test_an_unknown_or_foreign_version_cannot_be_gone_back_to(ada, bob, path):
    foreign = make_workflow(bob, noted("foreign"))
    ada.post_json(f"{path}/versions/2/rollback", {}, 404)
    ada.post_json(f"/workflows/{foreign['id']}/versions/1/rollback", {}, 404)
    bob.post_json(f"{path}/versions/1/rollback", {}, 404)


def test_two_versions_are_compared_in_words_or_as_a_patch(ada, path):
    new = changed("b", config={"values": {"of": 2}}, position={"x": 0, "y": 1})
    ada.post_json(f"{path}/versions", {"definition": new}, 201)
    answer = ada.get_json(f"{path}/compare?from=1&to=2")
    assert (answer["old"]["number"], answer["new"]["number"], answer["patch"]) == (1, 2, None)
    assert answer["changes"]["nodes"]["changed"] == [
        {"key": "b", "type": "data.set", "name": "", "changes": [{"path": "/config/values/of", "old": "b", "new": 2}]}
    ]
    assert answer["changes"]["nodes"]["moved"] == [{"key": "b", "new": {"x": 0, "y": 1}}]
    patch = ada.get_json(f"{path}/compare?from=1&to=2&format=json-patch")
    assert patch["changes"] is None
    assert jsonpatch.JsonPatch(patch["patch"]).apply(BASE) == new


@pytest.mark.parametrize("query", ["", "?from=1", "?from=1&to=x", "?from=1&to=1&format=xml", "?from=1&to=1&frm=2", "?from=0&to=1"])
def test_a_wrong_comparison_is_refused(ada, path, query):
    ada.get_json(f"{path}/compare{query}", 422)


def test_a_version_that_is_not_there_is_compared_with_nothing(ada, path):
    ada.get_json(f"{path}/compare?from=1&to=2", 404)


# ---- drafts


def test_a_draft_is_kept_for_its_person_and_becomes_a_version(ada, editor, path):
    ada.get_json(f"{path}/draft", 404)
    kept = put_json(ada, f"{path}/draft", {"definition": {"nodes": "not yet"}})
    assert (kept["base_number"], kept["newest_number"]) == (1, 1)
    assert ada.get_json(f"{path}/draft")["definition"] == {"nodes": "not yet"}
    editor.get_json(f"{path}/draft", 404)
    ada.post_json(f"{path}/draft/save", {}, 422)

    editor.post_json(f"{path}/versions", {"definition": changed("a", name="First")}, 201)
    put_json(ada, f"{path}/draft", {"definition": changed("b", name="Second")})
    assert ada.get_json(f"{path}/draft")["newest_number"] == 2
    saved = ada.post_json(f"{path}/draft/save", {"changelog": "both"}, 201)
    assert (saved["number"], saved["merged"]) == (3, True)
    ada.get_json(f"{path}/draft", 404)
    assert ada.get_json(path)["published_number"] == 1


def test_a_draft_that_contradicts_stays(ada, editor, path):
    put_json(ada, f"{path}/draft", {"definition": changed("b", name="Hers"), "base_number": 1})
    editor.post_json(f"{path}/versions", {"definition": changed("b", name="His")}, 201)
    assert ada.post_json(f"{path}/draft/save", {}, 409)["code"] == "edit_conflict"
    put_json(ada, f"{path}/draft", {"definition": changed("b", name="Ours"), "base_number": 2})
    assert ada.post_json(f"{path}/draft/save", {}, 201)["number"] == 3
    put_json(ada, f"{path}/draft", {"definition": BASE})
    ada._call("delete", f"{path}/draft", 204)
    ada._call("delete", f"{path}/draft", 404)


@pytest.mark.parametrize("body", [{}, {"definition": []}, {"definition": None}, {"definition": {"nodes": [{}] * 10_001}}])
def test_a_wrong_draft_is_refused(ada, path, body):
    put_json(ada, f"{path}/draft", body, 422)


# ---- who may


def test_who_may_look_may_not_change_and_who_may_run_may_not_look(ada, bob, path):
    viewer = shared(path, bob, Level.VIEWER)
    viewer.get_json(f"{path}/compare?from=1&to=1")
    viewer.get_json(f"{path}/export")
    viewer.post_json(f"{path}/versions/1/rollback", {}, 403)
    viewer.post_json(f"{path}/draft/save", {}, 403)
    viewer.post_json(f"{path}/versions/1/publish", status=403)
    put_json(viewer, f"{path}/draft", {"definition": BASE}, 403)
    Grant.objects.update(level=Level.EXECUTOR)
    executor = client_of(type(bob.user).objects.get(pk=bob.user.pk))
    for address in ("/compare?from=1&to=1", "/export", "/draft"):
        executor.get_json(f"{path}{address}", 403)
    executor.get_json(f"/workflows/export?ids={path.rsplit('/', 1)[1]}", 403)
    assert executor.get_json("/workflows?node_type=data.set")["results"] == []


# ---- out and in


def test_a_workflow_goes_out_and_in_as_json_and_as_yaml(ada, bob, path):
    ada.post_json(f"{path}/versions", {"definition": noted("second"), "changelog": "noted"}, 201)
    response = ada.get(f"/api/v1{path}/export?versions=all")
    assert response.headers["Content-Disposition"] == 'attachment; filename="orders.json"'
    document = response.json()
    assert (document["structforge"], document["kind"]) == (1, "workflow")
    assert [(each["changelog"], each["definition"]) for each in document["workflows"][0]["versions"]] == [
        ("", BASE),
        ("noted", noted("second")),
    ]
    (row,) = bob.post_json("/workflows/import", document)["workflows"]
    assert (row["name"], row["status"], row["number"]) == ("orders", "created", 2)
    assert bob.get_json(f"/workflows/{row['workflow']}/export?versions=all") == document

    text = ada.get(f"/api/v1{path}/export?format=yaml&versions=all")
    assert text.headers["Content-Type"] == "application/yaml"
    assert yaml.safe_load(text.content) == document
    answer = bob.post("/api/v1/workflows/import?on_conflict=rename&publish=true", text.content, content_type="application/yaml").json()
    assert answer["workflows"][0]["workflow_name"] == "orders (2)"
    assert bob.get_json(f"/workflows/{answer['workflows'][0]['workflow']}")["published_number"] == 2


def test_several_workflows_go_out_as_a_bundle(ada, path):
    other = make_workflow(ada, {**BASE, "name": "other"})
    document = ada.get_json(f"/workflows/export?ids={other['id']},{path.rsplit('/', 1)[1]}")
    assert (document["kind"], [each["name"] for each in document["workflows"]]) == ("bundle", ["other", "orders"])
    answer = ada.post_json("/workflows/import?on_conflict=skip", document)
    assert [row["status"] for row in answer["workflows"]] == ["skipped", "skipped"]


def test_a_foreign_workflow_is_in_no_bundle(ada, bob, path):
    own = make_workflow(bob, noted("foreign"))
    bob.get_json(f"/workflows/export?ids={own['id']},{path.rsplit('/', 1)[1]}", 404)


@pytest.mark.parametrize(
    "query", ["", "?ids=", "?ids=x", "?ids=" + ",".join(f"{number:032x}" for number in range(101)), "?ids=1&format=xml"]
)
def test_a_wrong_choice_of_workflows_is_refused(ada, query):
    ada.get_json(f"/workflows/export{query}", 422)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"structforge": 2, "kind": "workflow", "workflows": []}, "unknown_export_format"),
        ({"structforge": 1, "kind": "workflow"}, "invalid_export"),
        ([], "unknown_import_format"),
        (BASE, "unknown_import_format"),
    ],
    ids=["format", "workflows", "array", "definition"],
)
def test_what_cannot_be_imported_is_refused(ada, document, code):
    assert ada.post_json("/workflows/import", document, 422)["code"] == code
    assert ada.post_json("/workflows/import?on_conflict=overwrite", document, 422)["code"] == "invalid"


def test_a_yaml_bomb_is_no_import(ada):
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nstructforge: 1\n"
    response = ada.post("/api/v1/workflows/import", bomb, content_type="application/yaml")
    assert (response.status_code, response.json()["code"]) == (400, "not_yaml")


def test_an_import_goes_to_a_workspace_in_which_one_may_create(ada, bob, path):
    document = ada.get_json(f"{path}/export")
    workspace = personal_workspace(ada.user)
    bob.post_json(f"/workflows/import?workspace={workspace.id}", document, 404)
    Membership.objects.create(workspace=workspace, user=bob.user, role="viewer")
    member = client_of(type(bob.user).objects.get(pk=bob.user.pk))
    member.post_json(f"/workflows/import?workspace={workspace.id}", document, 403)
    Membership.objects.filter(user=bob.user, workspace=workspace).update(role="builder")
    member = client_of(type(bob.user).objects.get(pk=bob.user.pk))
    assert (
        member.post_json(f"/workflows/import?workspace={workspace.id}&on_conflict=version", document)["workflows"][0]["status"] == "skipped"
    )


# ---- how many are kept


def test_a_workspace_says_how_many_versions_are_kept(ada, bob, path):
    workspace = personal_workspace(ada.user)
    address = f"/workspaces/{workspace.id}/version-retention"
    assert ada.get_json(address) == {"keep": None}
    assert put_json(ada, address, {"keep": 2}) == ada.get_json(address) == {"keep": 2}
    for number in range(2, 6):
        ada.post_json(f"{path}/versions", {"definition": noted(str(number))}, 201)
    assert [row["number"] for row in ada.get_json(f"{path}/versions")["results"]] == [5, 4, 1]
    assert ada.post_json(f"{path}/versions", {"definition": noted("late"), "base_number": 2}, 409)["code"] == "base_version_gone"
    for wrong in ({"keep": 0}, {"keep": "many"}, {}):
        put_json(ada, address, wrong, 422)
    put_json(bob, address, {"keep": 1}, 404)
    Membership.objects.create(workspace=workspace, user=bob.user, role="builder")
    member = client_of(type(bob.user).objects.get(pk=bob.user.pk))
    assert member.get_json(address) == {"keep": 2}
    put_json(member, address, {"keep": 1}, 403)


# ---- lists


def test_lists_take_the_same_queries_for_one_row_and_for_many(ada, editor, path, django_assert_num_queries):
    with django_assert_num_queries(4):
        ada.get_json(f"{path}/versions?limit=100")
    with django_assert_num_queries(3):
        ada.get_json("/workflows?node_type=data.set")
    for number in range(30):
        (ada, editor)[number % 2].post_json(f"{path}/versions", {"definition": noted(str(number))}, 201)
        make_workflow(ada, {**BASE, "name": f"w{number}"})
    with django_assert_num_queries(4):
        assert len(ada.get_json(f"{path}/versions?limit=100")["results"]) == 31
    with django_assert_num_queries(3):
        assert len(ada.get_json("/workflows?node_type=data.set&limit=100")["results"]) == 31
    assert ada.get_json("/workflows?node_type=http.request")["results"] == []
