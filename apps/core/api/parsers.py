"""Bodies in: strict JSON, and YAML where a view accepts it."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from apps.core.yaml_values import load_yaml
from apps.engine.json_values import JsonTooLargeError, loads


class JsonParser(BaseParser):
    """JSON in UTF-8; refuses what PostgreSQL could not keep: NaN, integers over 64 bit, NUL, more than 64 levels."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return loads(read_bounded(stream), max_bytes=settings.MAX_BODY_BYTES)


class YamlParser(BaseParser):
    """One YAML document of plain JSON values."""

    media_type = "application/yaml"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return load_yaml(read_bounded(stream))


def read_bounded(stream: IO[bytes]) -> bytes:
    """At most one byte too many, so that a body over the limit is never held whole."""
    raw = stream.read(settings.MAX_BODY_BYTES + 1)
    if len(raw) > settings.MAX_BODY_BYTES:
        raise JsonTooLargeError(f"Expected at most {settings.MAX_BODY_BYTES} bytes, found more.", max_bytes=settings.MAX_BODY_BYTES)
    return raw
