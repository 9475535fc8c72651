"""The form of a task as fields of a page. What a page cannot draw, such as an array of objects, is a field for JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import orjson

from apps.engine.pointers import pointer_to

MAX_DEPTH = 3
MAX_RADIOS = 4
MAX_OUTCOMES = 6
LINE = 200  # characters; what may be longer gets several lines
_INPUTS = {"date": "date", "time": "time", "email": "email", "uri": "url", "password": "password"}
_LIMITS = {"minimum": "min", "maximum": "max", "minLength": "minlength", "maxLength": "maxlength", "pattern": "pattern"}
WHOLE = "json"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked.

    pointer      where its answer stands in the answers
    kind         text, long, number, integer, checkbox, radios, select, checkboxes, lines, json or group
    attributes   of the HTML element
    choices      values to choose from, with their labels
    fields       of a group
    """

    pointer: str
    path: tuple[str, ...]
    kind: str
    label: str
    hint: str = ""
    is_required: bool = False
    default: Any = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    choices: Sequence[tuple[Any, str]] = ()
    fields: Sequence["Field"] = ()

    @property
    def name(self) -> str:
        """Of the form control."""
        return f"answer{self.pointer}"

    @property
    def id(self) -> str:
        return "answer" + "".join(char if char.isalnum() else f"-{ord(char)}-" for char in self.pointer)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A button that ends a task. `answers` is what it says: {} or {name of the decision: value}; `word` of `words`, else `label`."""

    answers: Mapping[str, Any]
    word: str = ""
    label: str = ""
    look: str = "plain"


@dataclass(frozen=True, slots=True)
class Form:
    fields: Sequence[Field]
    outcomes: Sequence[Outcome]


def form_of(schema: Mapping[str, Any], decision: str) -> Form:
    """What a page asks, and the buttons that it has: one for each way to decide."""
    if not schema:
        return Form([Field("/comments", ("comments",), "long", "")], _yes_or_no(decision))
    if not isinstance(schema.get("properties"), Mapping):
        return Form([Field("", (), WHOLE, "", default={})], [Outcome({}, "complete", look="yes")])
    properties = schema["properties"]
    outcomes = _outcomes(decision, _resolved(properties[decision], schema) if decision in properties else None)
    asked = {name: each for name, each in properties.items() if outcomes is None or name != decision}
    fields = list(_fields({**schema, "properties": asked}, schema, ()))
    return Form(fields, outcomes or [Outcome({}, "complete", look="yes")])


def _outcomes(decision: str, schema: Any) -> Sequence[Outcome] | None:
    """The buttons that a decision has; None where it is a field as others are, or none at all."""
    if not isinstance(schema, Mapping):
        return None
    if schema.get("type") == "boolean":
        return _yes_or_no(decision)
    choices = _choices(schema)
    if 0 < len(choices) <= MAX_OUTCOMES:
        return [
            Outcome({decision: value}, label=label, look="yes" if not index else "plain") for index, (value, label) in enumerate(choices)
        ]
    return None


def _yes_or_no(decision: str) -> Sequence[Outcome]:
    return [Outcome({decision: True}, "approve", look="yes"), Outcome({decision: False}, "reject", look="no")]


def _fields(schema: Mapping[str, Any], root: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Field]:
    required = schema["required"] if isinstance(schema.get("required"), list) else []
    for name, each in _in_order(schema["properties"], required):
        yield _field(_resolved(each, root), root, (*path, name), is_required=name in required)


def _in_order(properties: Mapping[str, Any], required: Sequence[str]) -> Iterable[tuple[str, Any]]:
    """By `propertyOrder`, then as `required` has them: PostgreSQL keeps the keys of an object in an order of its own."""

    def place(each: tuple[str, Any]) -> tuple[float, int]:
        name, schema = each
        order = schema.get("propertyOrder") if isinstance(schema, Mapping) else None
        return order if isinstance(order, int | float) else inf, required.index(name) if name in required else len(required)

    return sorted(properties.items(), key=place)


def _field(schema: Any, root: Mapping[str, Any], path: tuple[str, ...], *, is_required: bool) -> Field:
    found = schema if isinstance(schema, Mapping) else {}
    choices = _choices(found)
    items = _resolved(found.get("items"), root)
    kind = _kind(found, choices, items if isinstance(items, Mapping) else {}, depth=len(path))
    return Field(
        pointer=pointer_to(*path),
        path=path,
        kind=kind,
        label=str(found.get("title") or path[-1].replace("_", " ")),
        hint=str(found.get("description") or ""),
        is_required=is_required,
        default=found.get("default"),
        attributes=_attributes(found, kind),
        choices=choices or (_choices(items) if isinstance(items, Mapping) else ()),
        fields=list(_fields(found, root, path)) if kind == "group" else (),
    )


def _kind(schema: Mapping[str, Any], choices: Sequence[Any], items: Mapping[str, Any], *, depth: int) -> str:
    if choices:
        return "radios" if len(choices) <= MAX_RADIOS else "select"
    match schema.get("type"):
        case "string":
            return "text" if schema.get("format") in _INPUTS or schema.get("maxLength", LINE + 1) <= LINE else "long"
        case "number" | "integer" as kind:
            return str(kind)
        case "boolean":
            return "checkbox"
        case "array" if _choices(items):
            return "checkboxes"
        case "array" if items.get("type") == "string":
            return "lines"
        case "object" if isinstance(schema.get("properties"), Mapping) and depth < MAX_DEPTH:
            return "group"
    return "json"


def _choices(schema: Mapping[str, Any]) -> Sequence[tuple[Any, str]]:
    if isinstance(values := schema.get("enum"), list):
        return [(value, _shown(value)) for value in values]
    options = schema.get("oneOf")
    if isinstance(options, list) and options and all(isinstance(each, Mapping) and "const" in each for each in options):
        return [(each["const"], str(each.get("title") or _shown(each["const"]))) for each in options]
    return ()


def _attributes(schema: Mapping[str, Any], kind: str) -> dict[str, str]:
    if kind in ("number", "integer"):
        step = {"step": "1" if kind == "integer" else "any", "inputmode": "numeric" if kind == "integer" else "decimal"}
        return {"type": "number", **step, **_limits(schema, ("minimum", "maximum"))}
    if kind == "text":
        return {"type": _INPUTS.get(str(schema.get("format")), "text"), **_limits(schema, ("minLength", "maxLength"))}
    return _limits(schema, ("minLength", "maxLength")) if kind == "long" else {}


def _limits(schema: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    return {_LIMITS[name]: str(schema[name]) for name in names if isinstance(schema.get(name), int | float)}


def _resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """The schema that a reference within the form points to; one that points elsewhere, or in a circle, is left as it is."""
    for _ in range(MAX_DEPTH):
        ref = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(ref, str) or not ref.startswith("#/"):
            break
        target: Any = root
        for part in ref[2:].split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        schema = target
    return schema


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
