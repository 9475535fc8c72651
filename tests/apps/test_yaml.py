"""JSON values as YAML: what is written is read back as it was."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.core.yaml_values import dump_yaml, load_yaml
from tests.engine.test_json_values import JSON


@settings(deadline=None)
@given(JSON)
@example("nUll")
@example("tRue")
@example("1e5")
@example({"no": "yes", "~": "", "on": "off"})
@example(["2026-11-21", "1_000", "0x1f", "12:30:00", "=", "<<", "*a", "&a", "!a", "- a", "? a", ": a", "#"])
@example(
    ["a: b", "a #b", "a ", " a", "a\tb", "line\nline", "line\n", "\nline", "line \nline", "line\n\n", "a\r\nb", "\u2028", "\x85", "\ufeff"]
)
@example({"x" * 2000: ["y" * 2000]})
@example([1e23, 5e-324, 1e16, -0.0, 2**64 - 1, -(2**63)])
def test_what_is_written_is_read_back(value: Any):
    read = load_yaml(dump_yaml(value))
    assert read == value
    assert repr(read) == repr(value), "true is not 1, nor is 1.0"


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_every_text_is_read_back_as_a_key_and_as_a_value(text: str):
    assert load_yaml(dump_yaml({text: [text]})) == {text: [text]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"name": "订单 Nr. 1", "is_on": True, "code": "a = 1\nb = 2\n"}, "name: 订单 Nr. 1\nis_on: true\ncode: |\n  a = 1\n  b = 2\n"),
        ({"version": "1.0", "b": "yes", "a": []}, "version: \"1.0\"\nb: 'yes'\na: []\n"),
    ],
)
def test_people_can_read_it(value, text):
    assert dump_yaml(value).decode() == text
