"""Workflows out and in again."""

from itertools import count
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Membership, User
from apps.core.yaml_values import dump_yaml, load_yaml
from apps.workflows import actions
from apps.workflows.access import NotAllowedError
from apps.workflows.exchange import exporting
from apps.workflows.exchange.document import InvalidExportError, UnknownFormatError, read_export
from apps.workflows.exchange.exporting import ExportTooLargeError, export_workflows, without_credentials
from apps.workflows.exchange.importing import import_workflows
from apps.workflows.models import Workflow, WorkflowVersion
from tests.engine.test_json_values import JSON
from tests.factories import make_workspace

pytestmark = pytest.mark.django_db

ORDER: dict[str, Any] = {"name": "order", "nodes": [{"key": "start", "type": "trigger.manual"}]}
_names = count(1)


def make(definition: dict[str, Any] = ORDER, *, username: str = "ada", **more: Any) -> Workflow:
    return actions.create_workflow(workspace=make_workspace(username), definition=definition, **more).version.workflow


def export_of(*workflows: Workflow, kind: str = "bundle", every_version: bool = True) -> dict[str, Any]:
    return export_workflows(workflows, kind=kind, every_version=every_version)


def imported(document: Any, *, username: str = "bob", on_conflict: Any = "rename", **more: Any) -> list[Any]:
    workspace = make_workspace(username)
    return import_workflows(workspace=workspace, export=read_export(document), on_conflict=on_conflict, created_by=workspace.owner, **more)


def one(**version: Any) -> dict[str, Any]:
    """An export of one workflow with one version."""
    versions = [{"changelog": "", "definition": ORDER, **version}]
    return {"structforge": 1, "kind": "workflow", "workflows": [{"name": "order", "description": "", "versions": versions}]}


CONFIGS = st.dictionaries(st.text(min_size=1), JSON, min_size=1, max_size=3).filter(
    lambda value: b"${" not in orjson.dumps(value) and b"\\u0000" not in orjson.dumps(value)
)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[dict[str, Any], str]]:
    """Definitions with changelogs, no two neighbours the same."""
    configs = draw(st.lists(CONFIGS, min_size=1, max_size=3))
    return [
        (
            {
                **ORDER,
                "description": draw(TEXTS),
                "nodes": [
                    *ORDER["nodes"],
                    {"key": "a", "type": "data.set", "config": {"values": values}, "notes": f"{index} {draw(TEXTS)}"},
                ],
                "edges": [{"source": "start", "target": "a"}],
            },
            draw(TEXTS),
        )
        for index, values in enumerate(configs)
    ]


@pytest.mark.parametrize(
    "written",
    [lambda document: orjson.loads(orjson.dumps(document)), lambda document: load_yaml(dump_yaml(document))],
    ids=["json", "yaml"],
)
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(bundle=st.lists(histories(), min_size=1, max_size=2))
def test_what_is_exported_and_imported_is_exported_as_before(written, bundle):
    workflows = []
    for (first, changelog), *later in bundle:
        workflow = make(first, name=f"w{next(_names)}", changelog=changelog)
        for definition, said in later:
            actions.save_version(workflow=workflow, definition=definition, changelog=said)
        workflows.append(workflow)
    document = export_of(*workflows)

    made = imported(written(document), username=f"guest{next(_names)}")
    assert [each.status for each in made] == ["created"] * len(bundle)
    assert export_of(*(each.workflow for each in made)) == document
    hashes = [list(workflow.versions.order_by("number").values_list("content_hash", flat=True)) for workflow in workflows]
    assert [list(each.workflow.versions.order_by("number").values_list("content_hash", flat=True)) for each in made] == hashes


def test_an_export_holds_the_newest_version_or_all_and_no_trace_of_the_installation():
    workflow = make(changelog="first", publish=True)
    actions.save_version(workflow=workflow, definition={**ORDER, "description": "new"}, changelog="second")
    assert export_of(workflow, kind="workflow", every_version=False) == {
        "structforge": 1,
        "kind": "workflow",
        "workflows": [
            {"name": "order", "description": "", "versions": [{"changelog": "second", "definition": {**ORDER, "description": "new"}}]}
        ],
    }
    assert [each["changelog"] for each in export_of(workflow)["workflows"][0]["versions"]] == ["first", "second"]


def test_workflows_are_exported_in_two_statements_however_many_they_are(django_assert_num_queries):
    workflows = [make(name=f"w{number}") for number in range(5)]
    with django_assert_num_queries(2):
        export_of(workflows[0])
    with django_assert_num_queries(2):
        assert [each["name"] for each in export_of(*workflows)["workflows"]] == [f"w{number}" for number in range(5)]


def test_of_credentials_the_slots_are_exported_and_nothing_else():
    nodes = [
        {"key": "a", "type": "http.request", "credentials": {"auth": "01936d3e-0000-7000-8000-000000000000"}},
        {"key": "b", "type": "data.set"},
    ]
    assert without_credentials({"name": "x", "nodes": nodes})["nodes"] == [{**nodes[0], "credentials": {"auth": None}}, nodes[1]]
    empty = {**ORDER, "nodes": [{**ORDER["nodes"][0], "credentials": {"auth": None}}]}
    assert imported(one(definition=empty))[0].workflow.versions.get().definition == ORDER


def test_an_export_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(exporting, "MAX_CHARACTERS", 150)
    workflow = make()
    export_of(workflow)
    actions.save_version(workflow=workflow, definition={**ORDER, "description": "x" * 80})
    with pytest.raises(ExportTooLargeError):
        export_of(workflow)


@pytest.mark.parametrize(
    ("on_conflict", "status", "name", "versions"),
    [("rename", "created", "order (3)", 1), ("skip", "skipped", "order", 1), ("version", "updated", "order", 2)],
)
def test_a_name_that_is_taken_is_met_as_was_asked(on_conflict, status, name, versions):
    make()
    make(name="order (2)")
    (found,) = imported(one(definition={**ORDER, "description": "other"}), username="ada", on_conflict=on_conflict)
    assert (found.status, found.workflow.name, found.number) == (status, name, versions)
    assert found.workflow.versions.count() == versions


def test_the_same_content_again_is_no_version():
    workflow = make()
    (found,) = imported(one(), username="ada", on_conflict="version")
    assert (found.status, found.workflow.pk, found.number) == ("skipped", workflow.pk, 1)


def test_a_long_name_is_shortened_to_make_room_for_the_number():
    make(name="x" * 128)
    document = one()
    document["workflows"][0]["name"] = "x" * 128
    assert imported(document, username="ada")[0].workflow.name == "x" * 124 + " (2)"


def test_one_faulty_definition_leaves_nothing_and_is_named_with_its_place():
    document = one()
    faulty = {**ORDER, "nodes": [{"key": "start", "type": "trigger.manuall"}]}
    document["workflows"].append({"name": "second", "versions": [{"definition": ORDER}, {"definition": faulty}]})
    with pytest.raises(InvalidExportError) as caught:
        imported(document)
    fault = caught.value.details["errors"][0]
    assert (fault["pointer"], fault["suggestion"]) == ("/workflows/1/versions/1/definition/nodes/0/type", "trigger.manual")
    assert not Workflow.objects.exists()
    assert not WorkflowVersion.objects.exists()


@pytest.mark.parametrize("number", [0, 2, "1", True, None, 1.5, {}])
def test_an_export_of_another_format_is_refused_with_the_number_that_was_found(number):
    with pytest.raises(UnknownFormatError) as caught:
        read_export({**one(), "structforge": number})
    assert "format 1" in caught.value.message
    assert caught.value.details["found"] == number


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([], ""),
        ({}, "/structforge"),
        ({"structforge": 1, "kind": "bundle"}, "/workflows"),
        ({**one(), "kind": "other"}, "/kind"),
        ({**one(), "extra": 1}, "/extra"),
        ({"structforge": 1, "kind": "bundle", "workflows": [{"name": "a", "versions": []}]}, "/workflows/0/versions"),
        (one(definition=[]), "/workflows/0/versions/0/definition"),
    ],
    ids=str,
)
def test_what_is_no_export_is_refused_with_its_place(document, pointer):
    with pytest.raises(InvalidExportError) as caught:
        read_export(document)
    assert caught.value.details["errors"][0]["pointer"] == pointer


def test_a_version_is_made_of_no_workflow_that_one_may_not_edit():
    workflow = make()
    role = workflow.workspace.roles.create(name="adder", permissions=["workflow.view", "workflow.create"])
    adder = make_workspace("adder").owner
    Membership.objects.create(workspace=workflow.workspace, user=adder, own_role=role)
    adder = User.objects.get(pk=adder.pk)
    with pytest.raises(NotAllowedError):
        import_workflows(workspace=workflow.workspace, export=read_export(one()), on_conflict="version", created_by=adder)


def test_what_is_imported_is_published_where_that_was_asked():
    actions.save_version(workflow=(workflow := make()), definition={**ORDER, "description": "new"})
    (found,) = imported(export_of(workflow), publish=True)
    found.workflow.refresh_from_db()
    assert found.workflow.published_version.number == 2
    assert imported(export_of(workflow), username="carl")[0].workflow.published_version is None
