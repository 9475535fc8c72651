import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Handle(Protocol):
    """A started process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""


class Starter(Protocol):
    """A way to start a process, as the leader of a process group of its own."""

    def __call__(self, *, output: int | None) -> Handle:
        """`output` is the descriptor that takes what it prints; None lets it use ours."""


@dataclass(frozen=True)
class Process:
    """One line of the process table."""

    name: str
    start: Starter
    is_ready: Callable[[], bool] = lambda: True
    """Asked again and again after the start; the next stage begins once all of a stage are ready. It must answer within seconds."""
    is_one_shot: bool = False
    """It does one thing and ends; it is ready when it ended with code 0, and any other code ends the start."""
    must_succeed: bool = True
    """For a one-shot: whether its failure ends everything."""
    owns_terminal: bool = False
    """It writes to the terminal itself, and what others print is held back meanwhile."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_rank: int = 0
    """The lower are stopped first."""
    stop_seconds: float = 10
    """How long it may take to stop before it is killed."""
