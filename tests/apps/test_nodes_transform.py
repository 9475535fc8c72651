"""`data.transform`: what JSONata gives, and what its children withstand."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.engine.outcomes import Failed
from apps.nodes.child_pool import ChildDiedError, ChildLateError, ChildPool, PoolBusyError
from tests.apps.nodes import failure_of, outcome_when_cancelled, output_of

ORDER = {"customer": "Ada", "items": [{"id": 1, "price": 2.5, "count": 2}, {"id": 2, "price": 10, "count": 1}]}


def transform(expression: str, value=None, **more) -> dict:
    return {"expression": expression, "input": value, **more}


@pytest.mark.parametrize(
    ("expression", "output"),
    [
        ("customer", "Ada"),
        ("$sum(items.(price * count))", 15),
        ('items[price > 5].{"id": id}', {"id": 2}),
        ('items.{"id": id, "total": price * count}', [{"id": 1, "total": 5}, {"id": 2, "total": 10}]),
        ("${customer: $count(items)}", {"Ada": 2}),
        ("nothing.here", None),
        ("[1..4]", [1, 2, 3, 4]),
        ('$uppercase(customer) & "!"', "ADA!"),
        ("$replace(customer, /a/i, 'o')", "odo"),
        ("$", ORDER),
    ],
)
def test_the_output_is_the_result_of_the_expression(expression, output):
    assert output_of("data.transform", transform(expression, ORDER)) == output


def test_many_items_are_reshaped():
    items = [{"id": n, "price": n} for n in range(2_000)]

    assert len(output_of("data.transform", transform("items[price >= 1000].id", {"items": items}))) == 1_000


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("$foo()", "non-function"),
        ("customer + 1", "must evaluate to a number"),
        ("function($x){$x}", "not JSON"),
        ("1/0", "ZeroDivisionError"),
        ("$error('no such order')", "no such order"),
        ("$eval('1 +')", "eval"),
        ("($f := function($n){1 + $f($n + 1)}; $f(1))", "Stack overflow"),
        ("$match(customer, /(a)\\1/)", "RE2"),
    ],
)
def test_an_expression_that_fails_says_why(expression, message):
    failed = failure_of("data.transform", transform(expression, ORDER))

    assert failed.error.code == "expression_failed"
    assert message in failed.error.message


def test_a_fault_names_its_place():
    assert failure_of("data.transform", transform("items.$foo(", ORDER)).error.details["position"] > 5


@pytest.mark.parametrize(
    ("expression", "codes"),
    [
        ("($f := function($n){$f($n + 1)}; $f(1))", ["timeout"]),
        ("$sort([1..1000000], function($a, $b){$a < $b})", ["timeout"]),
        ("$sum([1..10000000])", ["timeout", "memory_exceeded"]),
        ("$pad('x', 10000000000)", ["memory_exceeded"]),
        ("($d := function($s){$d($s & $s)}; $d('xxxxxxxx'))", ["memory_exceeded", "timeout", "expression_failed"]),
        ("1" + " + 1" * 4_000, ["expression_failed"]),
        ("[" * 2_000 + "]" * 2_000, ["expression_failed"]),
    ],
)
def test_an_expression_that_takes_too_much_fails_alone_and_in_time(expression, codes):
    started = time.monotonic()

    failed = failure_of("data.transform", transform(expression, timeout_seconds=0.5, memory_mb=32))

    assert failed.error.code in codes, failed
    assert time.monotonic() - started < 4
    assert output_of("data.transform", transform("1")) == 1


def test_a_pattern_that_backtracks_for_ever_elsewhere_takes_no_time():
    started = time.monotonic()

    assert output_of("data.transform", transform("$contains(text, /^(a+)+$/)", {"text": "a" * 1_000_000 + "b"})) is False
    assert time.monotonic() - started < 2


def test_an_endless_expression_ends_when_the_node_is_cancelled():
    endless = transform("($f := function($n){$f($n + 1)}; $f(1))", timeout_seconds=60)

    outcome = outcome_when_cancelled("data.transform", endless)

    assert isinstance(outcome, Failed)
    assert outcome.error.code == "cancelled"
    assert output_of("data.transform", transform("1")) == 1


def test_the_worker_keeps_its_recursion_limit_and_imports_no_jsonata():
    output_of("data.transform", transform("1"))

    assert "jsonata" not in sys.modules
    assert sys.getrecursionlimit() <= 1_000


ECHO = """
import os, struct, sys, time
while header := sys.stdin.buffer.read(4):
    request = sys.stdin.buffer.read(struct.unpack(">I", header)[0])
    if request == b"die": os.kill(os.getpid(), 11)
    if request == b"exit": sys.exit(1)
    if request == b"sleep": time.sleep(60)
    if request == b"environment": request = repr(dict(os.environ)).encode()
    if request == b"pid": request = str(os.getpid()).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(request)) + request)
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def pool():
    pool = ChildPool([sys.executable, "-I", "-c", ECHO], size=1, wait_seconds=0.2)
    yield pool
    pool.close()


class TestChildPool:
    def test_answers_and_keeps_its_child(self, pool):
        assert pool.ask(b"pid", seconds=10) == pool.ask(b"pid", seconds=10)

    def test_carries_large_messages(self, pool):
        assert pool.ask(b"x" * 10_000_000, seconds=20) == b"x" * 10_000_000

    def test_gives_children_no_environment(self, pool):
        assert b"DATABASE_URL" not in pool.ask(b"environment", seconds=10)

    def test_replaces_a_child_that_died(self, pool):
        first = pool.ask(b"pid", seconds=10)
        with pytest.raises(ChildDiedError) as died:
            pool.ask(b"die", seconds=10)
        with pytest.raises(ChildDiedError) as left:
            pool.ask(b"exit", seconds=10)

        assert (died.value.signal, left.value.signal) == (signal.SIGSEGV, None)
        assert pool.ask(b"pid", seconds=10) != first

    def test_kills_a_child_that_is_late(self, pool):
        pid = int(pool.ask(b"pid", seconds=10))

        with pytest.raises(ChildLateError):
            pool.ask(b"sleep", seconds=0.1)

        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def test_says_when_all_children_are_busy(self, pool):
        is_taken = threading.Event()
        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(pool.ask, b"sleep", seconds=1, on_cancel=lambda cancel: is_taken.set())
            assert is_taken.wait(10)
            with pytest.raises(PoolBusyError):
                pool.ask(b"second", seconds=1)

        assert isinstance(first.exception(), ChildLateError)

    def test_leaves_no_child_behind(self, pool):
        pid = int(pool.ask(b"pid", seconds=10))
        pool.close()

        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # what Python 3.12 says of it is why this is tested
    def test_a_forked_process_leaves_the_children_of_its_parent_alone(self, pool):
        pid = pool.ask(b"pid", seconds=10)
        reader, writer = os.pipe()
        if (forked := os.fork()) == 0:
            os.write(writer, pool.ask(b"pid", seconds=10))
            pool.close()
            os._exit(0)
        os.waitpid(forked, 0)
        os.close(writer)
        with os.fdopen(reader, "rb") as answers:
            of_the_forked = answers.read()

        assert of_the_forked not in (b"", pid)
        assert pool.ask(b"pid", seconds=10) == pid
