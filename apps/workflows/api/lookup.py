"""Naming people in requests."""

from allauth.core.internal import ratelimit
from rest_framework.request import Request

from apps.accounts.models import User
from apps.core.errors import TooManyRequestsError
from apps.workflows.sharing import get_person

_LIMITS = "allauth.account"  # whose ACCOUNT_RATE_LIMITS count


class TooManyTriesError(TooManyRequestsError):
    code = "too_many_attempts"


def limit(request: Request, action: str, key: str) -> ratelimit.RateLimitUsage:
    """Count a try of an action in settings.ACCOUNT_RATE_LIMITS; `rollback()` of what it returns takes it back.

    Raises TooManyTriesError when there were too many with this key.
    """
    usage = ratelimit.consume(request._request, app=_LIMITS, action=action, key=key, limit_get=True)
    if usage is None:
        raise TooManyTriesError("Too many tries. Wait a few minutes.")
    return usage


def find_person(request: Request, named: str) -> User:
    """As `sharing.get_person`, so many times in ten minutes: nobody walks through a list of names."""
    limit(request, "person_lookup", str(request.user.pk))
    return get_person(request.user, named)
