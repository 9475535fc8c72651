"""What a node run costs, in statements and commits: the promise of two of each, for every node that is not pure."""

import pytest
from django.db import connection as db
from django.test.utils import CaptureQueriesContext

from apps.executions import connection, protocol
from apps.executions.actions import Start, start_execution, start_executions
from apps.executions.connection import fetch
from tests.factories import make_version
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
