"""What a template is made of."""

from typing import Any

import pytest

from apps.engine.problems import InvalidDefinitionError, Problem
from apps.templates import content
from apps.templates.content import check_content, strange_nodes, unbound, with_credentials, with_parameters

START = {"key": "start", "type": "trigger.manual"}
DOCUMENT: dict[str, Any] = {"name": "x", "nodes": [START]}


@pytest.mark.parametrize("document", [None, [], "text", {}, {"nodes": None}, {"nodes": [1, None]}])
def test_what_is_no_definition_passes_through_for_validation_to_refuse(document):
    assert unbound(document) == document
    with pytest.raises(InvalidDefinitionError):
        check_content(unbound(document), {})


@pytest.mark.parametrize(
    ("pointers", "is_refused"),
    [(["/nodes/0/credentials"], False), (["/nodes/0/credentials", "/nodes/0/config/url"], True), (["/name"], True)],
)
def test_a_template_may_lack_the_credentials_that_a_workflow_needs(monkeypatch, pointers, is_refused):
    def refuse(*_: object) -> None:
        raise InvalidDefinitionError([Problem(pointer, "is missing") for pointer in pointers])

    monkeypatch.setattr(content, "validate", refuse)
    if is_refused:
        with pytest.raises(InvalidDefinitionError):
            check_content(DOCUMENT, {})
    else:
        assert check_content(DOCUMENT, {}).name == "x"


def test_credentials_come_and_go():
    bound = with_credentials(DOCUMENT, {"start": {"default": "id"}})

    assert bound["nodes"] == [{**START, "credentials": {"default": "id"}}]
    assert unbound(bound) == DOCUMENT
    with pytest.raises(InvalidDefinitionError) as refused:
        with_credentials(DOCUMENT, {"strat": {}})
    assert refused.value.details["errors"][0]["pointer"] == "/credentials/strat"
    assert refused.value.details["errors"][0]["suggestion"] == "start"


def test_a_declared_variable_keeps_its_type():
    variables = {"a": {"type": "number", "default": 1}, "b": {"type": "number"}, "c": {"type": "own"}, "d": 1}
    changed = with_parameters({**DOCUMENT, "variables": variables}, {"a": 2, "b": 2, "c": 2, "d": 2})["variables"]

    assert changed == {"a": {"type": "number", "default": 2}, "b": {"type": "number", "default": 2}, "c": 2, "d": 2}


def test_a_node_that_reads_by_http_or_runs_code_is_worth_a_look_and_a_condition_is_not():
    nodes = [START, {"key": "get", "type": "http.request", "config": {"url": "x"}}, {"key": "gone", "type": "no.such"}]

    assert [each.pointer for each in strange_nodes({"nodes": nodes})] == ["/nodes/1"]
