"""Folders over HTTP: a tree that stays one."""

import threading

import pytest
from django.db import connection

from apps.workflows.models import Folder, Workflow
from tests.api.clients import client_of
from tests.api.workspaces import join, make_folder, make_named, share, workspace_of

pytestmark = pytest.mark.django_db


def paths() -> dict[str, list[str]]:
    """{name of a folder: names from the top to it}, as the stored ancestors say; fails where they differ from the parents."""
    folders = {folder.pk: folder for folder in Folder.objects.all()}
    for folder in folders.values():
        around = folders[folder.parent_id].ancestors if folder.parent_id else []
        assert folder.ancestors == [*around, folder.pk], folder.name
    return {folder.name: [folders[each].name for each in folder.ancestors] for folder in folders.values()}


@pytest.fixture
def tree(ada):
    #  data ─▶ clean ─▶ raw
    #  api
    data = make_folder(ada, "数据处理")
    clean = make_folder(ada, "clean", data)
    return {"data": data, "clean": clean, "raw": make_folder(ada, "raw", clean), "api": make_folder(ada, "api")}


def test_folders_are_listed_flat_with_parents_and_counts(ada, tree):
    ada.patch_json(f"/workflows/{make_named(ada, 'one')}", {"folder": tree["clean"]})
    archived = make_named(ada, "two")
    ada.patch_json(f"/workflows/{archived}", {"folder": tree["clean"]})
    ada.post_json(f"/workflows/{archived}/archive")

    rows = {row["name"]: row for row in ada.get_json(f"/folders?workspace={workspace_of(ada).pk}")["results"]}

    assert list(rows) == ["api", "clean", "raw", "数据处理"]
    assert (rows["clean"]["parent"], rows["clean"]["depth"], rows["clean"]["workflow_count"]) == (tree["data"], 2, 1)
    assert rows["api"]["parent"] is None
    assert "workflow.edit" in rows["api"]["permissions"]


def test_the_tree_is_read_in_the_same_queries_however_large_it_is(ada, tree, django_assert_num_queries):
    with django_assert_num_queries(3):  # the person with the rights, what was shared, the folders
        ada.get_json("/folders")
    for number in range(30):
        make_folder(ada, str(number), tree["api"])
    with django_assert_num_queries(3):
        assert len(ada.get_json("/folders")["results"]) == 34


def test_a_folder_moves_with_all_that_is_in_it(ada, tree):
    moved = ada.patch_json(f"/folders/{tree['clean']}", {"parent": tree["api"], "name": "cleaned"})
    assert (moved["parent"], moved["name"], moved["depth"]) == (tree["api"], "cleaned", 2)
    assert paths()["raw"] == ["api", "cleaned", "raw"]
    ada.patch_json(f"/folders/{tree['clean']}", {"parent": None})
    assert paths()["raw"] == ["cleaned", "raw"]


def test_a_folder_cannot_lie_within_itself(ada, tree):
    for target in (tree["data"], tree["clean"], tree["raw"]):
        assert ada.patch_json(f"/folders/{tree['data']}", {"parent": target}, 409)["code"] == "folder_cycle"
    assert paths()["raw"] == ["数据处理", "clean", "raw"]


@pytest.mark.django_db(transaction=True)
def test_two_moves_at_the_same_time_make_no_cycle(ada):
    for _ in range(5):
        Folder.objects.all().delete()
        one, two = make_folder(ada, "one"), make_folder(ada, "two")
        barrier = threading.Barrier(2)
        statuses = []

        def move(what, where, barrier=barrier, statuses=statuses):
            client = client_of(ada.user)
            barrier.wait()
            statuses.append(client.patch(f"/api/v1/folders/{what}", {"parent": where}, format="json").status_code)
            connection.close()

        threads = [threading.Thread(target=move, args=pair) for pair in ((one, two), (two, one))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(statuses) == [200, 409]
        assert sorted(map(len, paths().values())) == [1, 2]


def test_folders_lie_at_most_twenty_deep(ada):
    parent, deep = None, []
    for number in range(20):
        parent = make_folder(ada, str(number), parent)
        deep.append(parent)
    assert ada.post_json("/folders", {"name": "21", "parent": parent}, 422)["code"] == "folder_too_deep"
    other = make_folder(ada, "other")
    make_folder(ada, "below", other)
    assert ada.patch_json(f"/folders/{other}", {"parent": deep[18]}, 422)["code"] == "folder_too_deep"
    assert ada.patch_json(f"/folders/{other}", {"parent": deep[17]})["depth"] == 19


def test_a_name_is_there_once_in_a_place(ada, tree):
    assert ada.post_json("/folders", {"name": "api"}, 409)["code"] == "folder_name_taken"
    make_folder(ada, "api", tree["data"])
    assert ada.patch_json(f"/folders/{tree['api']}", {"parent": tree["data"]}, 409)["code"] == "folder_name_taken"
    assert ada.patch_json(f"/folders/{tree['clean']}", {"name": "api"}, 409)["code"] == "folder_name_taken"
    assert ada.post_json("/folders", {"name": "   "}, 422)


def test_a_folder_is_deleted_when_it_is_empty_or_its_content_has_a_place_to_go(ada, tree):
    workflow = make_named(ada, "one")
    ada.patch_json(f"/workflows/{workflow}", {"folder": tree["clean"]})
    refused = ada._call("delete", f"/folders/{tree['clean']}", 409)
    assert (refused["code"], refused["details"]) == ("folder_not_empty", {"folders": 1, "workflows": 1})
    assert ada._call("delete", f"/folders/{tree['clean']}?move_to={tree['raw']}", 409)["code"] == "folder_cycle"
    ada._call("delete", f"/folders/{tree['clean']}?move_to=x", 422)

    ada._call("delete", f"/folders/{tree['clean']}?move_to={tree['api']}", 204)

    assert paths()["raw"] == ["api", "raw"]
    assert ada.get_json(f"/workflows/{workflow}")["folder"] == tree["api"]
    ada._call("delete", f"/folders/{tree['api']}?move_to=none", 204)
    assert paths()["raw"] == ["raw"]
    assert ada.get_json(f"/workflows/{workflow}")["folder"] is None
    ada._call("delete", f"/folders/{tree['raw']}", 204)
    ada.get_json(f"/folders/{tree['raw']}", 404)


def test_foreign_folders_do_not_exist(ada, bob, tree):
    theirs, workflow = make_folder(bob, "bob's"), make_named(ada, "one")
    unknown = "0198a000-0000-7000-8000-000000000000"
    for method, address, body in (
        ("patch", f"/workflows/{workflow}", {"folder": "ID"}),
        ("patch", f"/folders/{tree['raw']}", {"parent": "ID"}),
        ("post", "/folders", {"name": "x", "parent": "ID"}),
    ):
        answers = []
        for folder in (theirs, unknown):
            sent = {key: folder if value == "ID" else value for key, value in body.items()}
            answers.append(str(ada._call(method, address, 404, data=sent, format="json")).replace(folder, "ID"))
        assert answers[0] == answers[1]
    assert ada._call("delete", f"/folders/{tree['clean']}?move_to={theirs}", 404)["code"] == "folder_not_found"
    assert bob.get_json(f"/folders?workspace={workspace_of(ada).pk}") == {"results": []}
    bob.post_json("/folders", {"name": "x", "workspace": str(workspace_of(ada).pk)}, 404)


def test_folders_of_two_workspaces_of_ones_own_do_not_mix(ada, bob, tree):
    join(ada, workspace_of(bob), "builder")
    theirs = make_folder(bob, "bob's")
    assert ada.patch_json(f"/folders/{tree['raw']}", {"parent": theirs}, 422)["code"] == "folder_of_other_workspace"
    assert ada.patch_json(f"/workflows/{make_named(ada, 'one')}", {"folder": theirs}, 422)["code"] == "folder_of_other_workspace"


def test_what_is_put_into_a_folder_stays_when_the_folder_is_deleted_at_the_same_time(ada, tree):
    workflow = make_named(ada, "one")
    Folder.objects.filter(pk=tree["api"]).delete()
    ada.patch_json(f"/workflows/{workflow}", {"folder": tree["api"]}, 404)
    assert Workflow.objects.get(pk=workflow).folder_id is None


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("builder", 200), ("admin", 200)])
def test_members_change_folders_where_their_role_lets_them_edit(ada, bob, tree, role, status):
    join(bob, workspace_of(ada), role)
    bob.get_json(f"/folders/{tree['raw']}")
    bob.patch_json(f"/folders/{tree['raw']}", {"parent": None}, status)
    bob.patch_json(f"/folders/{tree['raw']}", {"name": "new"}, status)
    bob.post_json("/folders", {"name": "x", "workspace": str(workspace_of(ada).pk)}, 201 if status == 200 else 403)
    bob._call("delete", f"/folders/{tree['raw']}", 204 if status == 200 else 403)


def test_moving_into_a_shared_folder_needs_the_right_to_share(ada, bob, tree):
    join(bob, workspace_of(ada), "builder")
    workflow = make_named(ada, "one")
    share(ada, f"/folders/{tree['data']}", "viewer", user="bob")
    for sent in ({"folder": tree["raw"]}, {"folder": tree["clean"]}):
        assert bob.patch_json(f"/workflows/{workflow}", sent, 403)["details"] == {"permission": "workflow.manage"}
    assert bob.patch_json(f"/folders/{tree['api']}", {"parent": tree["clean"]}, 403)["code"] == "not_allowed"
    assert bob._call("delete", f"/folders/{tree['clean']}?move_to=none", 403)["code"] == "not_allowed"
    bob.patch_json(f"/workflows/{workflow}", {"folder": tree["api"]})
    ada.patch_json(f"/workflows/{workflow}", {"folder": tree["clean"]})
    bob.patch_json(f"/workflows/{workflow}", {"folder": tree["raw"]})  # under the same share


def test_whoever_was_given_a_folder_sees_what_is_in_it_and_nothing_around_it(ada, bob, tree):
    inside, outside = make_named(ada, "inside"), make_named(ada, "outside")
    ada.patch_json(f"/workflows/{inside}", {"folder": tree["raw"]})
    ada.patch_json(f"/workflows/{outside}", {"folder": tree["data"]})
    share(ada, f"/folders/{tree['clean']}", "editor", user="bob")

    rows = {row["name"]: row for row in bob.get_json("/folders")["results"]}

    assert set(rows) == {"clean", "raw"}
    assert (rows["clean"]["parent"], rows["clean"]["depth"], rows["raw"]["parent"]) == (None, 1, tree["clean"])
    assert bob.get_json(f"/workflows/{inside}")["folder"] == tree["raw"]
    bob.get_json(f"/workflows/{outside}", 404)
    bob.patch_json(f"/folders/{tree['raw']}", {"name": "renamed"})
    bob.patch_json(f"/workflows/{inside}", {"folder": tree["clean"]})
    bob.patch_json(f"/workflows/{inside}", {"folder": None}, 403)
    bob.patch_json(f"/folders/{tree['raw']}", {"parent": None}, 404)
    bob.get_json(f"/folders/{tree['clean']}/shares", 403)
    bob.get_json(f"/folders/{tree['data']}/shares", 404)
