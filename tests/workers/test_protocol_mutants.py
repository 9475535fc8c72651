"""A test of the test: each fault put into the protocol on purpose must be found by the model.

Slow, so it runs by `pytest -m mutants`, not with every change.
"""

from pathlib import Path

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import apps.executions
from apps.executions import protocol
from apps.executions.connection import close_pool
from tests.workers.model import ProtocolModel, Rows

pytestmark = [pytest.mark.mutants, pytest.mark.timeout(1200)]

SQL = Path(apps.executions.__file__).parent / "sql"
FOUND_WITHIN = 3000  # examples

MUTANTS = {
    "settle without the fence": (
        "settle_v3",
        "and n.status = 'running' and n.claim_token = (d->>'token')::uuid\n        returning",
        "returning",
    ),
    "the replay of a settle is not recognised": (
        "settle_v3",
        "and n.claim_token = (d->>'token')::uuid and n.status <> 'running';",
        "and false;",
    ),
    "open riders are not counted": (
        "settle_v3",
        "v_open := v_open + v_count;\n        end if;\n\n        if v_is_stopped",
        "end if;\n\n        if v_is_stopped",
    ),
    "what a full gate queues is not counted": (
        "settle_v3",
        "v_ready := v_ready || v_more;\n            v_open := v_open + v_count;",
        "v_ready := v_ready || v_more;",
    ),
    "a gate forgets what arrived before": ("settle_v3", "set settled = g.settled + excluded.settled", "set settled = excluded.settled"),
    "a gate opens on dead edges only when all are live": (
        "settle_v3",
        "g.settled = g.expected or g.live >= g.needed",
        "g.live >= g.needed",
    ),
    "a cancelled execution lets a node wait for its retry": (
        "settle_v3",
        "if v_status = 'cancelling' and v_to <> all (v_settled) then",
        "if false then",
    ),
    "cancelling nodes are not swept": ("sweep_v1", "if v_row.is_over or exists (", "if false and exists ("),
    "the sweeper forgets node runs that are to be tried again": (
        "sweep_v1",
        "n.status in ('retrying', 'waiting') and n.wake_at",
        "n.status = 'waiting' and n.wake_at",
    ),
    "a rescue ignores that the effect may have happened": (
        "sweep_v1",
        "case when n.on_worker_lost = 'ask' and n.effect_started_at is not null then 'uncertain'",
        "case when false then 'uncertain'",
    ),
    "an iteration ends twice": (
        "loops_v1",
        "substring(p_path from '[0-9]+$')::int and i.status = 'running';",
        "substring(p_path from '[0-9]+$')::int;",
    ),
    "iterations that end together end twice": ("settle_v3", "and i.status || '' = 'running';", ";"),
    "of iterations that end together one is counted": ("settle_v3", "set running = r.running - v_count", "set running = r.running - 1"),
    "the end of iterations starts no others": (
        "settle_v3",
        "v_more := advance_loop_v1(p_execution, p_workspace, o.key, o.loop_path, p_due, p_now);",
        'v_more := \'{"ready": [], "open": 0}\';',
    ),
    "a loop begins more than it may": ("loops_v1", "least(l.parallel - l.running, ", "least("),
    "the end of an iteration starts no other": (
        "loops_v1",
        "v_next := advance_loop_v1(p_execution, p_workspace, p_key, v_loop_path, p_due, p_now);",
        'v_next := \'{"ready": [], "open": 0}\';',
    ),
    "a failed iteration goes on": (
        "loops_v1",
        "stop_part_v1(p_execution, l.body, l.inside, p_path, p_now)",
        "stop_part_v1(p_execution, '{}', '{}', p_path, p_now)",
    ),
    "what is stopped is not counted": ("settle_v3", "v_open := v_open - (v_more->>'count')::int;", "v_open := v_open;"),
    "what was asked to stop goes on": ("settle_v3", "if v_is_stopped then\n            continue;", "if false then\n            continue;"),
    "what does not stop is not swept": (
        "loops_v1",
        "or n.status = 'running' and n.stop_requested_at < v_now - p_grace)\n            returning",
        "and false)\n            returning",
    ),
    "a signal wakes what does not wait": (
        "control_v1",
        "and n.status = 'waiting' and n.waits_for = p_signal",
        "and n.status in ('waiting', 'queued')",
    ),
    "an address is good for two requests": (
        "events_v1",
        "and n.status = 'waiting' and n.waits_for = 'webhook'",
        "and n.status in ('waiting', 'queued')",
    ),
    "a hold is done before what it put aside is sent": (
        "holds_v1",
        "limit p_limit for update of n skip locked\n    )\n    update node_run n\n       set held_by_id = null",
        "limit 0 for update of n skip locked\n    )\n    update node_run n\n       set held_by_id = null",
    ),
}


def _replace(text: str) -> None:
    """Put the functions of a file in place of those that the database has."""
    with connection.cursor() as cursor:
        cursor.execute(text.replace("create function", "create or replace function").replace("create trigger", "create or replace trigger"))


def _run_model(committed_rows: Rows) -> None:
    class Model(ProtocolModel):
        rows = committed_rows

    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=FOUND_WITHIN,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,),
            report_multiple_bugs=False,
            database=None,
        ),
    )


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_model_finds(mutant, committed_rows):
    name, sound, broken = MUTANTS[mutant]
    text = (SQL / f"{name}.sql").read_text()
    assert sound in text, "the mutant no longer fits the code"
    _replace(text.replace(sound, broken))
    try:
        with pytest.raises(BaseException) as caught:  # noqa: PT011  # an assertion, or an error of PostgreSQL
            _run_model(committed_rows)
        assert caught.type.__name__ not in ("KeyboardInterrupt", "SystemExit")
    finally:
        _replace(text)
        close_pool()


def test_the_model_finds_a_claim_that_ignores_holds(committed_rows, monkeypatch):
    sound = "and not exists (select from holds h where h.node_key in ('', n.key))"
    assert sound in protocol.CLAIM_IN_LOOP
    monkeypatch.setattr(protocol, "CLAIM_IN_LOOP", protocol.CLAIM_IN_LOOP.replace(sound, ""))

    with pytest.raises(AssertionError):
        _run_model(committed_rows)


def test_the_model_finds_a_claim_that_ignores_the_status(committed_rows, monkeypatch):
    sound = "(n.status = 'queued' or n.status = 'running' and n.claim_token = c.token)"
    assert sound in protocol.CLAIM_IN_LOOP
    monkeypatch.setattr(protocol, "CLAIM_IN_LOOP", protocol.CLAIM_IN_LOOP.replace(sound, "n.status in ('queued', 'running')"))

    with pytest.raises(AssertionError):
        _run_model(committed_rows)
