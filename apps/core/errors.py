"""Kinds of errors that only a server has, beside those of the engine."""

from apps.engine.errors import StructForgeError


class UnauthenticatedError(StructForgeError):
    """The caller has not shown who they are (HTTP 401)."""

    code = "not_authenticated"


class TooManyRequestsError(StructForgeError):
    """The caller asks too often (HTTP 429)."""

    code = "too_many_requests"


class UnavailableError(StructForgeError):
    """A service that is needed does not answer, or cannot do it at the moment: trying again may help (HTTP 503)."""

    code = "unavailable"


class GoneError(StructForgeError):
    """What is named was there, and is over (HTTP 410)."""

    code = "gone"
