"""What drf-spectacular cannot know of the API's description."""

from typing import Any

_ERROR = {
    "description": "Any other answer is an error.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def add_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: give every operation the one shape of errors as its default answer."""
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", _ERROR)
    return result
