"""CSV for spreadsheets, in which no cell is taken for a formula."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable

# As a spreadsheet reads it: what comes first after spaces and control characters, in any width.
_FORMULA = frozenset("=+-@")
_BREAKS_OUT = re.compile(r"[\t\r]")


def safe_cell(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet could run it; taking that away gives the text again."""
    first = next((character for character in text if not _is_blank(character)), "")
    is_risky = unicodedata.normalize("NFKC", first)[:1] in _FORMULA or bool(_BREAKS_OUT.search(text)) if first else bool(text.strip(" "))
    return f"'{text}" if is_risky else text


def csv_lines(rows: Iterable[Iterable[str]]) -> str:
    """Lines of CSV, every cell quoted and made safe."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Zs") or character == '"'
