"""Two executions side by side."""

from uuid import UUID

import pytest

from tests.api.clients import make_workflow
from tests.api.workspaces import share
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)


def put(key, **values):
    return {"key": key, "type": "data.set", "config": {"values": values}}


# start ─▶ left ──▶ both
#    └───▶ right ───┘
DEFINITION = {
    "name": "two ways",
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        put("right", kept="same"),
        put("left", amount="${input.amount}", text="${input.text}"),
        put("both", twice="${nodes.left.amount * 2}"),
    ],
    "edges": [
        {"source": "start", "target": "left"},
        {"source": "start", "target": "right"},
        {"source": "left", "target": "both"},
        {"source": "right", "target": "both"},
    ],
    "output": {"twice": "${nodes.both.twice}"},
}


@pytest.fixture
def workflow(ada):
    return make_workflow(ada, DEFINITION)


def run(client, body, **input):
    started = client.post_json("/executions", {**body, "input": {"text": "t", **input}}, 202)
    drive(UUID(started["id"]))
    return started["id"]


def nodes_of(answer):
    return {node["key"]: node for node in answer["nodes"]}


def test_two_executions_part_at_the_first_node_that_differs(ada, workflow):
    one, other = (run(ada, {"workflow": workflow["id"]}, amount=amount) for amount in (1, 2))

    answer = ada.get_json(f"/executions/{one}/compare/{other}")

    assert answer["input"] == [{"pointer": "/amount", "left": 1, "right": 2, "is_shortened": False}]
    assert answer["output"] == [{"pointer": "/twice", "left": 2, "right": 4, "is_shortened": False}]
    assert answer["parts_at"] == {"key": "start", "path": ""}
    nodes = nodes_of(answer)
    assert [key for key, node in nodes.items() if not node["differs"]] == ["right"]
    assert [change["pointer"] for change in nodes["left"]["output"] + nodes["left"]["input"]] == ["/amount", "/values/amount"]
    assert nodes["both"]["left"]["status"] == "success"
    assert nodes["both"]["left"]["duration_ms"] >= 0
    assert (answer["left"]["id"], answer["right"]["id"]) == (one, other)


def test_two_that_went_alike_part_nowhere(ada, workflow):
    one, other = (run(ada, {"workflow": workflow["id"]}, amount=1) for _ in range(2))

    answer = ada.get_json(f"/executions/{one}/compare/{other}")

    assert (answer["parts_at"], answer["input"], answer["output"], answer["is_truncated"]) == (None, [], [], False)
    assert len(answer["nodes"]) == 5


def test_executions_of_two_versions_are_compared_by_key(ada, workflow):
    one = run(ada, {"workflow": workflow["id"]}, amount=1)
    nodes = [*DEFINITION["nodes"][:2], put("more", n=1), put("both", twice=5)]
    edges = [{"source": a, "target": b} for a, b in [("start", "right"), ("start", "more"), ("right", "both"), ("more", "both")]]
    definition = {**DEFINITION, "nodes": nodes, "edges": edges}
    version = ada.post_json(f"/workflows/{workflow['id']}/versions", {"definition": definition}, 201)
    other = run(ada, {"version": version["id"]}, amount=1)

    answer = ada.get_json(f"/executions/{one}/compare/{other}")

    nodes = nodes_of(answer)
    assert (answer["left"]["version_number"], answer["right"]["version_number"]) == (1, 2)
    assert (nodes["left"]["right"], nodes["more"]["left"]) == (None, None)
    assert answer["parts_at"]["key"] in ("left", "more")
    assert list(nodes).index("more") < list(nodes).index("both")


def test_long_values_are_shortened_and_large_ones_left_out(ada, workflow):
    texts = ["x" * 1000, "y" * 1000]
    one, other = (run(ada, {"workflow": workflow["id"]}, amount=1, text=text) for text in texts)
    change = nodes_of(ada.get_json(f"/executions/{one}/compare/{other}"))["left"]["output"][0]
    assert (change["pointer"], change["is_shortened"]) == ("/text", True)
    assert len(change["left"]) < 600

    large = [run(ada, {"workflow": workflow["id"]}, amount=1, text=text * 70) for text in texts]
    node = nodes_of(ada.get_json(f"/executions/{large[0]}/compare/{large[1]}"))["left"]
    assert (node["differs"], node["output"]) == (True, [{"pointer": "", "is_shortened": True}])


def test_a_comparison_takes_as_many_queries_for_one_node_as_for_many(ada, workflow, django_assert_num_queries):
    one, other = (run(ada, {"workflow": workflow["id"]}, amount=amount) for amount in (1, 2))
    ada.get_json(f"/executions/{one}/compare/{other}")  # the process keeps the version
    with django_assert_num_queries(7):  # the token, what was shared, both executions, and three for the node runs
        ada.get_json(f"/executions/{one}/compare/{other}")


def test_both_must_be_visible(ada, bob, workflow):
    mine = run(bob, {"workflow": make_workflow(bob, DEFINITION)["id"]}, amount=1)
    hers = run(ada, {"workflow": workflow["id"]}, amount=1)
    bob.get_json(f"/executions/{mine}/compare/{hers}", 404)
    bob.get_json(f"/executions/{hers}/compare/{mine}", 404)
    share(ada, f"/workflows/{workflow['id']}", "viewer", user="bob")
    assert bob.get_json(f"/executions/{mine}/compare/{hers}")["parts_at"] is None
