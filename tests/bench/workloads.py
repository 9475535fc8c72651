"""W1 to W6, webhooks, loops, and a full database: which candidates are compared, and what is to be reached."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

from apps.workflows.models import Workflow
from tests.bench import due, hook_runs, our_runs, plain_runs, shapes
from tests.bench.crowd import add_finished_node_runs
from tests.bench.measure import Sample, interleave
from tests.bench.platform import Platform
from tests.bench.table import Row, absolute, at_least, at_most, compared
from tests.chaos.publishing import publish

CHAIN, WIDTH, LINKS = 40, 1000, 3
MILLION = 1_000_000
MILLISECONDS = 1000
DUE, WORKFLOWS, IDLE = 1000, 100, 100_000
IDLE_SECONDS = 15.0
BURST = 5000  # webhooks: ten seconds of 500


def w1(platform: Platform, repeats: int) -> list[Row]:
    """40 steps of fib(10) in a row, from the call to the end."""
    pure, idempotent, external = _published(
        shapes.chain(shapes.PURE, CHAIN), shapes.chain(shapes.IDEMPOTENT, CHAIN), shapes.chain(shapes.EXTERNAL, CHAIN)
    )
    taken = interleave(
        {
            "celery": partial(plain_runs.chain_seconds, CHAIN),
            "pure": partial(our_runs.run_seconds, pure),
            "idempotent": partial(our_runs.run_seconds, idempotent),
            "external": partial(our_runs.run_seconds, external),
        },
        repeats=repeats,
        warm_ups=3,
    )
    against = partial(_against, taken, unit="s")
    return [
        against("W1_pure", "W1: 40 pure steps in a row", "pure", aim=at_most(0.3)),
        against(None, "W1: 40 idempotent steps in a row", "idempotent", aim=at_most(1.5)),
        against("W1_external", "W1: 40 external steps in a row", "external", aim=at_most(1.5)),
    ]


def w2(platform: Platform, repeats: int) -> list[Row]:
    """One step, 1,000 in parallel, a join."""
    (wide,) = _published(shapes.fan(shapes.IDEMPOTENT, WIDTH))
    taken = interleave(
        {"celery": partial(plain_runs.fan_seconds, WIDTH), "ours": partial(our_runs.run_seconds, wide)}, repeats=max(3, repeats // 2)
    )
    return [_against(taken, "W2", "W2: 1 → 1,000 in parallel → join", "ours", aim=at_most(1.0), unit="s")]


def w3(platform: Platform, repeats: int) -> list[Row]:
    """Workflows of three steps, runs per second."""
    pure, external = _published(shapes.chain(shapes.PURE, LINKS), shapes.chain(shapes.EXTERNAL, LINKS))
    count = 300
    taken = interleave(
        {
            "celery": partial(plain_runs.chains_per_second, count, LINKS),
            "http": partial(our_runs.runs_per_second_by_http, platform.client, pure, count),
            "bulk": partial(our_runs.runs_per_second_in_bulk, pure, count),
            "external": partial(our_runs.runs_per_second_in_process, external, count),
        },
        repeats=max(3, repeats // 2),
    )
    against = partial(_against, taken, unit="/s")
    return [
        against("W3_pure_http", "W3: three pure steps, one HTTP call each", "http", aim=at_least(0.6)),
        against("W3_pure_bulk", "W3: three pure steps, bulk start", "bulk", aim=at_least(1.5)),
        against("W3_external", "W3: three external steps, in-process start", "external", aim=at_least(0.6)),
    ]


def w4(platform: Platform, repeats: int) -> list[Row]:
    """Latency of a start over HTTP, and of an answer that waits for the end."""
    (single,) = _published(shapes.chain(shapes.PURE, 1))
    count = 10 * repeats
    celery = plain_runs.start_seconds(count) * MILLISECONDS
    our_runs.answer_and_start_seconds(platform.client, single, 10)
    answer, start = (seconds * MILLISECONDS for seconds in our_runs.answer_and_start_seconds(platform.client, single, count))
    synchronous = our_runs.synchronous_seconds(platform.client, single, count) * MILLISECONDS
    return [
        absolute("W4_answer", "W4: start over HTTP is answered, p50", value=answer, unit="ms", limit=6),
        absolute("W4_start", "W4: until the first node has begun, p50", value=start, unit="ms", limit=8, celery=celery),
        absolute("W4_sync", "W4: start that waits for the result, p50", value=synchronous, unit="ms", limit=15),
    ]


def hooks(platform: Platform, repeats: int) -> list[Row]:
    """Calls of a webhook: answered, begun, answered with the output; and how many a second are taken."""
    at_once, waiting = _published(shapes.called("at_once"), shapes.called("last_node"))
    count = 10 * repeats
    path = hook_runs.address(at_once)
    platform.client.forget()  # the server has closed what was idle meanwhile
    hook_runs.answer_and_start_seconds(platform.client, path, 10)
    answer, start = (seconds * MILLISECONDS for seconds in hook_runs.answer_and_start_seconds(platform.client, path, count))
    synchronous = hook_runs.synchronous_seconds(platform.client, hook_runs.address(waiting), count) * MILLISECONDS
    rate = median(hook_runs.accepted_per_second(platform.client, path, BURST) for _ in range(3))
    return [
        absolute("hook_answer", "Webhook is answered, p50", value=answer, unit="ms", limit=6),
        absolute("hook_start", "Webhook until the first node has begun, p50", value=start, unit="ms", limit=8),
        absolute("hook_sync", "Webhook that is answered with the output, p50", value=synchronous, unit="ms", limit=15),
        Row("hook_rate", "Webhooks taken a second, while they run", rate, None, "/s", "≥ 500 /s", rate >= 500),
    ]


def w5(platform: Platform, repeats: int) -> list[Row]:
    """The idle platform: memory of all its processes without PostgreSQL and Valkey, and the time from start to ready."""
    ours, celery = platform.idle_pss_mib()
    return [
        absolute("W5_pss_mib", "W5: idle platform without PostgreSQL and Valkey, PSS", value=ours, unit="MiB", limit=350, celery=celery),
        absolute("W5_ready_s", "W5: from start to ready", value=platform.ready_seconds, unit="s", limit=6),
    ]


def w6(platform: Platform, repeats: int) -> list[Row]:
    """1,000 schedules of 100 workflows due in one second; and what 100,000 cost that are not due."""
    workflows = _published(*({**shapes.chain(shapes.PURE, 1), "name": f"due {number}"} for number in range(WORKFLOWS)))
    due.make_schedules(workflows, DUE)
    made: list[float] = []

    def all_start() -> float:
        seconds, begun = due.seconds_until_all_start(DUE)
        made.append(seconds)
        return begun

    plain = partial(plain_runs.seconds_until_all_start, DUE)
    taken = interleave({"celery": plain, "ours": all_start}, repeats=max(3, repeats // 2))
    return [
        absolute("W6_made", "W6: 1,000 schedules due in one second, until all have an execution", value=median(made), unit="s", limit=2),
        absolute(
            "W6",
            "W6: until the first step of each has begun",
            value=taken["ours"].median,
            unit="s",
            limit=2,
            celery=taken["celery"].median,
            spread=taken["ours"].spread,
            celery_spread=taken["celery"].spread,
        ),
        absolute("W6_idle", "W6: 100,000 schedules more that are not due", value=_idle_cost(platform), unit="% of a core", limit=2),
    ]


def _idle_cost(platform: Platform) -> float:
    """Of one core, in per cent: what the idle platform uses with 100,000 schedules more, less what it uses without them."""
    without = _idle_share(platform)
    due.add_idle_schedules(IDLE)
    _idle_share(platform)
    return max(0.0, 100 * (_idle_share(platform) - without))


def _idle_share(platform: Platform) -> float:
    before, begun = platform.cpu_seconds(), time.monotonic()
    time.sleep(IDLE_SECONDS)  # it is the time that is measured
    return (platform.cpu_seconds() - before) / (time.monotonic() - begun)


def loops(platform: Platform, repeats: int) -> list[Row]:
    """Loops over 1,000 items of a brief and of an external node, beside as many in parallel; and one over 10,000 items of a pure node."""
    twice = {"key": "twice", "type": "data.set", "config": {"values": {"twice": "${item * 2}"}}}
    documents = {
        "fan": shapes.fan(shapes.IDEMPOTENT, WIDTH),
        "loop": shapes.loop(WIDTH, shapes.step("work", shapes.IDEMPOTENT), parallel=WIDTH),
        "external fan": shapes.fan(shapes.EXTERNAL, WIDTH),
        "external loop": shapes.loop(WIDTH, shapes.step("work", shapes.EXTERNAL), parallel=WIDTH),
        "pure": shapes.loop(10 * WIDTH, twice, parallel=10),
    }
    runs = {name: partial(our_runs.run_seconds, each) for name, each in zip(documents, _published(*documents.values()), strict=True)}
    with platform.watching_workers() as most:
        taken = interleave(runs, repeats=max(3, repeats // 2))

    def beside(key: str, what: str, loop: str, fan: str) -> Row:
        ours, theirs = taken[loop].median, taken[fan].median
        return absolute(key, what, value=ours / theirs, unit="×", limit=1.2, spread=f"{ours:.3g} s to {theirs:.3g} s")

    return [
        beside("L1_ratio", "Loop over 1,000 items, one brief node each, to W2", "loop", "fan"),
        beside("L1_external_ratio", "Loop over 1,000 items, one external node each, to 1,000 in parallel", "external loop", "external fan"),
        absolute("L2_pure_s", "Loop over 10,000 items of a pure node", value=taken["pure"].median, unit="s", limit=3),
        absolute("L3_worker_mib", "Largest worker process through these loops, PSS", value=most.mib, unit="MiB", limit=300),
    ]


def crowd(platform: Platform, repeats: int) -> list[Row]:
    """40 external steps in a row, with nothing else in the database and with 1,000,000 finished node runs.

    Each to plain Celery in the same minute: in the time that a million rows take to make, the machine itself becomes faster or slower.
    """
    (row,) = _published(shapes.chain(shapes.EXTERNAL, CHAIN))
    runs = {"celery": partial(plain_runs.chain_seconds, CHAIN), "ours": partial(our_runs.run_seconds, row)}

    def to_celery() -> float:
        taken = interleave(runs, repeats=2 * repeats)
        return taken["ours"].median / taken["celery"].median

    before = to_celery()
    add_finished_node_runs(row, MILLION)
    ratio = to_celery() / before
    what = "W1 external with 1,000,000 finished node runs beside it, to without"
    return [absolute("crowd_ratio", what, value=ratio, unit="×", limit=1.1)]


# What nothing has warmed up yet is measured first.
WORKLOADS: Mapping[str, Callable[[Platform, int], list[Row]]] = {
    "W5": w5,
    "W1": w1,
    "W2": w2,
    "W3": w3,
    "W4": w4,
    "W6": w6,
    "hooks": hooks,
    "loops": loops,
    "crowd": crowd,
}


def _published(*documents: shapes.JSON) -> list[Workflow]:
    return publish(documents)


def _against(taken: Mapping[str, Sample], key: str | None, what: str, name: str, *, aim: tuple[str, float, bool], unit: str) -> Row:
    ours, celery = taken[name], taken["celery"]
    return compared(key, what, value=ours.median, celery=celery.median, unit=unit, aim=aim, spread=ours.spread, celery_spread=celery.spread)
