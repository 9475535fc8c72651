"""Reads of the fleet."""

from collections.abc import Mapping

from django.db import connection

# A worker that has just started, or just died, is no reason to worry anybody.
UNSERVED_AFTER_SECONDS = 20
MAX_SCANNED = 10_000
LIVE_SECONDS = 20  # as in sql/served_v1.sql

_UNSERVED = "select queue, priority, waiting from unserved_queues_v1(make_interval(secs => %s), %s)"


def unserved_queues() -> Mapping[str, int]:
    """{queue: node runs that wait} of queues that no live worker serves, as far as the 10,000 node runs tell that are due first."""
    with connection.cursor() as cursor:
        cursor.execute(_UNSERVED, [UNSERVED_AFTER_SECONDS, MAX_SCANNED])
        rows = cursor.fetchall()
    return {queue: sum(count for name, _, count in rows if name == queue) for queue, _, _ in rows}
