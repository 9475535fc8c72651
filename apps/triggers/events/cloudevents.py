"""Events as HTTP brings them: plain JSON, and CloudEvents 1.0 in binary, structured and batched mode.

Source: CloudEvents 1.0.2, HTTP Protocol Binding §3 and JSON Event Format §2–4.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from django.utils.dateparse import parse_datetime

from apps.engine.errors import StructForgeError
from apps.engine.json_values import loads
from apps.engine.problems import shown
from apps.triggers.events.sending import MAX_BATCH, InvalidEventError, NewEvent

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
SPEC_VERSION = "1.0"
_EXTENSION = re.compile(r"[a-z0-9]{1,64}")
_OWN = frozenset({"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"})
_PLAIN = frozenset({"id", "source", "type", "subject", "time", "data"})


class UnsupportedEventError(StructForgeError):
    """A content type that no event has (HTTP 415)."""

    code = "unsupported_media_type"


def read_events(raw: bytes, *, content_type: str, headers: Mapping[str, str], max_bytes: int) -> list[NewEvent]:
    """headers   {name in small letters: value}

    Raises InvalidEventError with the pointer of the fault, InvalidJsonError, UnsupportedEventError.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == STRUCTURED:
        return [_structured(loads(raw, max_bytes=max_bytes), "")]
    if kind == BATCHED:
        return [_structured(each, f"/{index}") for index, each in enumerate(_batch(loads(raw, max_bytes=max_bytes)))]
    if "ce-specversion" in headers:
        return [_binary(raw, kind, headers, max_bytes)]
    if kind not in ("application/json", ""):
        raise UnsupportedEventError(f"Expected application/json, {STRUCTURED} or {BATCHED}, found '{kind[:80]}'.")
    document = loads(raw, max_bytes=max_bytes)
    if isinstance(document, list):
        return [_plain(each, f"/{index}") for index, each in enumerate(_batch(document))]
    return [_plain(document, "")]


def _plain(document: Any, pointer: str) -> NewEvent:
    _check_object(document, pointer)
    if unknown := sorted(set(document) - _PLAIN):
        raise InvalidEventError(
            f"Unknown key '{unknown[0][:60]}'; expected {', '.join(sorted(_PLAIN))}.", pointer=f"{pointer}/{unknown[0][:60]}"
        )
    return _event(document, pointer, data=document.get("data"), required=("type",))


def _structured(document: Any, pointer: str) -> NewEvent:
    _check_object(document, pointer)
    if wrong := [name for name in document if name not in _OWN and not _EXTENSION.fullmatch(name)]:
        raise InvalidEventError("Expected attributes of small letters and digits.", pointer=f"{pointer}/{wrong[0][:60]}")
    _check_version(document.get("specversion"), pointer)
    data = document.get("data")
    if "data_base64" in document:
        data = _decoded(document, pointer)
    return _event(document, pointer, data=data, required=("id", "source", "type"))


def _binary(raw: bytes, kind: str, headers: Mapping[str, str], max_bytes: int) -> NewEvent:
    attributes = {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    _check_version(attributes.get("specversion"), "")
    is_json = kind == "application/json" or kind.endswith("+json")
    data: Any = None
    if raw and is_json:
        data = loads(raw, max_bytes=max_bytes)
    elif raw:
        data = _text(raw) if kind.startswith("text/") else {"base64": base64.b64encode(raw).decode(), "content_type": kind}
    return _event(attributes, "", data=data, required=("id", "source", "type"))


def _event(document: Mapping[str, Any], pointer: str, *, data: Any, required: Sequence[str]) -> NewEvent:
    texts = {name: _attribute(document, name, pointer, is_required=name in required) for name in ("type", "id", "source", "subject")}
    return NewEvent(data=data, time=_time(document.get("time"), pointer), pointer=pointer, **texts)


def _attribute(document: Mapping[str, Any], name: str, pointer: str, *, is_required: bool) -> str:
    value = document.get(name)
    if value is None and not is_required:
        return ""
    if not isinstance(value, str) or (is_required and not value):
        raise InvalidEventError(f"Expected a text as {name}, found {shown(value)}.", pointer=f"{pointer}/{name}")
    return value


def _time(value: Any, pointer: str) -> datetime | None:
    if value is None:
        return None
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidEventError(
            f"Expected an instant such as 2026-01-31T12:00:00Z as time, found {shown(value)}.", pointer=f"{pointer}/time"
        )
    return found


def _decoded(document: Mapping[str, Any], pointer: str) -> dict[str, str]:
    """Bytes stay base64, since JSON has none; what is no base64 is refused."""
    text = document["data_base64"]
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise InvalidEventError("Expected base64 as data_base64.", pointer=f"{pointer}/data_base64") from None
    return {"base64": text, "content_type": str(document.get("datacontenttype", ""))}


def _batch(documents: Any) -> list[Any]:
    if not isinstance(documents, list) or not 0 < len(documents) <= MAX_BATCH:
        found = f"{len(documents)} of them" if isinstance(documents, list) else shown(documents)
        raise InvalidEventError(f"Expected an array of 1 to {MAX_BATCH} events, found {found}.", pointer="")
    return documents


def _check_object(document: Any, pointer: str) -> None:
    if not isinstance(document, dict):
        raise InvalidEventError(f"Expected an event as an object, found {shown(document)}.", pointer=pointer)


def _check_version(version: Any, pointer: str) -> None:
    if version != SPEC_VERSION:
        raise InvalidEventError(f"Expected the specversion {SPEC_VERSION}, found {shown(version)}.", pointer=f"{pointer}/specversion")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")
