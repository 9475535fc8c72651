"""What became of each node of an import, and in which words that is told."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MAX_CHANGELOG = 10_000


class Verdict(StrEnum):
    """How a node came over.

    MAPPED         it does the same
    APPROXIMATED   it does nearly the same, or lacks something that only people here can give; the remarks say what
    LEFT_OUT       it does not run: there is a placeholder in its place that fails and says why, or nothing where nothing was needed
    """

    MAPPED = "mapped"
    APPROXIMATED = "approximated"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one node.

    node      its name in the document
    type      its type there
    keys      keys of the nodes that stand for it here, () where there are none
    remarks   sentences for people
    """

    node: str
    type: str
    verdict: Verdict
    keys: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "type": self.type,
            "verdict": self.verdict.value,
            "keys": list(self.keys),
            "remarks": list(self.remarks),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one workflow.

    format    "n8n" or "dify"
    remarks   what holds for the whole of it
    """

    format: str
    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """{verdict: how many nodes}"""
        return {verdict.value: sum(line.verdict is verdict for line in self.lines) for verdict in Verdict}

    def as_json(self) -> dict[str, Any]:
        """{"format": str, "counts": {verdict: int}, "remarks": [str], "nodes": [{"node", "type", "verdict", "keys", "remarks"}]}"""
        return {
            "format": self.format,
            "counts": self.counts,
            "remarks": list(self.remarks),
            "nodes": [line.as_json() for line in self.lines],
        }

    def as_text(self) -> str:
        """The report as a changelog keeps it: what came over whole is counted, the rest is told."""
        counts = self.counts
        head = f"Imported from {self.format}: {counts['mapped']} nodes mapped, {counts['approximated']} approximated, "
        told = [line for line in self.lines if line.verdict is not Verdict.MAPPED]
        rest = [f"- {line.node} ({line.type}), {line.verdict.value}: {' '.join(line.remarks)}" for line in told]
        text = "\n".join([f"{head}{counts['left_out']} left out.", *(f"- {remark}" for remark in self.remarks), *rest])
        return text if len(text) <= MAX_CHANGELOG else text[: MAX_CHANGELOG - 1] + "…"
