import os
import selectors
import sys
from dataclasses import dataclass, field
from typing import TextIO

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95)
READ_BYTES = 65536
LONGEST_LINE_BYTES = 1 << 20
"""A line that does not end is printed in pieces of this size."""


class OutputLostError(Exception):
    """Whoever read what we print is gone."""


@dataclass
class Source:
    """The pipe that one child prints into, which lives as long as the supervisor and outlasts restarts."""

    name: str
    read_end: int
    write_end: int
    unfinished: bytes = b""


@dataclass
class Logs:
    """Prints what the children print, line by line, with the name of the child before it."""

    output: TextIO = field(default_factory=lambda: sys.stdout)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    is_held: bool = False
    _sources: dict[str, Source] = field(default_factory=dict)
    _held_back: list[str] = field(default_factory=list)

    def pipe_for(self, name: str) -> int:
        """The descriptor that the child `name` is to print into."""
        if name not in self._sources:
            source = Source(name, *os.pipe())
            os.set_blocking(source.read_end, False)
            self._sources[name] = source
            self.selector.register(source.read_end, selectors.EVENT_READ, source)
        return self._sources[name].write_end

    def read(self, source: Source) -> None:
        """Print the lines that have come in whole."""
        try:
            data = os.read(source.read_end, READ_BYTES)
        except BlockingIOError:
            return
        *lines, source.unfinished = (source.unfinished + data).split(b"\n")
        if len(source.unfinished) > LONGEST_LINE_BYTES:
            lines, source.unfinished = [*lines, source.unfinished], b""
        for line in filter(bytes.strip, lines):
            self.line(source.name, line.decode(errors="replace"))

    def drain(self) -> None:
        for source in self._sources.values():
            self.read(source)

    def line(self, name: str, text: str) -> None:
        self._print(f"{self._prefix(name)}{text}")

    def plain(self, text: str) -> None:
        """Print lines of our own without a prefix, at once."""
        self._write(f"{text}\n")

    def hold(self) -> None:
        """Keep what comes until release(), because something else draws on the terminal."""
        self.is_held = True

    def release(self) -> None:
        self.is_held = False
        held, self._held_back = self._held_back, []
        for line in held:
            self._print(line)

    def close(self) -> None:
        """Close the ends that only the supervisor needs. A child closes them too; its own is its standard output."""
        self.selector.close()
        for source in self._sources.values():
            os.close(source.read_end)
            os.close(source.write_end)

    def _prefix(self, name: str) -> str:
        names = list(self._sources)
        width = max(map(len, [*names, name]))
        prefix = f"{name:<{width}} | "
        if not self._is_coloured or name not in names:
            return prefix
        return f"\x1b[{COLOURS[names.index(name) % len(COLOURS)]}m{prefix}\x1b[0m"

    @property
    def _is_coloured(self) -> bool:
        return self.output.isatty() and "NO_COLOR" not in os.environ

    def _print(self, line: str) -> None:
        if self.is_held:
            self._held_back.append(line)
        else:
            self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        try:
            self.output.write(text)
            self.output.flush()
        except OSError as error:
            raise OutputLostError from error
