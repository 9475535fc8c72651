"""Lists of workflows: what is found, in which order, and by whom."""

import pytest

from apps.workflows.models import Workflow
from tests.api.clients import ORDER
from tests.api.workspaces import join, make_folder, make_named, names, share, workspace_of

pytestmark = pytest.mark.django_db

CHINESE = [
    {"key": "start", "type": "trigger.manual", "name": "开始"},
    {"key": "set", "type": "data.set", "name": "整理客户订单", "config": {"values": {"a": 1}}},
]


@pytest.fixture
def workflows(ada):
    """Four, made in this order."""
    made = {
        "order": make_named(ada, "order", description="Checks what customers ordered"),
        "invoice": make_named(ada, "Invoice 2026", description="发票 for customers"),
        "orders": make_named(ada, "订单处理"),
        "nodes": make_named(ada, "nodes", nodes=CHINESE, edges=[{"source": "start", "target": "set"}]),
    }
    ada._call("put", f"/workflows/{made['invoice']}/tags", 200, data={"tags": ["财务部", "EU"]}, format="json")
    return made


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("order", {"order"}),
        ("ORDER", {"order"}),
        ("ORDERed checks", {"order"}),
        ("rde", {"order"}),
        ("rd", {"order"}),
        ("ｏｒｄｅｒ", {"order"}),
        ("customers", {"order", "Invoice 2026"}),
        ("customers 发票", {"Invoice 2026"}),
        ("单", {"订单处理", "nodes"}),
        ("订单", {"订单处理", "nodes"}),
        ("订单处", {"订单处理"}),
        ("客户订单", {"nodes"}),
        ("单订", set()),
        ("data.set", {"nodes"}),
        ("r.m", {"order", "Invoice 2026", "订单处理", "nodes"}),
        ("财务", {"Invoice 2026"}),
        ("eu", {"Invoice 2026"}),
        ("eu 发", {"Invoice 2026"}),
        ("%", set()),
        ("__", set()),
        ("\\", set()),
        ("' or 1=1 --", set()),
        ("   ", {"order", "Invoice 2026", "订单处理", "nodes"}),
    ],
)
def test_a_search_finds_every_workflow_that_contains_all_the_words(ada, workflows, search, found):
    assert set(names(ada._call("get", "/workflows", 200, data={"search": search}))) == found


def test_a_search_looks_at_the_newest_version_and_at_what_is_renamed(ada, workflows):
    path = f"/workflows/{workflows['nodes']}"
    newer = {**ORDER, "name": "nodes", "nodes": [{"key": "start", "type": "trigger.manual", "name": "始まり"}]}
    ada.post_json(f"{path}/versions", {"definition": newer}, 201)
    assert names(ada.get_json("/workflows?search=客户订单")) == []
    assert names(ada.get_json("/workflows?search=始まり")) == ["nodes"]
    ada.patch_json(path, {"name": "renamed", "description": "neu"})
    assert names(ada.get_json("/workflows?search=renamed neu")) == ["renamed"]
    ada._call("delete", path, 204)
    assert names(ada.get_json("/workflows?search=renamed")) == []


def test_a_search_does_not_tell_what_is_in_a_workflow_that_one_may_only_run(ada, bob, workflows):
    for key in ("nodes", "invoice"):
        share(ada, f"/workflows/{workflows[key]}", "executor", user="bob")
    make_named(bob, "bob's nodes")
    assert names(bob.get_json("/workflows?search=客户订单")) == names(bob.get_json("/workflows?search=财务")) == []
    assert names(bob.get_json("/workflows?search=set")) == []
    assert names(bob.get_json("/workflows?search=nod&sort=name")) == ["bob's nodes", "nodes"]
    assert names(bob.get_json("/workflows?search=发票")) == ["Invoice 2026"]
    share(ada, f"/workflows/{workflows['nodes']}", "viewer", 200, user="bob")
    assert names(bob.get_json("/workflows?search=客户订单")) == ["nodes"]


def test_a_search_finds_nothing_of_others(ada, bob, workflows):
    assert names(bob.get_json("/workflows?search=order")) == []


def test_lists_come_in_three_orders_page_by_page(ada, workflows):
    ada.patch_json(f"/workflows/{workflows['order']}", {"description": "changed"})
    orders = {
        "created_at": ["nodes", "订单处理", "Invoice 2026", "order"],
        "updated_at": ["order", "nodes", "订单处理", "Invoice 2026"],
        "name": ["Invoice 2026", "nodes", "order", "订单处理"],
    }
    for sort, expected in orders.items():
        seen, path = [], f"/api/v1/workflows?limit=1&sort={sort}"
        while path:
            page = ada.get(path).json()
            seen += names(page)
            path = page["next"]
        assert seen == expected
    ada.get_json("/workflows?sort=size", 422)


@pytest.mark.parametrize("query", ["cursor=x", "cursor=MjAyNg==", "cursor=AAAA", "cursor=4pyT", "limit=0"])
@pytest.mark.parametrize("sort", ["name", "updated_at"])
def test_a_wrong_page_of_any_order_is_refused(ada, sort, query):
    assert ada.get_json(f"/workflows?sort={sort}&{query}", 422)["code"] == "invalid_page"


def test_lists_are_narrowed_by_folder(ada, workflows):
    outer = make_folder(ada, "outer")
    inner = make_folder(ada, "inner", outer)
    ada.patch_json(f"/workflows/{workflows['order']}", {"folder": outer})
    ada.patch_json(f"/workflows/{workflows['nodes']}", {"folder": inner})
    assert names(ada.get_json(f"/workflows?folder={outer}")) == ["order"]
    assert names(ada.get_json(f"/workflows?folder={outer}&recursive=true")) == ["nodes", "order"]
    assert names(ada.get_json("/workflows?folder=none&sort=name")) == ["Invoice 2026", "订单处理"]
    groups = ada.get_json("/workflows/groups?by=folder")["results"]
    assert [(row["name"], row["count"]) for row in groups] == [("inner", 1), ("outer", 1)]
    ada.get_json("/workflows?folder=x", 422)


def test_favourites_are_each_persons_own(ada, bob, workflows):
    join(bob, workspace_of(ada), "viewer")
    path = f"/workflows/{workflows['order']}"
    for _ in range(2):
        ada._call("put", f"{path}/favourite", 204)
    assert ada.get_json(path)["is_favourite"] is True
    assert bob.get_json(path)["is_favourite"] is False
    assert names(ada.get_json("/workflows?favourite=true")) == ["order"]
    assert len(ada.get_json("/workflows?favourite=false")["results"]) == 3
    assert names(bob.get_json("/workflows?favourite=true")) == []
    for _ in range(2):
        ada._call("delete", f"{path}/favourite", 204)
    assert names(ada.get_json("/workflows?favourite=true")) == []


def test_an_archived_workflow_is_out_of_the_way_and_starts_nothing(ada, workflows):
    path, start = f"/workflows/{workflows['order']}", {"workflow": workflows["order"], "input": {"amount": 1}}
    version = ada.get_json(f"{path}/versions/1")["id"]
    ada.post_json("/executions", start, 202)
    assert ada.post_json(f"{path}/archive")["is_archived"] is True
    assert ada.post_json(f"{path}/archive")["is_archived"] is True
    assert "order" not in names(ada.get_json("/workflows"))
    assert names(ada.get_json("/workflows?archived=true")) == ["order"]
    assert len(ada.get_json("/workflows?archived=all")["results"]) == 4
    assert ada.post_json("/executions", start, 409)["code"] == "workflow_archived"
    assert ada.post_json("/executions", {"version": version, "input": {"amount": 1}}, 409)["code"] == "workflow_archived"
    bulk = {"workflow": workflows["order"], "starts": [{"input": {"amount": 1}}]}
    assert ada.post_json("/executions/bulk", bulk, 409)["code"] == "workflow_archived"
    assert ada.post_json(f"{path}/unarchive")["is_archived"] is False
    ada.post_json("/executions", start, 202)


def test_lists_are_narrowed_by_workspace_and_by_what_is_published(ada, bob, workflows):
    join(ada, workspace_of(bob), "viewer")
    make_named(bob, "bob's")
    ada.post_json(f"/workflows/{workflows['order']}/unpublish")
    assert names(ada.get_json(f"/workflows?workspace={workspace_of(bob).pk}")) == ["bob's"]
    assert names(ada.get_json("/workflows?published=false")) == ["order"]
    assert len(ada.get_json("/workflows?published=true")["results"]) == 4
    assert names(bob.get_json(f"/workflows?workspace={workspace_of(ada).pk}")) == []


def test_rows_say_what_the_caller_may_do(ada, bob, operator, workflows):
    share(ada, f"/workflows/{workflows['order']}", "executor", user="bob")
    [row] = bob.get_json("/workflows")["results"]
    assert row["permissions"] == ["workflow.run"]
    assert "workflow.manage" in ada.get_json(f"/workflows/{workflows['order']}")["permissions"]
    assert "workspace.delete" in operator.get_json(f"/workflows/{workflows['order']}")["permissions"]


def test_lists_take_the_same_queries_with_shares_tags_and_folders(ada, bob, django_assert_num_queries):
    folder = make_folder(ada, "shared")
    share(ada, f"/folders/{folder}", "viewer", user="bob")

    def make(number):
        workflow = make_named(ada, f"n{number}")
        ada.patch_json(f"/workflows/{workflow}", {"folder": folder})
        ada._call("put", f"/workflows/{workflow}/tags", 200, data={"tags": ["a", "b"]}, format="json")
        alone = make_named(ada, f"alone{number}")
        share(ada, f"/workflows/{alone}", "executor", user="bob")

    make(0)
    with django_assert_num_queries(3):  # the person with the rights, what was shared, the rows
        assert len(bob.get_json("/workflows")["results"]) == 2
    with django_assert_num_queries(5):  # also tags of the word, and what one may only run
        bob.get_json("/workflows?search=n0")
    for number in range(1, 15):
        make(number)
    with django_assert_num_queries(3):
        assert len(bob.get_json("/workflows")["results"]) == 30
    with django_assert_num_queries(3):
        assert len(bob.get_json("/workflows?shared_with_me=true&limit=200")["results"]) == 30
    with django_assert_num_queries(5):
        bob.get_json("/workflows?search=n1")


def test_what_was_shared_with_me_is_listed_apart(ada, bob, workflows):
    make_named(bob, "own")
    share(ada, f"/workflows/{workflows['order']}", "viewer", user="bob")
    assert names(bob.get_json("/workflows?sort=name")) == ["order", "own"]
    assert names(bob.get_json("/workflows?shared_with_me=true")) == ["order"]
    assert names(ada.get_json("/workflows?shared_with_me=true")) == []


@pytest.mark.parametrize("query", ["folder=1", "workspace=1", "archived=perhaps", "favourite=2", "colour=red", "search=" + "x" * 201])
def test_wrong_filters_are_refused(ada, query):
    ada.get_json(f"/workflows?{query}", 422)


def test_texts_are_kept_for_workflows_made_in_bulk(ada):
    made = Workflow.objects.bulk_create([Workflow(workspace=workspace_of(ada), name=f"批量{number}") for number in range(3)])
    assert len(ada.get_json("/workflows?search=批量")["results"]) == 3
    Workflow.objects.filter(pk=made[0].pk).update(description="新的")
    assert names(ada.get_json("/workflows?search=新")) == ["批量0"]
