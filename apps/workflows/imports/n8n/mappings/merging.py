"""Two branches made one."""

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.n8n.levels import Way, exclude_each_other
from apps.workflows.imports.n8n.registry import maps
from apps.workflows.imports.n8n.step import Step


@maps(
    "merge",
    to=("control.merge", "data.transform"),
    takes="items",
    note="Append, by position, by a field, choose a branch. All combinations and SQL are left out.",
)
def merge(step: Step) -> None:
    mode = step.plain("mode", "append")
    by = (
        step.plain("combineBy", "combineByFields")
        if mode == "combine" and step.node.version >= 3
        else step.plain("combinationMode", "mergeByFields")
    )
    arrived = [way for way in step.inputs.values() if way is not None]
    if mode == "append" or len(arrived) < 2:
        _append(step, arrived)
    elif mode in ("chooseBranch", "wait", "passThrough"):
        _choose(step)
    elif mode == "mergeByIndex" or (mode == "combine" and by in ("combineByPosition", "mergeByPosition")):
        _by_position(step)
    elif mode == "combine" and by in ("combineByFields", "mergeByFields"):
        _by_fields(step)
    else:
        raise LeftOut(f"The mode '{mode}' ({by}) has no counterpart: use data.transform or code.python.")


def _list(step: Step, ways: list[Way]) -> str:
    """A control.merge of the items of each branch; returns its key."""
    levels, blueprint = step.translation.levels, step.translation.blueprint
    written = [levels.written(way, as_items=True, position=step.node.position) for way in ways]
    step.tail = []
    key = step.add("control.merge", {"mode": "list"})
    for way in written:
        blueprint.connect(way.key or "", way.port, key)
    return key


def _append(step: Step, ways: list[Way]) -> None:
    if len(ways) > 1 and not any(way.value.many for way in ways) and _exclusive(ways):
        levels, blueprint = step.translation.levels, step.translation.blueprint
        written = [levels.written(way, position=step.node.position) for way in ways]
        step.tail = []
        key = step.add("control.merge", {"mode": "first"})
        for way in written:
            blueprint.connect(way.key or "", way.port, key)
        step.leave(key)
        return
    key = _list(step, ways)
    step.leave(
        step.add("data.transform", {"expression": "[$reduce(all, $append)]", "input": {"all": f"${{nodes.{key}}}"}}, name="all"), many=True
    )


def _exclusive(ways: list[Way]) -> bool:
    return all(exclude_each_other(a, b) for index, a in enumerate(ways) for b in ways[:index])


def _choose(step: Step) -> None:
    """Wait for all, and go on with what came by one input."""
    named = step.parameters.get("useDataOfInput", step.parameters.get("output", 1))
    match named:
        case "empty":
            raise LeftOut("It goes on with an empty item: use a node that waits for both branches.")
        case "input1" | "input2" | "1" | "2":
            index = int(str(named)[-1]) - 1
        case int() if not isinstance(named, bool):
            index = named - 1
        case _:
            index = 0
    chosen = step.inputs.get(index)
    if chosen is None:
        raise LeftOut("Nothing leads to the input that it goes on with.")
    key = step.add("data.transform", {"expression": "$", "input": f"${{{chosen.value.text}}}"})
    step.leave(key, many=chosen.value.many)


def _both(step: Step) -> dict[str, str]:
    first, second = step.inputs.get(0), step.inputs.get(1)
    if first is None or second is None or len(step.inputs) != 2:
        raise LeftOut("It combines more than two branches.")
    return {"left": f"${{{first.value.as_items}}}", "right": f"${{{second.value.as_items}}}"}


def _is_many(step: Step) -> bool:
    return any(way is not None and way.value.many for way in step.inputs.values())


def _by_position(step: Step) -> None:
    both = _both(step)
    if not _is_many(step):
        first, second = (way for way in step.inputs.values() if way is not None)
        given = {"left": f"${{{first.value.text}}}", "right": f"${{{second.value.text}}}"}
        step.leave(step.add("data.transform", {"expression": "$merge([left, right])", "input": given}))
        return
    expression = "($l := left; $r := right; [$map($l, function($each, $at) { $at < $count($r) ? $merge([$each, $r[$at]]) })])"
    step.leave(step.add("data.transform", {"expression": expression, "input": both}), many=True)


def _by_fields(step: Step) -> None:
    """Items of both sides with equal fields, put together; what finds no partner is left out, as n8n does it unless told otherwise."""
    if step.plain("joinMode", "keepMatches") != "keepMatches" or step.plain("outputDataFrom", "both") != "both":
        raise LeftOut("It keeps items that match nothing: use code.python.")
    fields = [each.strip() for each in step.plain("fieldsToMatchString").split(",")] if "fieldsToMatchString" in step.parameters else []
    found = step.object("mergeByFields").get("values")
    pairs = [(each, each) for each in fields if each]
    pairs += [(each["field1"], each["field2"]) for each in found or () if isinstance(each, dict) and {"field1", "field2"} <= each.keys()]
    if not 0 < len(pairs) <= 10 or not all(
        isinstance(name, str) and name and not name.startswith("=") and "." not in name for pair in pairs for name in pair
    ):
        raise LeftOut("The fields that it compares cannot be read.")
    config = {"code": _JOIN.format(pairs=pairs), "inputs": _both(step)}
    step.leave(step.add("code.python", config), many=True)


_JOIN = """\
pairs = {pairs!r}
found = []
for a in left:
    for b in right:
        if all(x in a and y in b and a[x] == b[y] for x, y in pairs):
            found.append({{**a, **b}})
return found
"""
