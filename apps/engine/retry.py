"""When a failed attempt is tried again."""

from apps.engine.definition import Retry
from apps.engine.outcomes import Failed


def retry_delay_seconds(retry: Retry, *, attempt: int, draw: float) -> float:
    """Seconds until the next attempt.

    attempt   the one that failed, from 1
    draw      a random number in [0, 1)

    fixed: `delay`; exponential: `min(max_delay, delay * 2 ** (attempt - 1))`. Jitter j spreads a delay evenly over [(1 - j) * d, d].
    With delay 2, no jitter: 2, 4, 8 after attempts 1, 2, 3.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    delay = retry.delay_seconds
    if retry.strategy == "exponential":
        delay = min(retry.max_delay_seconds, delay * 2 ** min(attempt - 1, 60))
    return delay * (1 - retry.jitter * draw)


def allows_retry(retry: Retry | None, failed: Failed, *, attempt: int) -> bool:
    """Whether the policy grants another attempt after this failure."""
    if retry is None or failed.is_final or attempt >= retry.max_attempts:
        return False
    return not retry.on or failed.error.code in retry.on
