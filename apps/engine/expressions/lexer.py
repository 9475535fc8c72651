"""Tokens of CEL."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from apps.engine.expressions.errors import ExpressionError


class Kind(StrEnum):
    NAME = "name"
    NUMBER = "number"
    TEXT = "text"
    BYTES = "bytes"
    SIGN = "sign"
    END = "end"


class Token(NamedTuple):
    """One token.

    at      characters before it
    value   of a number, text or bytes: what it stands for
    """

    kind: Kind
    text: str
    at: int
    value: float | str | bytes = ""


_TOKEN = re.compile(
    r"""
      (?P<space> [ \t\r\n\f]+ | //[^\n]* )
    | (?P<decimal> (?: [0-9]+\.[0-9]+ | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? | [0-9]+[eE][+-]?[0-9]+ )
    | (?P<hex> 0[xX][0-9a-fA-F]+ ) [uU]?
    | (?P<whole> [0-9]+ ) [uU]?
    | (?P<raw> (?: [rR][bB]? | [bB][rR] ) (?: \"{3}[\s\S]*?\"{3} | '{3}[\s\S]*?'{3} | "[^"\r\n]*" | '[^'\r\n]*' ) )
    | (?P<quoted> [bB]? (?:
            \"{3}(?:[^\\]|\\[\s\S])*?\"{3} | '{3}(?:[^\\]|\\[\s\S])*?'{3} | "(?:[^"\\\r\n]|\\.)*" | '(?:[^'\\\r\n]|\\.)*' ) )
    | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<sign> && | \|\| | [<>=!]= | [-+*/%<>!?:.,()\[\]{}] )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]))")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", **{sign: sign for sign in "\\?\"'`"}}
_LARGEST_CODE_POINT = 0x10FFFF
# Up to here every integer is a double as well.
EXACT = 2**53
_BEYOND_CEL = 2**63


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """Tokens from `start` on, the last of kind END. Raises ExpressionError where no token begins."""
    at = start
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(_why_no_token(text, at), offset=at)
        if match.lastgroup != "space":
            yield _token(match)
        at = match.end()
    yield Token(Kind.END, "", at)


def _token(match: re.Match[str]) -> Token:
    text, at = match.group(), match.start()
    match match.lastgroup:
        case "decimal":
            return Token(Kind.NUMBER, text, at, _number(float(text), at))
        case "hex":
            return Token(Kind.NUMBER, text, at, _whole_number(int(match["hex"], 16), at))
        case "whole":
            return Token(Kind.NUMBER, text, at, _whole_number(int(match["whole"]), at))
        case "name":
            return Token(Kind.NAME, text, at)
        case "raw" | "quoted":
            return _quoted_token(text, at, is_raw=match.lastgroup == "raw")
    return Token(Kind.SIGN, text, at)


def _number(value: float, at: int) -> float:
    if value == float("inf"):
        raise ExpressionError("This number is larger than numbers can be (about 1.8e308).", offset=at)
    return value


def _whole_number(value: int, at: int) -> float:
    """A double, but for the integers that no double is: they can be compared and handed on, but not calculated with."""
    if abs(value) <= EXACT:
        return float(value)
    if value < _BEYOND_CEL:
        return value
    raise ExpressionError("This integer has over 63 bits; write it as a text, or with a point.", offset=at)


def _quoted_token(text: str, at: int, *, is_raw: bool) -> Token:
    start = min(text.index(quote) for quote in "\"'" if quote in text)
    is_bytes = "b" in text[:start].lower()
    width = 3 if text[start : start + 3] in ('"""', "'''") else 1
    body = text[start + width : -width]
    if not is_raw:
        body = _ESCAPE.sub(lambda escape: _unescaped(escape, at + start + width), body)
    return Token(Kind.BYTES, text, at, body.encode()) if is_bytes else Token(Kind.TEXT, text, at, body)


def _unescaped(escape: re.Match[str], start: int) -> str:
    hexadecimal = escape[1] or escape[2] or escape[3]
    if hexadecimal or escape[4]:
        code = int(hexadecimal, 16) if hexadecimal else int(escape[4], 8)
        if code == 0 or 0xD800 <= code <= 0xDFFF or code > _LARGEST_CODE_POINT:
            raise ExpressionError(f"{escape[0]} is no character of text.", offset=start + escape.start())
        return chr(code)
    if escape[5] not in _ESCAPED:
        raise ExpressionError(f"'{escape[0]}' is no escape; write \\\\ for a backslash.", offset=start + escape.start())
    return _ESCAPED[escape[5]]


def _why_no_token(text: str, at: int) -> str:
    if text[at] in "\"'" or (text[at] in "rRbB" and text[at + 1 : at + 2] in ("'", '"')):
        return "This text is not closed: its end quote is missing."
    if text[at] in "&|=":
        double = "==" if text[at] == "=" else text[at] * 2
        return f"Unexpected '{text[at]}'; write '{double}'."
    return f"Unexpected character {text[at]!r}."
