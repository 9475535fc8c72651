"""YAML as another way to write JSON: YAML 1.2's plain values, without tags and aliases.

A value that is read is built from the parser's events, not by a YAML constructor: nothing can be made that JSON cannot say, nothing
recurses, and `no`, `2026-11-21` or `1_000` stay the texts that they look like. Aliases are refused as a whole, since a few lines of them
can stand for billions of values.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml import events

from apps.engine.json_values import MAX_DEPTH, InvalidJsonError, check_json

MAX_BYTES = 2_000_000  # YAML takes some fifty times as long as JSON to read
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 25
_PLAIN = re.compile(r"[^\W\d_](?:[\w ./()+-]*[\w./()+-])?")
_ONE_LINE = 1_000_000


class InvalidYamlError(InvalidJsonError):
    """The text is not YAML, or is YAML that JSON cannot say; details: {"line", "column"}, from 1."""

    code = "not_yaml"


def load_yaml(raw: bytes) -> Any:
    """Read one YAML document as a JSON value. Raises InvalidYamlError."""
    if len(raw) > MAX_BYTES:
        raise InvalidYamlError(f"Expected at most {MAX_BYTES} bytes of YAML, found {len(raw)}; JSON may be longer.")
    try:
        value = _Builder().build(yaml.parse(raw.decode(), Loader=yaml.CSafeLoader))
    except UnicodeDecodeError as error:
        raise InvalidYamlError(f"Expected YAML in UTF-8, found the byte 0x{raw[error.start]:02x} at offset {error.start}.") from error
    except yaml.YAMLError as error:
        raise _syntax_error(error) from error
    check_json(value)
    return value


def dump_yaml(value: Any) -> bytes:
    """Write a JSON value as one YAML document, which `load_yaml` reads back as the same value."""
    text: bytes = yaml.dump(value, Dumper=_Dumper, encoding="utf-8", allow_unicode=True, sort_keys=False, width=_ONE_LINE)
    return text


class _Dumper(yaml.CSafeDumper):
    """Puts every text in quotes that some reader of YAML could take for something else; texts of several lines stand as they are."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if _is_plain(text) else "|" if _is_block(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS


def _is_block(text: str) -> bool:
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and bool(lines[0])
        and not lines[0].startswith(" ")
        and all(each.isprintable() and each == each.rstrip() for each in lines)
    )


class _Builder:
    """Puts events together. The open collections form a stack; a mapping's entry also has the key that waits for its value."""

    def __init__(self) -> None:
        self._open: list[tuple[dict[str, Any] | list[Any], list[str]]] = []
        self._documents: list[Any] = []

    def build(self, stream: Iterator[events.Event]) -> Any:
        for event in stream:
            self._take(event)
        if len(self._documents) != 1:
            raise InvalidYamlError(f"Expected one YAML document, found {len(self._documents)}.")
        return self._documents[0]

    def _take(self, event: events.Event) -> None:
        match event:
            case events.AliasEvent():
                raise _fault("Expected values, found an alias (*); write the value out", event)
            case events.ScalarEvent():
                self._add(_scalar(event), event)
            case events.MappingStartEvent():
                self._begin({}, event)
            case events.SequenceStartEvent():
                self._begin([], event)
            case events.CollectionEndEvent():
                self._open.pop()

    def _begin(self, collection: dict[str, Any] | list[Any], event: events.CollectionStartEvent) -> None:
        _refuse_tag(event)
        if len(self._open) == MAX_DEPTH:
            raise _fault(f"Expected at most {MAX_DEPTH} levels of nesting, found more", event)
        self._add(collection, event)
        self._open.append((collection, []))

    def _add(self, value: Any, event: events.NodeEvent) -> None:
        if not self._open:
            self._documents.append(value)
            return
        collection, waiting_key = self._open[-1]
        if isinstance(collection, list):
            collection.append(value)
        elif waiting_key:
            collection[waiting_key.pop()] = value
        else:
            waiting_key.append(_key(value, collection, event))


def _key(value: Any, collection: dict[str, Any], event: events.NodeEvent) -> str:
    if not isinstance(event, events.ScalarEvent) or not isinstance(value, str):
        raise _fault("Expected a key that is a text; put it in quotes", event)
    if value in collection:
        raise _fault(f"The key '{value}' is given twice in one mapping", event)
    return value


def _scalar(event: events.ScalarEvent) -> Any:
    _refuse_tag(event)
    text: str = event.value
    if event.style is not None and event.style != "":
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise _fault("Expected an integer of at most 64 bits, found a longer one", event)
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _refuse_tag(event: events.NodeEvent) -> None:
    if event.tag not in (None, "!"):
        raise _fault(f"Expected a plain value, found the tag {event.tag}", event)


def _fault(message: str, event: events.Event) -> InvalidYamlError:
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    return InvalidYamlError(f"{message} (line {line}, column {column}).", line=line, column=column)


def _syntax_error(error: yaml.YAMLError) -> InvalidYamlError:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return InvalidYamlError(f"Not YAML: {error}.")
    return InvalidYamlError(
        f"Not YAML: {getattr(error, 'problem', 'a syntax error')} (line {mark.line + 1}, column {mark.column + 1}).",
        line=mark.line + 1,
        column=mark.column + 1,
    )
