"""The results: a table for people, a document for programs."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line: ours beside plain Celery's.

    key      name in `bench.json`; None for a line that only the table has
    celery   None where plain Celery has nothing of the kind
    aim      sentence about what is to be reached, and `is_met` whether it is (None: no aim)
    spread   lowest and highest of our repeats
    """

    key: str | None
    what: str
    value: float
    celery: float | None
    unit: str
    aim: str = ""
    is_met: bool | None = None
    spread: str = ""
    celery_spread: str = ""

    @property
    def ratio(self) -> float | None:
        return None if not self.celery else self.value / self.celery

    def as_json(self) -> dict[str, Any]:
        return {"value": _rounded(self.value), "celery": _rounded(self.celery), "ratio": _rounded(self.ratio), "unit": self.unit}


def at_most(ratio: float) -> tuple[str, float, bool]:
    """Aim: ours over Celery's is at most this."""
    return f"≤ {ratio:g} ×", ratio, False


def at_least(ratio: float) -> tuple[str, float, bool]:
    """Aim: ours over Celery's is at least this."""
    return f"≥ {ratio:g} ×", ratio, True


def compared(key: str | None, what: str, *, value: float, celery: float, unit: str, aim: tuple[str, float, bool], **spreads: str) -> Row:
    """A row whose aim is a ratio to plain Celery."""
    text, limit, is_floor = aim
    ratio = value / celery
    return Row(key, what, value, celery, unit, text, ratio >= limit if is_floor else ratio <= limit, **spreads)


def absolute(key: str | None, what: str, *, value: float, unit: str, limit: float, celery: float | None = None, **spreads: str) -> Row:
    """A row whose aim is a figure of its own."""
    return Row(key, what, value, celery, unit, f"≤ {limit:g} {unit}", value <= limit, **spreads)


def text(rows: Iterable[Row]) -> str:
    """The table in Markdown."""
    lines = ["| work | StructForge | plain Celery | ratio | aim | |", "| --- | ---: | ---: | ---: | --- | --- |"]
    for row in rows:
        ours = f"{_short(row.value)} {row.unit}" + (f" ({row.spread})" if row.spread else "")
        theirs = (
            "–" if row.celery is None else f"{_short(row.celery)} {row.unit}" + (f" ({row.celery_spread})" if row.celery_spread else "")
        )
        ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
        verdict = {True: "met", False: "**missed**", None: ""}[row.is_met]
        lines.append(f"| {row.what} | {ours} | {theirs} | {ratio} | {row.aim} | {verdict} |")
    return "\n".join(lines)


def write(rows: Iterable[Row], path: Path) -> None:
    """Put the rows that have keys into the document; keys measured earlier and not now stay as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = json.loads(path.read_text()) if path.exists() else {}
    document |= {row.key: row.as_json() for row in rows if row.key is not None}
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
