"""How many executions led to one, by calls, by events and over HTTP: what goes in circles comes to an end."""

from collections.abc import Mapping

from apps.engine.errors import InvalidError

MAX_DEPTH = 10
HEADER = "x-structforge-depth"
"""Goes with every request that an execution sends: the depth of what this starts."""
_MAX_DIGITS = 2


class TooDeepError(InvalidError):
    """Too many executions led to what is to be started; details: {"depth": int, "max_depth": int}.

    HTTP 422, and not 508 (Loop Detected): senders take 5xx for a fault that passes, and would try again what can never be taken.
    """

    code = "too_deep"


def depth_in(headers: Mapping[str, str]) -> int:
    """What the headers of a request say: a plain number from 0 to 99, the largest where there are several; whatever else is 0.

    headers   in any case where the mapping heeds none, else in small letters
    Nobody proves it. Whoever is not an execution may say what they like, and only shortens their own way.
    """
    parts = (part.strip() for part in headers.get(HEADER, "").split(","))
    return max((int(part) for part in parts if part.isascii() and part.isdigit() and len(part) <= _MAX_DIGITS), default=0)


def check_depth(depth: int) -> None:
    """Raise TooDeepError for what too many executions led to."""
    if depth > MAX_DEPTH:
        message = f"{depth} executions led to this one, by calls, by events or over HTTP; at most {MAX_DEPTH} are allowed."
        raise TooDeepError(message, depth=depth, max_depth=MAX_DEPTH)
