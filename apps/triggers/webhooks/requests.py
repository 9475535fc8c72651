"""A request to a webhook, read: bytes in, JSON values out. By its content type alone, and nothing is guessed."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from allauth.core.internal.httpkit import get_client_ip
from django.http import HttpRequest

from apps.engine.json_values import JsonTooLargeError, check_json, loads

MAX_PATH = 2000
MAX_FIELDS = 1000  # of a form or a query
_FORM = "application/x-www-form-urlencoded"


class BodyTooLargeError(JsonTooLargeError):
    """details: {"max_bytes": int} (HTTP 413)"""

    code = "body_too_large"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came.

    headers   {name in small letters: value}
    path      what follows the token in the address, "" or "/…"
    """

    method: str
    path: str
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    raw: bytes
    ip: str | None

    def body(self) -> Any:
        """JSON as its value, forms as {name: value}, text as text, and whatever else as {"base64": str, "content_type": str}; None without
        a body. Raises InvalidJsonError.
        """
        if not self.raw:
            return None
        content_type = self.headers.get("content-type", "")
        kind, _, parameters = content_type.partition(";")
        kind = kind.strip().lower()
        if kind == "application/json" or kind.endswith("+json"):
            return loads(self.raw, max_bytes=len(self.raw))
        if kind == _FORM and (text := _text(self.raw, "utf-8")) is not None:
            return grouped(parse_qsl(text, keep_blank_values=True, max_num_fields=None)[:MAX_FIELDS])
        if (kind.startswith("text/") or kind in ("application/xml", "") or kind.endswith("+xml")) and (
            text := _text(self.raw, _charset(parameters))
        ) is not None:
            return text
        return {"base64": base64.b64encode(self.raw).decode(), "content_type": content_type}


def read(request: HttpRequest, *, path: str, max_bytes: int) -> Incoming:
    """Raises BodyTooLargeError, InvalidJsonError for a query that cannot be kept."""
    raw = request.read(max_bytes + 1)
    if len(raw) > max_bytes:
        raise BodyTooLargeError(f"Expected a body of at most {max_bytes} bytes, found more.", max_bytes=max_bytes)
    query = grouped((name, value) for name, values in request.GET.lists() for value in values)
    check_json(query)
    return Incoming(
        method=request.method or "GET",
        path=path.replace("\0", "\ufffd")[:MAX_PATH],
        query=query,
        headers={name.lower(): value.replace("\0", "\ufffd") for name, value in request.headers.items()},
        raw=raw,
        ip=get_client_ip(request),
    )


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """{name: value, or a list where the name comes more than once}"""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _charset(parameters: str) -> str:
    for part in parameters.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return "utf-8"


_CHARSETS = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252", "utf-16"})


def _text(raw: bytes, charset: str) -> str | None:
    """None where it is no text in that character set, or one that cannot be kept."""
    if charset not in _CHARSETS:
        return None
    try:
        text = raw.decode(charset)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
