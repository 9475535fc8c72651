"""What drf-spectacular cannot know of the API's description."""

from typing import Any

from drf_spectacular.plumbing import get_lib_doc_excludes

from apps.core.api.serializers import InputSerializer

_ERROR = {
    "description": "Any other answer is an error.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def classes_with_inner_words() -> list[type]:
    """Classes whose docstrings are for readers of the code: the description of what is derived from them does without."""
    return [*get_lib_doc_excludes(), InputSerializer]


def add_summaries(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: the first sentence of an operation's description stands beside its address."""
    for operations in result["paths"].values():
        for operation in operations.values():
            operation.setdefault("summary", _first_sentence(operation))
    return result


def _first_sentence(operation: dict[str, Any]) -> str:
    text: str = operation.get("description", operation["operationId"])
    return text.partition("\n")[0].partition(". ")[0].rstrip(".")


def add_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: give every operation the one shape of errors as its default answer."""
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", _ERROR)
    return result
