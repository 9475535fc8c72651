"""Tokens of JavaScript expressions."""

import re
from typing import NamedTuple

from apps.workflows.imports.errors import LeftOut

MAX_CHARACTERS = 8_192


class Token(NamedTuple):
    """kind is "name", "number", "text", "template", "sign" or "end"; value is what a number or text stands for."""

    kind: str
    text: str
    at: int
    value: float | str = ""


_TOKEN = re.compile(
    r"""
      (?P<space> \s+ | //[^\n]* | /\*[\s\S]*?\*/ )
    | (?P<number> 0[xX][0-9a-fA-F]+ | (?: \d+\.?\d* | \.\d+ ) (?: [eE][+-]?\d+ )? )
    | (?P<name> [A-Za-z_$][\w$]* )
    | (?P<text> "(?:[^"\\\n]|\\[\s\S])*" | '(?:[^'\\\n]|\\[\s\S])*' )
    | (?P<template> `(?:[^`\\]|\\[\s\S])*` )
    | (?P<sign> === | !== | \.\.\. | => | \?\. (?!\d) | \?\? | \*\* | && | \|\| | [=!<>]= | [-+*/%<>!?:.,()\[\]{};=] )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r?\n)|([\s\S]))")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_LARGEST = 0x10FFFF


def tokens(text: str) -> list[Token]:
    """All tokens, the last of kind "end". Raises LeftOut where none begins."""
    if len(text) > MAX_CHARACTERS:
        raise LeftOut(f"An expression has at most {MAX_CHARACTERS} characters.")
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise LeftOut(f"The expression has a sign that is not understood: '{text[at : at + 10]}'.")
        if match.lastgroup != "space":
            found.append(_token(match))
        at = match.end()
    return [*found, Token("end", "", at)]


def _token(match: re.Match[str]) -> Token:
    text, at, kind = match.group(), match.start(), match.lastgroup or ""
    if kind == "number":
        value = float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
        return Token(kind, text, at, value)
    if kind == "text":
        return Token(kind, text, at, unescaped(text[1:-1]))
    return Token(kind, text, at, text[1:-1] if kind == "template" else "")


def unescaped(text: str) -> str:
    """What a text between quotes stands for. Raises LeftOut for what JSON cannot hold."""
    plain = _ESCAPE.sub(_character, text) if "\\" in text else text
    if "\0" in plain or any("\ud800" <= each <= "\udfff" for each in plain):
        raise LeftOut("A text of the expression holds a character that JSON cannot hold.")
    return plain


def _character(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return chr(min(int(code, 16), _LARGEST))
    return "" if match[4] else _ESCAPED.get(match[5], match[5])
