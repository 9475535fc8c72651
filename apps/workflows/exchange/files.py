"""Exports as files: as JSON, or as YAML that people read."""

from typing import Any

import orjson
from django.conf import settings
from django.http import HttpResponse
from django.utils.http import content_disposition_header

from apps.core.yaml_values import MAX_BYTES, dump_yaml, load_yaml
from apps.engine.json_values import loads
from apps.workflows.exchange.exporting import ExportTooLargeError

YAML = "application/yaml"
YAML_ENDINGS = (".yaml", ".yml")


def file_of(document: dict[str, Any], *, name: str, is_yaml: bool) -> HttpResponse:
    """The document to keep. Raises ExportTooLargeError."""
    raw, media_type, ending = orjson.dumps(document), "application/json", "json"
    if is_yaml:
        raw, media_type, ending = _yaml(document, len(raw)), YAML, "yaml"
    return HttpResponse(raw, content_type=media_type, headers={"Content-Disposition": content_disposition_header(True, f"{name}.{ending}")})


def read_file(raw: bytes, *, name: str) -> Any:
    """What is in a file; its name says whether that is YAML. Raises InvalidJsonError."""
    return load_yaml(raw) if name.lower().endswith(YAML_ENDINGS) else loads(raw, max_bytes=settings.MAX_BODY_BYTES)


def _yaml(document: dict[str, Any], json_bytes: int) -> bytes:
    """The document as YAML, which takes long to write and to read: what could not be imported again is not written."""
    raw = dump_yaml(document) if json_bytes <= MAX_BYTES else b""
    if not 0 < len(raw) <= MAX_BYTES:
        raise ExportTooLargeError(f"Expected at most {MAX_BYTES} bytes of YAML, found more. Export JSON.", max_bytes=MAX_BYTES)
    return raw
