"""What a node run costs, in statements and commits: the promise of two of each, for every node that is not pure."""

import pytest
from django.db import connection as db
from django.test.utils import CaptureQueriesContext

from apps.executions import connection, protocol
from apps.executions.actions import Start, start_execution, start_executions
from apps.executions.connection import fetch
from apps.executions.models import Execution
from tests.factories import make_version
from tests.workers.delivering import Broker
from tests.workers.driving import step
from tests.workers.test_runner import START, document, put

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def statements(monkeypatch):
    """Statements of the engine, in order; each is one round trip and one commit."""
    seen: list[str] = []

    def counting(statement, parameters):
        seen.append(statement)
        return fetch(statement, parameters)

    monkeypatch.setattr(connection.fetch_repeating, "__kwdefaults__", {**connection.fetch_repeating.__kwdefaults__, "run": counting})
    return seen


def function(name: str):
    return {"type": "function", "config": {"function": name, "arguments": {}}}


def begun(**nodes):
    """An execution of a chain whose first pure stretch has run, its graph compiled."""
    keys = ["start", *nodes]
    version = make_version(document({"start": START, **nodes}, " -> ".join(keys)))
    start_execution(workflow=version.workflow)
    execution_id = start_execution(workflow=version.workflow).execution_id
    step(execution_id)
    return execution_id


def test_an_idempotent_node_costs_a_claim_and_a_settle(statements):
    execution_id = begun(work=function("tests.count"), more=function("tests.count"))
    statements.clear()

    step(execution_id)

    assert [statement is protocol._CLAIM or "settle_v3" in statement for statement in statements] == [True, True]


def test_an_external_node_costs_no_more_for_recording_the_start_of_its_effect(statements):
    execution_id = begun(work=function("tests.effect"), more=function("tests.effect"))
    statements.clear()

    step(execution_id)

    assert len(statements) == 2


def test_forty_pure_nodes_cost_no_more_than_one(statements):
    version = make_version(
        document({"start": START, **{f"n{i}": put(i=i) for i in range(40)}}, "start -> " + " -> ".join(f"n{i}" for i in range(40)))
    )
    execution_id = start_execution(workflow=version.workflow).execution_id
    protocol_statements = len(statements)
    assert protocol_statements == 0

    step(execution_id)

    assert len(statements) <= 3  # the definition once a process, then claim and settle


def test_a_loop_over_64_brief_items_costs_a_claim_and_a_settle_for_each_eight_of_them(statements):
    broker = Broker()
    broker.redis.flushall()
    brief = {"type": "function", "config": {"function": "tests.brief", "arguments": {"value": "${item + index}"}}, "parent": "each"}
    nodes = {"start": START, "each": {"type": "loop.foreach", "config": {"items": "${items}", "parallel": 64}}, "work": brief}
    workflow = make_version(document(nodes, "start -> each", inputs={"items": "array"})).workflow
    for _ in range(2):  # the first one loads the definition
        execution_id = start_execution(workflow=workflow, input={"items": list(range(64))}).execution_id
        statements.clear()
        broker.deliver_all()

    assert Execution.objects.get(id=execution_id).status == "success"
    kinds = [next(kind for kind, sign in KINDS.items() if sign in statement) for statement in statements]
    # The loop begins, its iterations run, and it ends: the outputs are read in between.
    loop_begins, loop_ends = ["claim", "settle", "claim", "settle"], ["claim", "outputs", "settle"]
    assert kinds == [*loop_begins, *["claim places", "settle"] * 8, *loop_ends]


KINDS = {"claim places": "jsonb_path_query_array", "claim": "claimed as", "settle": "select settle_v3", "outputs": "iteration_outputs_v1"}


def test_a_thousand_starts_cost_one_statement():
    version = make_version()
    workflow = version.workflow

    with CaptureQueriesContext(db) as queries:
        start_executions(workflow=workflow, version=version, starts=[Start() for _ in range(1000)])

    assert ["start_in_line_v1" in query["sql"] for query in queries if query["sql"] not in ("BEGIN", "COMMIT")] == [True]


def test_the_end_of_an_execution_that_nothing_limits_costs_no_more(statements):
    version = make_version(document({"start": START, "end": put(x=1)}, "start -> end"))
    for _ in range(2):  # the first one loads the definition
        execution_id = start_execution(workflow=version.workflow).execution_id
        statements.clear()
        step(execution_id)

    assert [statement is protocol._CLAIM or "select settle_" in statement for statement in statements] == [True, True]
