"""Tags over HTTP: words of a workspace on its workflows."""

import pytest

from apps.workflows.models import Tag
from tests.api.workspaces import join, make_named, names, share, workspace_of

pytestmark = pytest.mark.django_db


def tag(client, workflow, *words, status=200):
    return client._call("put", f"/workflows/{workflow}/tags", status, data={"tags": list(words)}, format="json")


def test_a_workflow_has_many_tags_and_new_words_become_tags(ada):
    workflow = make_named(ada, "one")
    tag(ada, workflow, "billing", " 客户 ", "Billing")
    shown = ada.get_json(f"/workflows/{workflow}")["tags"]
    assert [each["name"].lower() for each in shown] == ["billing", "客户"]
    tag(ada, workflow, "客户")
    assert [each["name"] for each in ada.get_json(f"/workflows/{workflow}")["tags"]] == ["客户"]
    assert {row["name"].lower(): row["workflow_count"] for row in ada.get_json("/tags")["results"]} == {"billing": 0, "客户": 1}


def test_a_tag_is_made_renamed_and_deleted(ada):
    made = ada.post_json("/tags", {"name": "etl", "colour": "#A0B1C2"}, 201)
    assert made["colour"] == "#a0b1c2"
    assert ada.post_json("/tags", {"name": "ETL"}, 409)["code"] == "tag_name_taken"
    other = ada.post_json("/tags", {"name": "api"}, 201)
    assert ada.patch_json(f"/tags/{other['id']}", {"name": "Etl"}, 409)["code"] == "tag_name_taken"
    assert ada.patch_json(f"/tags/{made['id']}", {"name": "load", "colour": "#000000"})["name"] == "load"
    for wrong in ({"name": ""}, {"name": "x", "colour": "red"}, {"name": "x" * 65}):
        ada.post_json("/tags", wrong, 422)
    ada._call("delete", f"/tags/{made['id']}", 204)
    assert names(ada.get_json("/tags")) == ["api"]


def test_merged_tags_leave_each_workflow_with_one(ada):
    one, both = make_named(ada, "one"), make_named(ada, "both")
    tag(ada, one, "bill")
    tag(ada, both, "bill", "billing")
    ids = {row["name"]: row["id"] for row in ada.get_json("/tags")["results"]}
    merged = ada.post_json(f"/tags/{ids['bill']}/merge", {"into": ids["billing"]})
    assert (merged["name"], merged["workflow_count"]) == ("billing", 2)
    for workflow in (one, both):
        assert [each["name"] for each in ada.get_json(f"/workflows/{workflow}")["tags"]] == ["billing"]
    ada.get_json(f"/tags/{ids['bill']}", 404)


def test_lists_are_filtered_by_all_of_several_tags(ada):
    one, two = make_named(ada, "one"), make_named(ada, "two")
    tag(ada, one, "a", "b")
    tag(ada, two, "a")
    identity = Tag.objects.get(name="b").pk
    assert names(ada.get_json("/workflows?tag=a&sort=name")) == ["one", "two"]
    assert names(ada.get_json("/workflows?tag=A&tag=b")) == ["one"]
    assert names(ada.get_json(f"/workflows?tag={identity}")) == ["one"]
    assert names(ada.get_json("/workflows?tag=unknown")) == []
    groups = ada.get_json("/workflows/groups?by=tag")["results"]
    assert [(row["name"], row["count"]) for row in groups] == [("a", 2), ("b", 1)]
    assert [(row["name"], row["count"]) for row in ada.get_json("/workflows/groups?by=tag&tag=b")["results"]] == [("a", 1), ("b", 1)]


def test_tags_are_listed_in_the_same_queries_however_many(ada, django_assert_num_queries):
    workflow = make_named(ada, "one")
    tag(ada, workflow, "a")
    with django_assert_num_queries(2):
        ada.get_json("/tags")
    tag(ada, workflow, *map(str, range(30)))
    with django_assert_num_queries(2):
        assert len(ada.get_json("/tags")["results"]) == 31


def test_tags_of_others_do_not_exist(ada, bob):
    theirs = bob.post_json("/tags", {"name": "secret"}, 201)["id"]
    mine = ada.post_json("/tags", {"name": "mine"}, 201)["id"]
    assert names(ada.get_json(f"/tags?workspace={workspace_of(bob).pk}")) == []
    ada.get_json(f"/tags/{theirs}", 404)
    ada.patch_json(f"/tags/{theirs}", {"name": "x"}, 404)
    ada.post_json(f"/tags/{mine}/merge", {"into": theirs}, 404)
    ada.post_json("/tags", {"name": "x", "workspace": str(workspace_of(bob).pk)}, 404)


def test_tags_of_two_workspaces_are_not_merged(ada, bob):
    join(ada, workspace_of(bob), "builder")
    theirs = bob.post_json("/tags", {"name": "a"}, 201)["id"]
    mine = ada.post_json("/tags", {"name": "a"}, 201)["id"]
    assert ada.post_json(f"/tags/{mine}/merge", {"into": theirs}, 422)["code"] == "tags_of_other_workspaces"


def test_whoever_was_given_a_workflow_sees_its_tags_and_cannot_probe_others(ada, bob):
    workflow = make_named(ada, "one")
    tag(ada, workflow, "seen")
    ada.post_json("/tags", {"name": "hidden"}, 201)
    share(ada, f"/workflows/{workflow}", "editor", user="bob")
    assert [each["name"] for each in bob.get_json(f"/workflows/{workflow}")["tags"]] == ["seen"]
    assert tag(bob, workflow, "hidden", status=403) == tag(bob, workflow, "new", status=403)
    assert bob.get_json("/workflows/groups?by=tag")["results"] == []


def test_who_may_only_run_a_workflow_does_not_see_its_tags(ada, bob):
    workflow = make_named(ada, "one")
    tag(ada, workflow, "secret")
    share(ada, f"/workflows/{workflow}", "executor", user="bob")
    assert bob.get_json(f"/workflows/{workflow}")["tags"] == []


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("builder", 200)])
def test_members_change_tags_where_their_role_lets_them_edit(ada, bob, role, status):
    join(bob, workspace_of(ada), role)
    made = ada.post_json("/tags", {"name": "a"}, 201)
    assert names(bob.get_json("/tags")) == ["a"]
    bob.patch_json(f"/tags/{made['id']}", {"name": "b"}, status)


def test_a_workflow_has_at_most_fifty_tags(ada):
    workflow = make_named(ada, "one")
    tag(ada, workflow, *map(str, range(51)), status=422)
    tag(ada, workflow, "", status=422)
