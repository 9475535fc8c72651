"""Checking expressions, and what nodes there are."""

import pytest

from tests.api.clients import ORDER

pytestmark = pytest.mark.django_db


def check(client, expression, **more):
    return client.post_json("/expressions/check", {"expression": expression, **more})


def test_an_expression_has_its_value_with_a_sample(ada):
    sample = {"input": {"amount": 3}, "nodes": {"check": {"ok": True}}}
    answer = check(ada, "amount * 2 > 5 && nodes.check.ok", sample=sample)
    assert answer == {"is_valid": True, "errors": [], "nodes": ["check"], "value": True}
    assert check(ada, "Dear ${input.name}", sample={"input": {"name": "Ada"}})["value"] == "Dear Ada"


def test_without_a_sample_it_is_only_compiled(ada):
    assert check(ada, "amount > 1000", definition=ORDER) == {"is_valid": True, "errors": [], "nodes": [], "value": None}
    assert check(ada, "limit > 1", names={"variables": ["limit"]})["is_valid"]


def test_a_fault_has_its_place_and_the_nearest_name(ada):
    answer = check(ada, "1 + amont", definition=ORDER)
    assert answer["is_valid"] is False
    fault = answer["errors"][0]
    assert (fault["offset"], fault["line"], fault["column"], fault["suggestion"]) == (4, 1, 5, "amount")


def test_an_expression_that_fails_with_the_sample_says_why(ada):
    answer = check(ada, "1 / input.zero", sample={"input": {"zero": 0}})
    assert answer["is_valid"] is False
    assert answer["value"] is None
    assert answer["errors"][0]["message"]


@pytest.mark.parametrize("expression", ["(" * 5000, "+".join(["1"] * 20_000), "'a'" + " + 'a'" * 5000, "${", "", "__import__('os')"])
def test_a_hostile_expression_is_refused(ada, expression):
    response = ada.post("/api/v1/expressions/check", {"expression": expression}, format="json")
    assert response.status_code in (200, 422)
    if response.status_code == 200:
        assert response.json()["is_valid"] is False


def test_node_types_come_with_the_schema_of_their_config(ada):
    found = {node_type["name"]: node_type for node_type in ada.get_json("/node-types")["node_types"]}
    assert {"trigger.manual", "http.request", "code.python", "data.set", "control.if", "control.delay"} <= set(found)
    assert found["control.if"] == ada.get_json("/node-types/control.if")
    assert found["control.if"]["config_schema"]["type"] == "object"
    assert ada.get_json("/node-types/control.iff", 404)["code"] == "unknown_node_type"
