"""How wide a text is, nearly: where pictures are drawn, nobody can measure letters."""

from itertools import accumulate
from unicodedata import east_asian_width

# Widths in parts of the size of the letters, on the wide side of the fonts that pages are shown in.
_NARROW, _WIDE, _CAPITAL, _OTHER, _FULL = 0.36, 0.96, 0.72, 0.6, 1.04
_NARROW_LETTERS = frozenset("iljtfrI.,:;'|!()[] -·/")
_WIDE_LETTERS = frozenset("mwMW@%—…")


def width_of(text: str, size: float) -> float:
    """Pixels that a text takes in letters of `size` pixels."""
    return sum(_width(letter) for letter in text) * size


def shorten(text: str, size: float, width: float) -> str:
    """The text, or as much of its beginning as fits into `width` pixels with "…" behind it."""
    if width_of(text, size) <= width:
        return text
    room = width - width_of("…", size)
    ends = accumulate(_width(letter) * size for letter in text)
    return text[: sum(end <= room for end in ends)].rstrip() + "…"


def _width(letter: str) -> float:
    if letter in _NARROW_LETTERS:
        return _NARROW
    if letter in _WIDE_LETTERS:
        return _WIDE
    if east_asian_width(letter) in "WF":
        return _FULL
    return _CAPITAL if letter.isupper() else _OTHER
