"""From one item to many, and back."""

from collections.abc import Mapping
from typing import Any

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript import cel
from apps.workflows.imports.javascript.cel import Cel, of_text
from apps.workflows.imports.n8n.registry import maps
from apps.workflows.imports.n8n.step import Step


def _path(of: str, name: Any) -> Cel:
    """CEL for a field whose name may have points."""
    if not isinstance(name, str) or not name or name.startswith("=") or len(name) > 200:
        raise LeftOut("The name of a field is an expression, or missing.")
    found = Cel(of)
    for each in name.removeprefix("$json.").split("."):
        found = cel.member(found, each)
    return found


def _jsonata(name: Any) -> str:
    """JSONata for such a field."""
    if not isinstance(name, str) or not name or name.startswith("=") or "`" in name or len(name) > 200:
        raise LeftOut("The name of a field is an expression, or missing.")
    return ".".join(f"`{each}`" for each in name.split("."))


@maps("splitOut", to="data.transform", note="What follows runs in a loop over its items, until they are brought together again.")
def split_out(step: Step) -> None:
    _split(step, step.parameters.get("fieldToSplitOut", ""), step.plain("include", "noOtherFields"))


def _split(step: Step, field: Any, include: str) -> None:
    if include != "noOtherFields":
        raise LeftOut("It keeps other fields beside the one that it splits.")
    if isinstance(field, str) and "," in field:
        raise LeftOut("It splits several fields at once.")
    found = _path(step.value.text, field)
    expression = "[$map(list, function($each) { $type($each) = 'object' ? $each : {" + _quoted(str(field).split(".")[-1]) + ": $each} })]"
    if target := step.options.get("destinationFieldName"):
        expression = "[$map(list, function($each) { {" + _quoted(str(target)) + ": $each} })]"
    step.leave(step.add("data.transform", {"expression": expression, "input": {"list": f"${{{found.text}}}"}}), many=True)


def _quoted(text: str) -> str:
    return of_text(text).text


@maps("itemLists", to="data.transform", note="The older form of Split Out, Aggregate and Limit.")
def item_lists(step: Step) -> None:
    match step.plain("operation", "splitOutItems"):
        case "splitOutItems":
            _split(step, step.parameters.get("fieldToSplitOut", ""), step.plain("include", "noOtherFields"))
        case other:
            raise LeftOut(f"The operation '{other}' of the older node has no counterpart; use data.transform.")


@maps("aggregate", to="data.transform", takes="items", note="It ends the loop over the items.")
def aggregate(step: Step) -> None:
    items = {"items": f"${{{step.value.as_items}}}"}
    if step.plain("aggregate", "aggregateIndividualFields") == "aggregateAllItemData":
        name = step.parameters.get("destinationFieldName", "data")
        if step.plain("include", "allFields") != "allFields" or not isinstance(name, str) or name.startswith("="):
            raise LeftOut("It takes some of the fields by name.")
        expression = "{" + _quoted(name) + ": items}" if name else "items"
    else:
        expression = _fields(step)
    step.leave(step.add("data.transform", {"expression": expression, "input": items}))


def _fields(step: Step) -> str:
    found = step.object("fieldsToAggregate").get("fieldToAggregate")
    entries = []
    for each in found if isinstance(found, list) else ():
        if not isinstance(each, Mapping):
            raise LeftOut("Its fields cannot be read.")
        field, path = each.get("fieldToAggregate"), _jsonata(each.get("fieldToAggregate"))
        name = each.get("outputFieldName") if each.get("renameField") is True else str(field).split(".")[-1]
        if not isinstance(name, str) or name.startswith("="):
            raise LeftOut("The name of a field is an expression.")
        entries.append(f"{_quoted(name)}: [items.{path}]")
    if not 0 < len(entries) <= 50:
        raise LeftOut("It names no field.")
    return "{" + ", ".join(entries) + "}"


@maps("limit", to="data.transform", takes="items")
def limit(step: Step) -> None:
    most = step.parameters.get("maxItems", 1)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise LeftOut("How many items are kept is an expression.")
    piece = f"[0..{most - 1}]" if step.plain("keep", "firstItems") == "firstItems" else f"[-{most}..-1]"
    items = {"items": f"${{{step.value.as_items}}}"}
    step.leave(step.add("data.transform", {"expression": f"[items[{piece}]]", "input": items}), many=True)


@maps("sort", to="data.transform", takes="items", note="By fields; at random and by code are left out.")
def sort(step: Step) -> None:
    if step.plain("type", "simple") != "simple":
        raise LeftOut("It sorts at random or by code.")
    found = step.object("sortFieldsUi").get("sortField")
    keys = []
    for each in found if isinstance(found, list) else ():
        if not isinstance(each, Mapping):
            raise LeftOut("Its fields cannot be read.")
        keys.append((">" if each.get("order") == "descending" else "<") + _jsonata(each.get("fieldName")))
    if not 0 < len(keys) <= 20:
        raise LeftOut("It names no field.")
    items = {"items": f"${{{step.value.as_items}}}"}
    step.leave(step.add("data.transform", {"expression": f"[items^({', '.join(keys)})]", "input": items}), many=True)
