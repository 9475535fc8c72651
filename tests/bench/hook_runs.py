"""Webhooks, as a program that calls them would drive them. Needs Django to be set up."""

import statistics
import time
from typing import Any
from uuid import UUID

from apps.executions.wait import wait_until_settled
from apps.triggers.models import Webhook, WebhookCall
from apps.workflows.models import Workflow
from tests.bench.client import Client, in_parallel
from tests.bench.our_runs import PATIENCE_SECONDS, UnexpectedEndError, first_start

CONNECTIONS = 8


def address(workflow: Workflow) -> str:
    return f"/hooks/{Webhook.objects.get(workflow=workflow).token}"


def answer_and_start_seconds(client: Client, path: str, count: int) -> tuple[float, float]:
    """Medians, one call at a time: until it is answered, and until its first node has begun."""
    answers, starts = [], []
    for number in range(count):
        called, begun = time.time(), time.perf_counter()
        execution = client.post(path, _order(number), expect=(202,))
        answers.append(time.perf_counter() - begun)
        wait_until_settled(UUID(execution["id"]), PATIENCE_SECONDS)
        starts.append(first_start(execution["id"]) - called)
    return statistics.median(answers), statistics.median(starts)


def synchronous_seconds(client: Client, path: str, count: int) -> float:
    """Median of a call that is answered with the output."""
    taken = []
    for number in range(count):
        begun = time.perf_counter()
        client.post(path, _order(number), expect=(200,))
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def accepted_per_second(client: Client, path: str, count: int) -> float:
    """Calls that were answered 202 a second over a few kept connections, while workers run what they start. All of them are kept."""
    before = WebhookCall.objects.count()
    begun = time.perf_counter()
    in_parallel(count, CONNECTIONS, lambda: client.post(path, _order(1), expect=(202,)))
    taken = time.perf_counter() - begun
    if (kept := WebhookCall.objects.count() - before) != count:
        raise UnexpectedEndError(f"{kept} of {count} calls were kept")
    return count / taken


def _order(number: int) -> dict[str, Any]:
    return {"id": number, "customer": "Ada Lovelace", "lines": [{"sku": "WC-070", "count": 2}] * 5}
