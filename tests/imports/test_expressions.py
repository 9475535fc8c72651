"""JavaScript expressions in our words, evaluated by both sides of the table."""

from typing import Any

import pytest

from apps.engine.expressions.names import Names, Scope
from apps.engine.expressions.templates import compile_template
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript import texts
from apps.workflows.imports.javascript.cel import Cel
from apps.workflows.imports.javascript.emitter import to_cel
from apps.workflows.imports.javascript.syntax import Expression, Name

VALUES: dict[str, Any] = {
    "x": 3, "s": "Hello World", "rows": [{"b": 1}, {"b": 2}], "nothing": None, "day": "2026-01-31T12:00:00Z", "words": ["p", "q"],
    "a b": 1, "deep": {"y": {"z": 9}}, "zero": 0, "empty": "", "in": 5,
}  # fmt: skip


class Json:
    """`$json` alone."""

    def find(self, expression: Expression, emit: Any) -> Cel | None:
        return Cel("nodes.a") if expression == Name("$json") else None


def value_of(template: str) -> Any:
    scope = Scope(nodes={"a": VALUES}, execution={"created_at": "2026-01-31T12:00:00.5Z"})
    return compile_template(template, Names()).resolve(scope)


# The right side is what Node.js gives for the left, but where it gives undefined, which JSON does not know.
TABLE = [
    ("$json.x * 2 + 1", 7),
    ("7 - 2 - 1", 4),
    ('"a" + $json.x + 1', "a31"),
    ("`n=${$json.x} s=${$json.s}`", "n=3 s=Hello World"),
    ('$json.missing || "other"', "other"),
    ('$json.empty || "other"', "other"),
    ("$json.zero || 5", 5),
    ("$json.zero ?? 5", 0),
    ("$json.missing ?? 7", 7),
    ("$json.nothing ?? 7", 7),
    ("$json.deep?.y?.z", 9),
    ("$json.deep?.nope?.z", None),
    ("$json.rows.map(i => i.b * 2)", [2, 4]),
    ("$json.rows.map(i => $json.rows.map(j => i.b + j.b))", [[2, 3], [3, 4]]),
    ("$json.rows.filter(i => i.b > 1).length", 1),
    ("$json.rows.find(i => i.b === 2).b", 2),
    ("$json.rows.some(i => i.c)", False),
    ("$json.rows.every(i => i.b)", True),
    ('$json["a b"]', 1),
    ("$json.in", 5),
    ('$json.s.toLowerCase().includes("world")', True),
    ('$json.words.includes("q")', True),
    ('$json.rows.map(i => i.b).join("-")', "1-2"),
    ("$json.s.slice(0, 5)", "Hello"),
    ("$json.s.slice(6)", "World"),
    ("$json.s.slice(0, 11)", "Hello World"),
    ("$json.s.slice(20, 50)", ""),
    ('$json.s.replace("l", "L")', "HeLlo World"),
    ('$json.s.replaceAll("l", "L")', "HeLLo WorLd"),
    ('$json.s.split(" ")[1]', "World"),
    ("$json.x > 2 ? 'big' : 0", "big"),
    ("!$json.missing", True),
    ("!!$json.s", True),
    ('$json.x === 3 && $json.s == "Hello World"', True),
    ("$json.nothing == null", True),
    ("$json.missing === undefined", True),
    ("$json.s !== null", True),
    ('({a: $json.x, "b c": [1, "x", null]})', {"a": 3, "b c": [1, "x", None]}),
    ("Math.max($json.x, 10)", 10),
    ("Math.round(-2.5)", -2),
    ('Number("4") + 1', 5),
    ("parseInt('42')", 42),
    ("-$json.x % 2", -1),
    ("new Date($json.day).getMonth()", 0),
    ("DateTime.fromISO($json.day).plus({days: 1}).toFormat('yyyy-MM-dd')", "2026-02-01"),
    ("DateTime.fromISO($json.day).month", 1),
    ("$json.x.toString() + '!'", "3!"),
    (r"'\u00e4\n\'' + \"\"".replace(r"\"", '"'), "ä\n'"),
]


@pytest.mark.parametrize(("written", "value"), TABLE, ids=[written for written, _ in TABLE])
def test_an_expression_gives_what_it_gives_in_javascript(written, value):
    assert value_of(f"${{{to_cel(written, Json()).text}}}") == value


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("$json.x; $json.y", "goes on"),
        ("function(){}", "function"),
        ("/a/.test('x')", "not understood"),
        ("(() => { return 1 })()", "statements"),
        ("$json.rows.reduce((a, b) => a + b, 0)", ".reduce()"),
        ("(" * 40 + "1" + ")" * 40, "levels deep"),
        ("!" * 100 + "1", "levels deep"),
        ("$json" + ".a" * 100, "too many steps"),
        ("[...$json.rows]", "not understood"),
        ("other", "'other'"),
        ("JSON.stringify($json)", "JSON.stringify"),
        ("$json.s.replace('a', '$1')", "$"),
        ("1 == 'a'", "compares a number with a text"),
        ("$json.x = 1", "goes on"),
        ("'" + "a" * 9000 + "'", "8192 characters"),
        ("'\\ud800'", "JSON cannot hold"),
        ("1e999", "JSON cannot hold"),
        ("", "its end"),
        ("#", "sign"),
    ],
)
def test_what_cannot_be_said_is_left_out_with_a_reason(written, word):
    with pytest.raises(LeftOut, match=word.replace("(", r"\(").replace(")", r"\)").replace("$", r"\$")):
        to_cel(written, Json())


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("{{ $json.x }}", 3),
        ("n = {{ $json.x }}!", "n = 3!"),
        ("{{ $json.x }}{{ $json.x }}", "33"),
        ("{{ ({a: {b: $json.x}}) }}", {"a": {"b": 3}}),
        ("costs ${5} and $${6}", "costs ${5} and $${6}"),
        ("plain", "plain"),
    ],
)
def test_a_text_keeps_its_words_and_an_expression_alone_its_type(written, value):
    assert value_of(texts.translated(written, Json())) == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('{"a": {{ $json.x }}, "b": "x {{ $json.s }}"}', {"a": 3, "b": "x Hello World"}),
        ('{"a": {{ JSON.stringify($json.rows) }}}', {"a": [{"b": 1}, {"b": 2}]}),
        ('{"quote\\"": "{{ $json.s }}", "c": "${d}"}', {'quote"': "Hello World", "c": "${d}"}),
        ("[{{ $json.nothing }}, 1.5, true]", [None, 1.5, True]),
    ],
)
def test_a_json_text_becomes_a_value_that_no_quote_can_break(written, value):
    assert value_of_json(texts.json_value(written, Json())) == value


def value_of_json(value: Any) -> Any:
    scope = Scope(nodes={"a": VALUES})
    return compile_template(value, Names()).resolve(scope)


@pytest.mark.parametrize("written", ['{"a": {{ $json.x }', "{", '{"{{ $json.s }}": 1}', "\ue0000\ue000", '"\\ue000"', "[NaN]"])
def test_a_json_text_that_is_none_is_left_out(written):
    with pytest.raises(LeftOut):
        texts.json_value(written, Json())
