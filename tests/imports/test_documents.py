"""Documents of other products: what is refused with its place, what is told of each node, and that nothing crashes the reader."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.errors import InvalidError
from apps.engine.validation import validate
from apps.nodes.registry import all_types
from apps.workflows.imports.dify.importing import from_dify
from apps.workflows.imports.errors import InvalidForeignError, TooManyNodesError, UnknownFormatError
from apps.workflows.imports.formats import format_of
from apps.workflows.imports.n8n.importing import from_n8n
from apps.workflows.imports.report import MAX_CHANGELOG, Line, Report, Verdict
from tests.imports import DIFY, N8N, export_of


def read(document: Any) -> tuple[dict[str, Any], Report]:
    return from_n8n(document, lambda name: None) if format_of(document) == "n8n" else from_dify(document)


@pytest.mark.parametrize("name", N8N + DIFY)
def test_each_export_is_valid_and_each_of_its_nodes_is_told(name):
    document = export_of(name)

    definition, report = read(document)

    validate(definition, all_types())
    nodes = document["nodes"] if name in N8N else document["workflow"]["graph"]["nodes"]
    kinds = {"n8n-nodes-base.stickyNote", "custom-note", "custom-iteration-start"}
    told = [each for each in nodes if each["type"] not in kinds]
    assert [line.node for line in report.lines] == [each.get("name") or each["data"]["title"] for each in told]
    keys = {node["key"] for node in definition["nodes"]}
    assert all(set(line.keys) <= keys for line in report.lines)
    assert all(line.remarks for line in report.lines if line.verdict is not Verdict.MAPPED)
    assert sum(report.counts.values()) == len(told)


@pytest.mark.parametrize("name", N8N + DIFY)
def test_nodes_stay_where_they_were_drawn(name):
    document = export_of(name)

    definition, report = read(document)

    drawn = {node["key"]: node.get("position") for node in definition["nodes"]}
    raw = document["nodes"] if name in N8N else document["workflow"]["graph"]["nodes"]
    places = {each.get("name") or each["data"]["title"]: each["position"] for each in raw}
    for line in report.lines:
        if line.keys and line.keys[0] not in ("start", "loop_over_items"):
            place = places[line.node]
            x, y = place if isinstance(place, list) else (place["x"], place["y"])
            assert drawn[line.keys[0]] == {"x": x, "y": y}


def test_notes_go_to_the_node_that_they_lie_around_or_to_the_description():
    definition, _ = read(export_of("01-api-endpoint"))

    notes = {node["key"]: node.get("notes") for node in definition["nodes"]}
    assert notes["has_items"] == "## Check first\nOrders without items are refused."
    assert definition["description"] == "Made for the shop."


def test_secrets_are_told_and_never_taken_over():
    definition, report = read(export_of("06-error-output"))
    assert "x8ZsK1" not in str(definition)
    (charge,) = (line for line in report.lines if line.node == "Charge")
    assert "Choose a credential in place of 'Payments key'" in charge.remarks[-1]

    document = export_of("01-order-check")
    document["workflow"]["environment_variables"][1]["value"] = "canary"
    document["workflow"]["graph"]["nodes"][1]["data"]["authorization"]["config"]["api_key"] = "canary"
    assert "canary" not in str(read(document))


def node(name: str, type: str = "noOp", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": f"n8n-nodes-base.{type}", "typeVersion": 1, "position": [0, 0], "parameters": {}, **more}


def flow(*nodes: dict[str, Any], **ends: list[list[str]]) -> dict[str, Any]:
    lines = {
        name: {"main": [[{"node": target, "type": "main", "index": 0} for target in output] for output in outputs]}
        for name, outputs in ends.items()
    }
    return {"name": "x", "nodes": list(nodes), "connections": lines}


def drawn(nodes: list[object], edges: list[object]) -> dict[str, Any]:
    """An application of Dify."""
    return {"app": {"mode": "workflow"}, "workflow": {"graph": {"nodes": nodes, "edges": edges}}}


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"nodes": {}, "connections": {}}, "/nodes"),
        ({"nodes": [1], "connections": {}}, "/nodes/0"),
        (flow(node("a"), node("a")), "/nodes/1/name"),
        (flow(node("a", parameters=[])), "/nodes/0/parameters"),
        (flow({"name": "a"}), "/nodes/0/type"),
        (flow(node("a"), b=[["a"]]), "/connections/b"),
        (flow(node("a"), a=[["b"]]), "/connections/a/main/0/0/node"),
        ({**flow(node("a")), "connections": {"a": {"main": [{}]}}}, "/connections/a/main/0"),
        ({**flow(node("a")), "connections": {"a": {"main": [[{"node": "a", "index": "x"}]]}}}, "/connections/a/main/0/0/index"),
        (flow(*(node(str(number)) for number in range(1001))), "/nodes"),
        ({"app": {"mode": "chat"}, "workflow": {}, "kind": "app"}, "/app/mode"),
        (drawn([], []), "/workflow/graph/nodes"),
        (drawn([{"id": "a", "data": 1}], []), "/workflow/graph/nodes/0"),
        ({"app": {"mode": "workflow"}, "workflow": []}, "/workflow"),
        (drawn([{"id": "a", "data": {"type": "start"}}], [{"source": "a"}]), "/workflow/graph/edges/0/target"),
    ],
    ids=str,
)
def test_what_is_no_export_is_refused_with_its_place(document, pointer):
    with pytest.raises(InvalidForeignError) as caught:
        read(document)
    assert pointer in [error["pointer"] for error in caught.value.details["errors"]]


@pytest.mark.parametrize("document", [None, 1, [], {}, {"nodes": []}, {"app": 1}, "text"])
def test_what_is_of_nobody_is_refused(document):
    with pytest.raises(UnknownFormatError):
        format_of(document)


def test_a_node_without_counterpart_becomes_a_placeholder_that_what_follows_is_connected_to():
    definition, report = read(
        flow(node("Go", "manualTrigger"), node("Ask", "slack", parameters={"a": 1}), node("End"), Go=[["Ask"]], Ask=[["End"]])
    )

    placeholder = next(each for each in definition["nodes"] if each["key"] == "ask")
    assert placeholder["type"] == "code.python"
    assert "Not imported: 'Ask' (n8n-nodes-base.slack)" in placeholder["config"]["code"]
    assert '"a": 1' in placeholder["notes"]
    assert {"source": "ask", "port": "out", "target": "end"} in definition["edges"]
    assert [line.verdict for line in report.lines] == [Verdict.MAPPED, Verdict.LEFT_OUT, Verdict.MAPPED]


def test_an_expression_that_reads_what_does_not_come_before_is_left_out():
    values = {"values": {"string": [{"name": "x", "value": "={{ $node['Later'].json.y }}"}]}, "keepOnlySet": True}
    document = flow(node("Go", "manualTrigger"), node("Set", "set", parameters=values), node("Later"), Go=[["Set"]], Set=[["Later"]])

    _, report = read(document)

    assert report.lines[1].verdict is Verdict.LEFT_OUT
    assert "'Later', which does not come before 'Set'" in report.lines[1].remarks[0]


def test_two_lines_that_both_run_lead_into_a_loop_and_that_is_told():
    nodes = [node("Go", "manualTrigger"), node("A"), node("B"), node("Meet")]

    definition, report = read(flow(*nodes, Go=[["A", "B"]], A=[["Meet"]], B=[["Meet"]]))

    assert [each["type"] for each in definition["nodes"] if each["key"].startswith("each")] == ["loop.foreach"]
    assert "n8n runs it once for each" in report.lines[3].remarks[0]


def test_a_small_document_that_becomes_a_large_workflow_is_refused():
    names = [f"n{number}" for number in range(99)]
    nodes = [node("Go", "manualTrigger"), *(node(name) for name in names)]

    with pytest.raises(TooManyNodesError):
        read(flow(*nodes, Go=[names], **{name: [names] for name in names}))


def test_loops_in_loops_beyond_the_limit_end_in_a_placeholder():
    parts = [node(f"Split {number}", "splitOut", parameters={"fieldToSplitOut": "a"}) for number in range(8)]
    lines = {"Go": [["Split 0"]], **{f"Split {number}": [[f"Split {number + 1}"]] for number in range(7)}}

    definition, report = read(flow(node("Go", "manualTrigger"), *parts, **lines))

    assert "Loops lie at most five deep" in report.lines[7].remarks[0]
    assert [each["type"] for each in definition["nodes"] if each["key"] == report.lines[7].keys[0]] == ["code.python"]


def test_a_changelog_is_bounded():
    lines = tuple(Line(f"node {number}", "x", Verdict.LEFT_OUT, (), ("why " * 50,)) for number in range(200))
    text = Report("n8n", lines).as_text()
    assert len(text) == MAX_CHANGELOG
    assert text.startswith("Imported from n8n: 0 nodes mapped, 0 approximated, 200 left out.")


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(CHARACTERS, max_size=20),
)
TEXTS = st.sampled_from(
    [
        *("={{ $json.x }}", "={{", "={{ $('Start').item.json.a.b[0] }}", "={{ $input.all().map(i => i.json.x) }}", "=a{{ }}b", "="),
        *("{{#a.b#}}", "${x}", "$${", "={{ {a:1} }}", "={{ $now.plus(1, 'days') }}", "all", "main", "__proto__", "9" * 60),
    ]
)
ANYTHING = st.one_of(SCALARS, TEXTS, st.just([]), st.just({}), st.just([{}]), st.just({"parameters": [{"name": "a", "value": "={{ 1 }}"}]}))


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all parts of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield (*path, step)
        yield from places(each, (*path, step))


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """An export with some of its parts replaced, removed, repeated or moved."""
    document = copy.deepcopy(draw(st.sampled_from(EXPORTS)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(places(document)) or [()]))
        if not path:
            break
        around = document
        for step in path[:-1]:
            around = around[step]
        match draw(st.sampled_from(["replace", "remove", "repeat", "move"])):
            case "replace":
                around[path[-1]] = copy.deepcopy(draw(ANYTHING))  # the next mutation may be in it
            case "remove":
                del around[path[-1]]
            case "repeat" if isinstance(around, list):
                around.append(copy.deepcopy(around[path[-1]]))
            case "move":
                other = draw(st.sampled_from(list(places(document))))
                found = document
                for step in other:
                    found = found[step]
                around[path[-1]] = copy.deepcopy(found)
    return document


EXPORTS = [export_of(name) for name in N8N + DIFY]


@settings(max_examples=150)
@given(document=mutated())
def test_nothing_crashes_the_reader(document):
    """Whatever is in it: a valid definition in which every node is told, or an InvalidError that names a place."""
    try:
        definition, report = read(document)
    except UnknownFormatError:
        return
    except InvalidError as error:
        pointers = [each["pointer"] for each in error.details["errors"]]
        assert pointers  # either end is right, and each has its own claim
        return
    validate(definition, all_types())
    assert sum(report.counts.values()) == len(report.lines)
