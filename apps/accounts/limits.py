"""How often one may try. allauth counts, in Django's cache, which is in PostgreSQL: the limits hold while Redis is away."""

import math
import time

from allauth.account.adapter import get_adapter
from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.http import HttpRequest

from apps.core.errors import TooManyRequestsError

_APP = "allauth.account"  # whose ACCOUNT_RATE_LIMITS count


class TooManyAttemptsError(TooManyRequestsError):
    """details: {"retry_after_seconds": int}"""

    code = "too_many_attempts"


def consume(request: HttpRequest, action: str, *, key: str | None = None) -> None:
    """Count a try. Raises TooManyAttemptsError when there were too many.

    action   a key of settings.ACCOUNT_RATE_LIMITS
    key      what is tried, such as a name, for limits "per key"
    """
    if not ratelimit.consume(request, app=_APP, action=action, key=key, limit_get=True):
        raise too_many(request, action, key=key)


def too_many(request: HttpRequest, action: str, *, key: str | None = None) -> TooManyAttemptsError:
    """The error that says how long to wait."""
    seconds = _seconds_to_wait(request, action, key)
    return TooManyAttemptsError(f"Too many tries. Wait {seconds} seconds.", retry_after_seconds=seconds)


def login_key(request: HttpRequest, username: str) -> str:
    """What failed logins of a name are counted by."""
    return str(get_adapter()._get_login_attempts_cache_key(request, username=username))


def _seconds_to_wait(request: HttpRequest, action: str, key: str | None) -> int:
    """Until the oldest try that counts is old enough, by every limit that is reached; 1 at least."""
    waits = [1.0]
    for rate in ratelimit.get_rates(app=_APP, action=action):
        if rate.per == "key" and key is None:
            continue
        tries = cache.get(ratelimit.get_cache_key(request, app=_APP, action=action, rate=rate, key=key), [])
        if len(tries) >= rate.amount:
            waits.append(tries[-1] + rate.duration - time.time())
    return math.ceil(max(waits))
