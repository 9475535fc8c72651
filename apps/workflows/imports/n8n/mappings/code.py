"""Code: Python runs in the sandbox; JavaScript is kept as text, for people to write anew."""

from apps.nodes.python_check import fault_of
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.n8n.registry import maps
from apps.workflows.imports.n8n.step import Step

_ALL = """\
def imported(items):
    _items = items
{code}
found = imported([{{'json': each}} for each in items])
found = found if isinstance(found, list) else [found]
return [each['json'] if isinstance(each, dict) and 'json' in each else each for each in found]
"""
_EACH = """\
def imported(item):
    _item = item
    _json = item['json']
{code}
found = imported({{'json': item}})
return found['json'] if isinstance(found, dict) and 'json' in found else found
"""


@maps(
    "code",
    to="code.python",
    takes="items",
    note="Python. JavaScript is left out: the placeholder keeps the text, for you to write it in Python.",
)
def code(step: Step) -> None:
    language = step.plain("language", "javaScript")
    if not language.startswith("python"):
        raise LeftOut("The sandbox runs Python and no JavaScript: write the code in the notes anew in Python.")
    text = step.parameters.get("pythonCode", "")
    if not isinstance(text, str) or not text.strip():
        raise LeftOut("It holds no code.")
    for_each = step.plain("mode", "runOnceForAllItems") == "runOnceForEachItem"
    if for_each and step.value.many:
        raise LeftOut("It runs once for each of many items: put it into the loop that feeds it.")
    written = (_EACH if for_each else _ALL).format(code="\n".join(f"    {line}" for line in text.splitlines()))
    if fault := fault_of(written):
        raise LeftOut(f"The sandbox does not run this Python: {fault}")
    given = {"item": f"${{{step.value.text}}}"} if for_each else {"items": f"${{{step.value.as_items}}}"}
    step.leave(step.add("code.python", {"code": written, "inputs": given}), many=not for_each)
    step.remark("The names that n8n gives to code are few here: `_items`, or `_item` and `_json`.")


@maps("function", "functionItem", to=(), note="JavaScript: see `code`.")
def function(step: Step) -> None:
    raise LeftOut("The sandbox runs Python and no JavaScript: write the code in the notes anew in Python.")
