"""Saving side by side, going back, drafts, and how many versions are kept."""

from time import perf_counter
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from apps.accounts.models import User
from apps.core import quotas
from apps.core.quotas import QuotaName
from apps.engine.problems import InvalidDefinitionError
from apps.executions.actions import start_execution
from apps.workflows import actions, drafts, queries
from apps.workflows.merging import BaseGoneError, EditConflictError, UnknownBaseError
from apps.workflows.models import Draft, Workflow, WorkflowEdge, WorkflowNode, WorkflowVersion
from apps.workflows.retention import find_retention, set_retention
from tests.factories import make_workspace

pytestmark = pytest.mark.django_db


def node(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "type": "data.set", "config": {"values": {"of": key}}, **more}


TRIGGER = {"key": "start", "type": "trigger.manual"}
#  start ─▶ a ─▶ b
BASE: dict[str, Any] = {
    "name": "orders",
    "nodes": [TRIGGER, node("a"), node("b")],
    "edges": [{"source": "start", "target": "a"}, {"source": "a", "target": "b"}],
}


def changed(key: str, **more: Any) -> dict[str, Any]:
    """BASE with one node changed."""
    return {**BASE, "nodes": [{**each, **more} if each["key"] == key else each for each in BASE["nodes"]]}


def noted(text: str) -> dict[str, Any]:
    return {**BASE, "description": text}


def nodes_of(version: WorkflowVersion) -> dict[str, Any]:
    version.refresh_from_db()
    return {each["key"]: each for each in version.definition["nodes"]}


@pytest.fixture
def ada() -> User:
    return make_workspace("ada").owner


@pytest.fixture
def bob() -> User:
    return make_workspace("bob").owner


@pytest.fixture
def workflow(ada) -> Workflow:
    return actions.create_workflow(workspace=make_workspace("ada"), definition=BASE, created_by=ada).version.workflow


def save(workflow: Workflow, definition: dict[str, Any], **more: Any) -> actions.Saved:
    return actions.save_version(workflow=workflow, definition=definition, **more)


def numbers(workflow: Workflow) -> list[int]:
    return sorted(workflow.versions.values_list("number", flat=True))


# ---- two editors


def test_changes_of_two_nodes_from_one_base_are_both_kept(workflow, ada, bob):
    save(workflow, changed("a", position={"x": 1, "y": 2}), created_by=ada, base_number=1)
    second = save(workflow, changed("b", config={"values": {"of": "bob"}}), created_by=bob, base_number=1)

    assert (second.merged, second.created, second.version.number, second.version.created_by) == (True, True, 3, bob)
    assert nodes_of(second.version)["a"]["position"] == {"x": 1, "y": 2}
    assert nodes_of(second.version)["b"]["config"] == {"values": {"of": "bob"}}


def test_two_changes_of_one_node_are_refused_with_all_that_a_merge_view_needs(workflow):
    mine = changed("b", name="mine")
    save(workflow, changed("b", name="theirs"), base_number=1)
    with pytest.raises(EditConflictError) as caught:
        save(
            workflow,
            {**mine, "nodes": [*mine["nodes"], node("c")], "edges": [*mine["edges"], {"source": "b", "target": "c"}]},
            base_number=1,
        )

    details = caught.value.details
    assert (details["base"], details["theirs"], details["conflict_count"], details["errors"]) == (1, 2, 1, [])
    assert details["conflicts"] == [{"kind": "node", "key": "b", "path": "/name", "mine": "mine", "theirs": "theirs"}]
    assert [each["key"] for each in details["document"]["nodes"]] == ["start", "a", "b", "c"]
    assert numbers(workflow) == [1, 2]


def test_a_merge_that_is_no_valid_definition_is_refused_with_the_reason(workflow):
    without_a = {**BASE, "nodes": [TRIGGER, node("b")], "edges": [{"source": "start", "target": "b"}]}
    save(workflow, without_a, base_number=1)
    reading = changed("b", config={"values": {"of": "${nodes.a.of}"}})
    with pytest.raises(EditConflictError) as caught:
        save(workflow, reading, base_number=1)
    assert caught.value.details["conflicts"] == []
    assert caught.value.details["errors"][0]["pointer"].startswith("/nodes/1/config")


def test_a_save_that_changed_nothing_since_its_base_makes_no_version(workflow):
    save(workflow, noted("theirs"), base_number=1)
    again = save(workflow, BASE, base_number=1)
    assert (again.created, again.merged, again.version.number) == (False, True, 2)


def test_a_save_that_names_no_base_is_taken_as_it_is(workflow):
    save(workflow, changed("a", name="theirs"))
    assert nodes_of(save(workflow, changed("b", name="mine")).version)["a"] == node("a")


def test_my_own_faults_are_told_before_anything_is_merged(workflow):
    save(workflow, noted("theirs"), base_number=1)
    with pytest.raises(InvalidDefinitionError):
        save(workflow, changed("b", type="data.sett"), base_number=1)


@pytest.mark.parametrize("number", [0, 3, 99])
def test_a_base_that_never_was_is_refused(workflow, number):
    save(workflow, noted("theirs"))
    with pytest.raises(UnknownBaseError):
        save(workflow, noted("mine"), base_number=number)


# ---- what counts as the same, and going back


def test_the_newest_content_makes_no_second_version_and_an_older_one_does(workflow):
    assert not save(workflow, BASE).created
    save(workflow, noted("second"))
    assert save(workflow, BASE).version.number == 3


def test_one_number_in_two_spellings_is_the_same_content(workflow):
    save(workflow, changed("a", position={"x": 1, "y": 2}))
    assert not save(workflow, changed("a", position={"x": 1.0, "y": 2.0})).created


def test_numbers_that_are_larger_than_integers_come_back_as_they_were(workflow):
    version = save(workflow, changed("a", config={"values": {"large": 1e23, "small": 5e-324, "whole": 1e16}})).version
    assert nodes_of(version)["a"]["config"]["values"] == {"large": 1e23, "small": 5e-324, "whole": 1e16}
    assert not save(workflow, version.definition).created


def test_going_back_is_a_new_version_with_the_old_content(workflow, bob):
    save(workflow, noted("second"), publish=True)
    back = actions.roll_back(version=workflow.versions.get(number=1), created_by=bob)
    assert (back.version.number, back.version.changelog, back.version.created_by) == (3, "Roll back to 1", bob)
    assert nodes_of(back.version) == {each["key"]: each for each in BASE["nodes"]}
    assert Workflow.objects.get(pk=workflow.pk).published_version.number == 2
    assert not actions.roll_back(version=workflow.versions.get(number=3)).created


# ---- drafts


def test_each_person_has_a_draft_of_their_own_which_need_not_be_valid(workflow, ada, bob):
    drafts.keep_draft(workflow=workflow, user=ada, definition={"nodes": "none yet"})
    drafts.keep_draft(workflow=workflow, user=bob, definition=noted("bob"))
    drafts.keep_draft(workflow=workflow, user=ada, definition={"name": ""})
    assert drafts.get_draft(workflow, ada).definition == {"name": ""}
    assert drafts.get_draft(workflow, bob).definition == noted("bob")
    assert not Draft.objects.visible_to(ada).exclude(user=ada).exists()


def test_a_draft_keeps_its_base_until_told_another(workflow, ada):
    drafts.keep_draft(workflow=workflow, user=ada, definition=BASE)
    save(workflow, noted("theirs"))
    assert drafts.keep_draft(workflow=workflow, user=ada, definition=noted("mine")).base_version.number == 1
    assert drafts.keep_draft(workflow=workflow, user=ada, definition=noted("mine"), base_number=2).base_version.number == 2
    with pytest.raises(UnknownBaseError):
        drafts.keep_draft(workflow=workflow, user=ada, definition=BASE, base_number=3)


def test_a_saved_draft_is_merged_and_gone_and_a_conflicting_one_stays(workflow, ada):
    drafts.keep_draft(workflow=workflow, user=ada, definition=changed("b", name="mine"))
    save(workflow, changed("a", name="theirs"))
    saved = drafts.save_draft(workflow=workflow, user=ada, changelog="both")
    assert (saved.version.number, saved.merged, saved.version.changelog) == (3, True, "both")
    with pytest.raises(drafts.DraftNotFoundError):
        drafts.get_draft(workflow, ada)

    drafts.keep_draft(workflow=workflow, user=ada, definition=changed("b", name="again"))
    save(workflow, changed("b", name="theirs"))
    with pytest.raises(EditConflictError):
        drafts.save_draft(workflow=workflow, user=ada)
    assert drafts.get_draft(workflow, ada).base_version.number == 3


def test_publishing_takes_no_draft_along(workflow, ada):
    drafts.keep_draft(workflow=workflow, user=ada, definition=noted("half done"))
    actions.publish_version(version=workflow.versions.get())
    published = Workflow.objects.get(pk=workflow.pk).published_version
    assert published.definition == BASE
    assert Draft.objects.count() == 1


def test_a_draft_of_too_many_nodes_is_refused(workflow, ada):
    with pytest.raises(drafts.DraftTooLargeError):
        drafts.keep_draft(workflow=workflow, user=ada, definition={"nodes": [{}] * 10_001})


def test_a_workflow_is_deleted_with_its_drafts_and_parts(workflow, ada):
    drafts.keep_draft(workflow=workflow, user=ada, definition={})
    actions.delete_workflow(workflow=workflow)
    assert not any(model.objects.exists() for model in (Draft, WorkflowNode, WorkflowEdge))


# ---- how many are kept


def test_only_so_many_versions_are_kept_and_those_in_use_besides(workflow, ada):
    set_retention(workspace=workflow.workspace, keep=2)
    drafts.keep_draft(workflow=workflow, user=ada, definition={})  # began at 1
    save(workflow, noted("2"))
    start_execution(workflow=workflow, version=workflow.versions.get(number=2), input={})
    save(workflow, noted("3"), publish=True)
    for number in (4, 5, 6, 7):
        save(workflow, noted(str(number)))
    assert numbers(workflow) == [1, 2, 3, 6, 7]
    assert not WorkflowNode.objects.filter(version__number__in=[4, 5]).exists()

    with pytest.raises(BaseGoneError):
        save(workflow, noted("late"), base_number=5)
    drafts.discard_draft(workflow=workflow, user=ada)
    actions.unpublish_workflow(workflow=workflow)
    save(workflow, noted("8"))
    assert numbers(workflow) == [2, 3, 7, 8], "what was once published stays"


def test_without_a_number_all_are_kept(workflow):
    for keep in (None, 1, None):
        set_retention(workspace=workflow.workspace, keep=keep)
        assert find_retention(workflow.workspace) == keep
    for number in range(2, 6):
        save(workflow, noted(str(number)))
    assert numbers(workflow) == [1, 2, 3, 4, 5]


def test_pruning_finds_in_one_statement_and_deletes_in_another(workflow, django_assert_num_queries):
    for number in range(2, 12):
        save(workflow, noted(str(number)))
    quotas.limits_of(QuotaName.STORED_BYTES)  # which the process keeps
    with django_assert_num_queries(9):
        save(workflow, noted("12"))
    set_retention(workspace=workflow.workspace, keep=2)
    # Besides: a savepoint, and the constraints, so that a version that is used at this moment is no error of the save.
    with django_assert_num_queries(9 + 2 + 4):
        save(workflow, noted("13"))
    assert numbers(workflow) == [12, 13]
    set_retention(workspace=workflow.workspace, keep=10)
    with django_assert_num_queries(9 + 1):
        save(workflow, noted("14"))


# ---- nodes and edges as rows


def test_nodes_and_edges_are_rows_too(workflow):
    version = save(
        workflow, {**changed("a", name="First"), "edges": [*BASE["edges"], {"source": "start", "port": "out", "target": "b"}]}
    ).version
    assert set(version.nodes.values_list("key", "type", "name")) == {
        ("start", "trigger.manual", ""),
        ("a", "data.set", "First"),
        ("b", "data.set", ""),
    }
    assert set(version.edges.values_list("source", "port", "target")) == {("start", "out", "a"), ("a", "out", "b"), ("start", "out", "b")}


def test_workflows_are_found_by_the_node_types_that_they_use_now(workflow, ada, bob):
    def found(user: User, node_type: str) -> list[str]:
        return [each.name for each in queries.using_node_type(queries.list_workflows(user), user, node_type)]

    merging = {"name": "merging", "nodes": [TRIGGER, {"key": "m", "type": "control.merge"}], "edges": [{"source": "start", "target": "m"}]}
    actions.create_workflow(workspace=make_workspace("ada"), definition=merging)
    assert found(ada, "data.set") == ["orders"]
    assert found(ada, "control.merge") == ["merging"]
    assert found(bob, "data.set") == []
    save(workflow, {**BASE, "nodes": [TRIGGER], "edges": []})
    assert found(ada, "data.set") == [], "an old version counts no more"
    actions.publish_version(version=workflow.versions.get(number=1))
    assert found(ada, "data.set") == ["orders"], "the published one does"


def test_ten_thousand_nodes_are_recorded_within_two_seconds():
    nodes = [node(f"n{number}") for number in range(9_999)]
    edges = [{"source": "start", "target": each["key"]} for each in nodes]
    large = {"name": f"large {uuid4()}", "nodes": [TRIGGER, *nodes], "edges": edges}
    with connection.execute_wrapper(slow := _Times()):
        version = actions.create_workflow(workspace=make_workspace("ada"), definition=large).version
    assert version.nodes.count() == 10_000
    assert version.edges.filter(port="out").count() == 9_999
    assert slow.of("insert into workflow_node") + slow.of("insert into workflow_edge") < 2


class _Times:
    """Adds up how long statements take."""

    def __init__(self) -> None:
        self._took: list[tuple[str, float]] = []

    def __call__(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        begun = perf_counter()
        try:
            return execute(sql, parameters, many, context)
        finally:
            self._took.append((sql, perf_counter() - begun))

    def of(self, part: str) -> float:
        return sum(seconds for sql, seconds in self._took if part in sql)
