"""The root of all errors that StructForge raises on purpose."""

from collections.abc import Mapping
from typing import Any, ClassVar


class StructForgeError(Exception):
    """An error with a stable code, a sentence for a person, and its data.

    code      stable, for programs: `workflow_not_published`
    message   what was found and what was expected; never holds a secret
    details   JSON values that locate the fault: `{"pointer": "/nodes/2/config/url"}`
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, /, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details


class InvalidError(StructForgeError):
    """The request itself is wrong (HTTP 422)."""

    code = "invalid"


class ConflictError(StructForgeError):
    """The request is right, but not in the present state (HTTP 409)."""

    code = "conflict"


class NotFoundError(StructForgeError):
    """What is named does not exist, or the caller may not know that it does (HTTP 404)."""

    code = "not_found"


class ForbiddenError(StructForgeError):
    """The caller may see it, but not do this (HTTP 403)."""

    code = "forbidden"
