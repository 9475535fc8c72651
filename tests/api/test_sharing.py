"""Sharing workflows and folders with people and teams, and whose a workflow is."""

import pytest

from apps.accounts.actions import create_user
from apps.accounts.models import Membership, Role
from apps.workflows.models import Grant, WorkflowVersion
from tests.api.clients import ORDER, ApiClient
from tests.api.workspaces import join, make_folder, make_named, make_team, names, share, workspace_of

pytestmark = pytest.mark.django_db

UNKNOWN = "0198a000-0000-7000-8000-000000000000"


@pytest.fixture
def workflow(ada: ApiClient) -> str:
    return f"/workflows/{make_named(ada, 'order')}"


# What each level may do: view, edit, run, manage.
TABLE = {
    "owner": {"view", "edit", "run", "manage"},
    "editor": {"view", "edit", "run"},
    "viewer": {"view"},
    "executor": {"run"},
}
# (what it needs, method, address, body, status where it is allowed)
ACTIONS = [
    ("any", "get", "", None, 200),
    ("any", "put", "/favourite", None, 204),
    ("view", "get", "/versions", None, 200),
    ("edit", "patch", "", {"description": "new"}, 200),
    ("edit", "post", "/versions", {"definition": {**ORDER, "description": "2"}}, 201),
    ("edit", "post", "/versions/1/publish", None, 200),
    ("edit", "post", "/unpublish", None, 200),
    ("edit", "post", "/archive", None, 200),
    ("edit", "post", "/unarchive", None, 200),
    ("run", "post", "start", {"input": {"amount": 1}}, 202),
    ("manage", "get", "/shares", None, 200),
    ("manage", "post", "/shares", {"user": "carol", "level": "viewer"}, 201),
    ("manage", "get", "/links", None, 200),
    ("manage", "post", "/links", {"level": "viewer"}, 201),
    ("manage", "put", "/owner", {"user": "ada"}, 200),
    ("manage", "delete", "", None, 204),
    # Tags, folders and the workspace itself belong to its members.
    ("member", "put", "/tags", {"tags": ["a"]}, 200),
    ("member", "patch", "", {"folder": None}, 200),
    ("member", "post", "/transfer", {"workspace": "own"}, 200),
]


@pytest.mark.parametrize("way", ["person", "team", "folder"])
@pytest.mark.parametrize("level", TABLE)
def test_each_level_may_do_what_it_says_and_no_more(ada, bob, operator, level, way):
    join(bob, workspace_of(operator), "viewer")  # that a person is a member elsewhere changes nothing
    make_carol()
    for number, (needs, method, address, body, status) in enumerate(ACTIONS):
        workflow = f"/workflows/{make_named(ada, f'order {number}')}"
        share_by(way, ada, bob, workflow, level)
        sent = {"workspace": str(workspace_of(bob).pk)} if body == {"workspace": "own"} else body
        path = f"/api/v1{workflow}{address}"
        if address == "start":
            path, sent = "/api/v1/executions", {**body, "workflow": workflow.rpartition("/")[2]}
        got = getattr(bob, method)(path, sent, format="json").status_code
        is_allowed = needs == "any" or needs in TABLE[level]
        # What may be seen is refused by name; the versions of what may only be run are seen by nobody.
        assert got == (status if is_allowed else 403), (level, method, address, got)


def make_carol() -> None:
    create_user(username="carol", password=None)


def share_by(way: str, ada: ApiClient, bob: ApiClient, workflow: str, level: str) -> None:
    if way == "person":
        share(ada, workflow, level, user="bob")
    elif way == "team":
        name = f"team {workflow}"[:60]
        make_team(workspace_of(ada), name, bob)
        share(ada, workflow, level, team=name)
    else:
        folder = make_folder(ada, f"folder {workflow}")
        ada.patch_json(workflow, {"folder": folder})
        share(ada, f"/folders/{folder}", level, user="bob")


def test_a_share_is_made_changed_and_taken_back(ada, bob, workflow):
    made = share(ada, workflow, "viewer", user="bob")
    assert (made["user"]["username"], made["level"], made["granted_by"]["username"]) == ("bob", "viewer", "ada")
    bob.patch_json(workflow, {"description": "x"}, 403)
    assert share(ada, workflow, "editor", 200, user="bob")["id"] == made["id"]
    bob.patch_json(workflow, {"description": "x"})
    path = f"{workflow}/shares/{made['id']}"
    assert ada.patch_json(path, {"level": "executor"})["level"] == "executor"
    assert [row["level"] for row in ada.get_json(f"{workflow}/shares")["results"]] == ["executor"]
    ada._call("delete", path, 204)
    ada._call("delete", path, 404)
    bob.get_json(workflow, 404)


def test_the_list_of_shares_has_those_of_the_folders_around(ada, bob, workflow, django_assert_num_queries):
    outer = make_folder(ada, "outer")
    inner = make_folder(ada, "inner", outer)
    ada.patch_json(workflow, {"folder": inner})
    share(ada, f"/folders/{outer}", "viewer", user="bob")
    share(ada, workflow, "owner", user="bob")
    rows = ada.get_json(f"{workflow}/shares")["results"]
    assert [(row["level"], row["folder"] and row["folder"]["name"]) for row in rows] == [("viewer", "outer"), ("owner", None)]
    assert [row["folder"]["name"] for row in ada.get_json(f"/folders/{inner}/shares")["results"]] == ["outer"]
    assert [row["folder"] for row in ada.get_json(f"/folders/{outer}/shares")["results"]] == [None]
    for number in range(10):
        share(ada, workflow, "viewer", team=make_team(workspace_of(ada), f"team {number}").name)
    with django_assert_num_queries(5):  # the person, shares, the workflow, its folder, the rows
        assert len(ada.get_json(f"{workflow}/shares")["results"]) == 12
    inherited = ada.get_json(f"/folders/{outer}/shares")["results"][0]["id"]
    ada._call("delete", f"{workflow}/shares/{inherited}", 404)


def test_nobody_shares_more_than_they_may_do(ada, bob, workflow):
    role = Role.objects.create(
        workspace=workspace_of(ada), name="sharer", permissions=["workflow.view", "workflow.manage", "execution.view"]
    )
    Membership.objects.create(workspace=workspace_of(ada), user=bob.user, own_role=role)
    make_carol()
    share(bob, workflow, "viewer", user="carol")
    for level in ("editor", "executor", "owner"):
        refused = share(bob, workflow, level, 403, user="carol")
        assert refused["code"] == "level_above_own"
    assert bob.post_json(f"{workflow}/links", {"level": "executor"}, 403)["details"]["missing"] == ["workflow.run"]
    grant = Grant.objects.get()
    bob.patch_json(f"{workflow}/shares/{grant.pk}", {"level": "editor"}, 403)
    assert Grant.objects.get().level == "viewer"


def test_an_address_is_not_told_to_have_an_account_except_among_colleagues(ada, bob, workflow):
    type(bob.user).objects.filter(pk=bob.user.pk).update(email="bob@example.com")
    known, unknown = (share(ada, workflow, "viewer", 422, user=address) for address in ("bob@example.com", "nobody@example.com"))
    assert known == unknown == share(ada, workflow, "viewer", 422, user=UNKNOWN) == share(ada, workflow, "viewer", 422, user="Bob")
    assert known["code"] == "no_such_person"
    join(bob, workspace_of(ada), "viewer")
    share(ada, workflow, "viewer", user="BOB@example.com")
    share(ada, workflow, "editor", 200, user=str(bob.user.pk))


def test_inactive_people_are_nobody(ada, bob, workflow):
    type(bob.user).objects.filter(pk=bob.user.pk).update(is_active=False)
    assert share(ada, workflow, "viewer", 422, user="bob")["code"] == "no_such_person"


def test_nobody_walks_through_a_list_of_names(ada, workflow):
    statuses = {share_status(ada, workflow, f"name{number}") for number in range(30)}
    assert statuses == {422}
    assert share_status(ada, workflow, "name") == 429


def share_status(client: ApiClient, workflow: str, user: str) -> int:
    return client.post(f"/api/v1{workflow}/shares", {"user": user, "level": "viewer"}, format="json").status_code


def test_teams_of_other_workspaces_do_not_exist(ada, bob, workflow):
    theirs = make_team(workspace_of(bob), "theirs", ada)
    assert share(ada, workflow, "viewer", 422, team="theirs") == share(ada, workflow, "viewer", 422, team=str(theirs.pk))
    share(ada, workflow, "owner", user="bob")
    make_team(workspace_of(ada), "hidden", ada)
    assert share(bob, workflow, "viewer", 422, team="hidden")["code"] == "no_such_team"


@pytest.mark.parametrize(
    "body", [{}, {"level": "viewer"}, {"level": "king", "user": "bob"}, {"level": "viewer", "user": "bob", "team": "x"}, {"user": "bob"}]
)
def test_a_wrong_share_is_refused(ada, bob, workflow, body):
    ada.post_json(f"{workflow}/shares", body, 422)


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("builder", 403), ("admin", 200)])
def test_members_share_where_their_role_lets_them(ada, bob, workflow, role, status):
    join(bob, workspace_of(ada), role)
    folder = make_folder(ada, "f")
    for address in (f"{workflow}/shares", f"{workflow}/links", f"/folders/{folder}/shares"):
        bob.get_json(address, status)


def test_shares_and_links_of_others_do_not_exist(ada, bob, workflow):
    folder = make_folder(ada, "f")
    for address in (f"{workflow}/shares", f"{workflow}/links", f"/folders/{folder}/shares", f"{workflow}/shares/{UNKNOWN}"):
        bob.get_json(address, 405 if address.endswith(UNKNOWN) else 404)
    bob.post_json(f"{workflow}/shares", {"level": "viewer", "user": "bob"}, 404)


def test_a_share_of_another_workflow_cannot_be_reached_through_ones_own(ada, bob, workflow):
    theirs = make_named(bob, "bob's")
    grant = share(bob, f"/workflows/{theirs}", "viewer", user="ada")["id"]
    ada._call("delete", f"{workflow}/shares/{grant}", 404)
    ada.patch_json(f"{workflow}/shares/{grant}", {"level": "owner"}, 404)


def test_who_makes_a_workflow_may_share_and_delete_it_whatever_the_role(ada, bob):
    join(bob, workspace_of(ada), "builder")
    body = {"definition": ORDER, "workspace": str(workspace_of(ada).pk)}
    made = bob.post_json("/workflows", body, 201)
    assert "workflow.manage" in made["permissions"]
    bob.get_json(f"/workflows/{made['id']}/shares")
    bob._call("delete", f"/workflows/{made['id']}", 204)


def test_a_workflow_is_handed_over_to_another_member(ada, bob):
    make_carol()
    join(bob, workspace_of(ada), "builder")
    made = bob.post_json("/workflows", {"definition": ORDER, "workspace": str(workspace_of(ada).pk)}, 201)
    path = f"/workflows/{made['id']}"
    assert ada._call("put", f"{path}/owner", 422, data={"user": "carol"}, format="json")["code"] == "not_a_member"
    assert ada._call("put", f"{path}/owner", 200, data={"user": "ada"}, format="json")["created_by"] == str(ada.user.pk)
    bob.get_json(f"{path}/shares", 403)
    ada._call("put", f"{path}/owner", 200, data={"user": "bob"}, format="json")
    bob.get_json(f"{path}/shares")


def test_a_workflow_that_never_ran_moves_to_another_workspace_and_leaves_the_rest_behind(ada, bob, workflow):
    join(ada, workspace_of(bob), "builder")
    ada.post_json(f"{workflow}/versions", {"definition": {**ORDER, "description": "2"}}, 201)
    ada.patch_json(workflow, {"folder": make_folder(ada, "f")})
    ada._call("put", f"{workflow}/tags", 200, data={"tags": ["a"]}, format="json")
    make_carol()
    share(ada, workflow, "viewer", user="carol")
    link = ada.post_json(f"{workflow}/links", {"level": "viewer"}, 201)

    moved = ada.post_json(f"{workflow}/transfer", {"workspace": str(workspace_of(bob).pk)})

    assert (moved["workspace"], moved["folder"], moved["tags"], moved["latest_number"]) == (str(workspace_of(bob).pk), None, [], 2)
    assert "workflow.manage" in moved["permissions"]
    assert set(WorkflowVersion.objects.values_list("workspace", flat=True)) == {workspace_of(bob).pk}
    assert [row["user"]["username"] for row in bob.get_json(f"{workflow}/shares")["results"]] == ["ada"]
    assert ada.get(f"/api/v1/shared/{link['token']}").status_code == 404


def test_a_transfer_needs_rights_on_both_sides_and_a_workflow_without_history(ada, bob, workflow):
    target = {"workspace": str(workspace_of(bob).pk)}
    assert ada.post_json(f"{workflow}/transfer", target, 404)["code"] == "workspace_not_found"
    join(ada, workspace_of(bob), "operator")
    assert ada.post_json(f"{workflow}/transfer", target, 403)["code"] == "not_allowed"
    join(ada, workspace_of(bob), "builder")
    make_named(bob, "order")
    assert ada.post_json(f"{workflow}/transfer", target, 409)["code"] == "workflow_name_taken"
    ada.post_json("/executions", {"workflow": workflow.rpartition("/")[2], "input": {"amount": 1}}, 202)
    assert ada.post_json(f"{workflow}/transfer", target, 409)["code"] == "workflow_in_use"
    assert names(ada.get_json(f"/workflows?workspace={workspace_of(ada).pk}")) == ["order"]


def test_an_owner_by_share_cannot_carry_a_workflow_out_of_its_workspace(ada, bob, workflow):
    share(ada, workflow, "owner", user="bob")
    assert bob.post_json(f"{workflow}/transfer", {"workspace": str(workspace_of(bob).pk)}, 403)["code"] == "not_allowed"
