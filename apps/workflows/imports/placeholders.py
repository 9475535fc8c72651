"""What stands in the place of a node that could not be brought over: it fails, and says what to do."""

from typing import Any

import orjson

MAX_NOTES = 10_000
_MAX_MESSAGE = 600


def placeholder_config(name: str, type: str, reason: str) -> dict[str, Any]:
    """The config of a `code.python` that raises."""
    message = f"Not imported: '{name}' ({type}). {reason}"[:_MAX_MESSAGE]
    return {"code": f"raise RuntimeError({_python_text(message)})"}


def notes_of(parameters: Any, notes: str) -> str:
    """The notes of a node, followed by what it was told to do where it comes from."""
    original = orjson.dumps(parameters, option=orjson.OPT_INDENT_2).decode()
    code = next(
        (parameters[name] for name in ("jsCode", "functionCode", "code") if isinstance(parameters, dict) and name in parameters), None
    )
    body = code if isinstance(code, str) else original
    return f"{notes}\n\nOriginal:\n{body}".strip()[:MAX_NOTES]


def _python_text(text: str) -> str:
    # JSON's text is Python's, but for what lies beyond the plain characters, which Python takes as it is.
    return orjson.dumps(text).decode()
