"""What counts as a JSON value, and how JSON text from outside is read."""

import json
import math
import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine.json_values import MAX_DEPTH, InvalidJsonError, JsonTooLargeError, check_json, clean_json, loads

LIMIT = 1_000_000
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner),
)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@given(JSON)
def test_every_json_value_passes_unchanged(value: Any):
    assert clean_json(value) == value


@given(JSON)
def test_what_is_written_as_json_is_read_back(value: Any):
    assert loads(json.dumps(value).encode(), max_bytes=LIMIT) == value


class Colour(StrEnum):
    RED = "red"


def test_tuples_become_arrays_and_enumerations_of_text_become_text():
    cleaned = clean_json({"pair": (1, 2), "colour": Colour.RED})

    assert cleaned == {"pair": [1, 2], "colour": "red"}
    assert type(cleaned["pair"]) is list
    assert type(cleaned["colour"]) is str


def test_the_copy_shares_nothing_with_what_was_given():
    given_value = {"rows": [{"a": 1}]}
    cleaned = clean_json(given_value)
    cleaned["rows"][0]["a"] = 2
    assert given_value == {"rows": [{"a": 1}]}


@pytest.mark.parametrize(
    ("value", "pointer", "words"),
    [
        ({"a": [1, math.nan]}, "/a/1", "finite number, found nan"),
        ({"a": -math.inf}, "/a", "finite number, found -inf"),
        ([0, 2**64], "/1", "64 bits"),
        ([-(2**63) - 1], "/0", "64 bits"),
        ({"a": "x\0y"}, "/a", "NUL"),
        ({"a": {"k\0": 1}}, "/a", "NUL"),
        ({"a": "\ud800"}, "/a", "surrogates"),
        ({"a": {1: 2}}, "/a", "keys that are texts, found a Python int"),
        ({"a": {2, 3}}, "/a", "Python set"),
        ({"a": b"x"}, "/a", "Python bytes"),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, "/at", "Python datetime"),
        ({"id": uuid.UUID(int=1)}, "/id", "Python UUID"),
        ({"a/b": {"c~d": math.nan}}, "/a~1b/c~0d", "finite"),
        (nested(MAX_DEPTH + 1), "/0" * MAX_DEPTH, "64 levels"),
        (nested(5000), "/0" * MAX_DEPTH, "64 levels"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(value: Any, pointer: str, words: str):
    with pytest.raises(InvalidJsonError, match=words) as caught:
        check_json(value)
    assert caught.value.pointer == caught.value.details["pointer"] == pointer
    assert caught.value.code == "not_json"


def test_a_value_that_holds_itself_is_refused():
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidJsonError, match="64 levels"):
        check_json(value)


def test_nesting_up_to_the_limit_passes():
    check_json(nested(MAX_DEPTH))
    assert loads(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, max_bytes=LIMIT) == nested(MAX_DEPTH)


def test_many_brackets_side_by_side_are_not_deep():
    check_json([[] for _ in range(1000)])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty document"),
        (b'{"a": }', "line 1, column 7"),
        (b'{"a": 1}\n x', "line 2, column 2"),
        (b"NaN", "Not JSON"),
        (b"[Infinity]", "Not JSON"),
        (b"1e999", "infinity"),
        (b'{"a": "\xff"}', "UTF-8, found the byte 0xff at offset 7"),
        (b'"\\ud800"', "surrogate"),
        (b"[" * 100_000, "levels of nesting"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "64 levels"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "64 levels"),
        (b'{"a": {"k": 1, "k": 2}}', "'k' is given twice"),
        (b'{"a": {"k": ":", "k": 2}}', "'k' is given twice"),
        (b'{"n": 18446744073709551616}', "64 bits"),
        (b'{"n": ' + b"9" * 300 + b"}", "64 bits"),
        (b'{"n": ' + b"9" * 100_000 + b"}", "infinity"),
        (b'{"n": -9223372036854775809}', "64 bits"),
        (b'{"a": "\\u0000"}', "NUL"),
    ],
)
def test_bad_text_is_refused_with_a_reason(raw: bytes, words: str):
    with pytest.raises(InvalidJsonError, match=words):
        loads(raw, max_bytes=LIMIT)


def test_a_fault_in_text_is_named_by_its_pointer():
    with pytest.raises(InvalidJsonError) as caught:
        loads(b'{"rows": [1, {"n": 99999999999999999999}]}', max_bytes=LIMIT)
    assert caught.value.pointer == "/rows/1/n"


def test_colons_in_texts_are_no_repeated_keys():
    assert loads(b'{"a": "\\u003a:", "b": "::"}', max_bytes=LIMIT) == {"a": "::", "b": "::"}


def test_long_numbers_that_fit_are_read_exactly():
    assert loads(b"[18446744073709551615, 0.1234567890123456789]", max_bytes=LIMIT) == [2**64 - 1, 0.12345678901234568]


def test_text_over_the_limit_is_refused_before_it_is_parsed():
    with pytest.raises(JsonTooLargeError, match="at most 10 bytes of JSON, found 11") as caught:
        loads(b"[" * 11, max_bytes=10)
    assert caught.value.code == "json_too_large"
