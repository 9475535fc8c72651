import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from types import FrameType

from apps.fleet.supervisor.child import Child, Status
from apps.fleet.supervisor.logs import Logs, OutputLostError, Source
from apps.fleet.supervisor.process import Process

LOOK_EVERY_SECONDS = 0.05
"""While something starts or stops; else the loop sleeps until a child prints, ends, or is due."""
REST_SECONDS = 5.0
SAME_REQUEST_SECONDS = 0.5
MOST_FAILURES_BEFORE_READY = 5
NAME = "supervisor"


class GiveUpError(Exception):
    """The start cannot succeed; the message says which process is to blame."""


@dataclass
class Supervisor:
    """Starts the stages one after the other and keeps them running until it is told to stop.

    stages       each begins once every process of the one before is ready
    on_change    called after a process starts, becomes ready or ends
    on_ready     called once, when the last stage is ready
    """

    stages: InitVar[Sequence[Sequence[Process]]]
    logs: Logs
    on_change: Callable[[Sequence[Child]], None]
    on_ready: Callable[[], None]
    children: list[Child] = field(default_factory=list)
    _stages: list[list[Child]] = field(default_factory=list)
    _asked_to_stop_at: float | None = None
    _is_impatient: bool = False
    _is_ready: bool = False
    _wake: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)

    def __post_init__(self, stages: Sequence[Sequence[Process]]) -> None:
        self.add_stages(stages)
        for end in self._wake:
            end.setblocking(False)
        self.logs.selector.register(self._wake[0], selectors.EVENT_READ)

    def listen_to_signals(self) -> None:
        """Ctrl-C, SIGTERM and a closed terminal stop everything in order; a second time, without patience."""
        signal.set_wakeup_fd(self._wake[1].fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # its only effect is to wake the loop
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._ask_to_stop)

    def close_inherited(self) -> None:
        """Close, in a forked child, what is the supervisor's own."""
        for end in self._wake:
            end.close()
        self.logs.close()

    def add_stages(self, stages: Sequence[Sequence[Process]]) -> None:
        """Append stages that begin after those there are."""
        for stage in stages:
            self._stages.append([Child(process) for process in stage])
            self.children += self._stages[-1]

    def start_first_stage(self) -> None:
        """Start it ahead of run(), so that it boots while this process is busy otherwise."""
        for child in self._stages[0]:
            self._start(child)

    def run(self) -> int:
        """Supervise until told to stop; the exit code for the shell."""
        code = 0
        try:
            while self._asked_to_stop_at is None:
                self._step()
        except GiveUpError as error:
            self.logs.release()
            self.logs.line(NAME, str(error))
            code = 1
        except OutputLostError:
            pass  # nobody reads what we print: the terminal is gone, and so is the reason to run
        self.stop()
        return code

    def stop(self) -> None:
        """Stop all children, rank by rank, and kill those that do not stop in time."""
        for rank in sorted({child.process.stop_rank for child in self.children}):
            self._stop_all([child for child in self.children if child.process.stop_rank == rank])
        self._drain()

    # One turn of the loop

    def _step(self) -> None:
        self._pump(self._patience())
        for child in self.children:
            if (code := child.collect()) is not None:
                self._on_exit(child, code)
        for child in self._current():
            if child.status is Status.WAITING and child.due_at <= time.monotonic():
                self._start(child)
            elif child.status is Status.STARTING and not child.process.is_one_shot and child.process.is_ready():
                self._on_child_ready(child)
        if not self._is_ready and all(child.is_settled for child in self.children):
            self._is_ready = True
            self.on_ready()

    def _current(self) -> list[Child]:
        """The children of the stages that have begun."""
        begun: list[Child] = []
        for stage in self._stages:
            begun += stage
            if not all(child.is_settled for child in stage):
                break
        return begun

    def _patience(self) -> float:
        if any(child.status is Status.STARTING for child in self.children) or not self._is_ready:
            return LOOK_EVERY_SECONDS
        due = [child.due_at - time.monotonic() for child in self.children if child.status is Status.WAITING]
        return max(0.0, min([REST_SECONDS, *due]))

    def _start(self, child: Child) -> None:
        if child.process.owns_terminal:
            self.logs.hold()
        child.start(None if child.process.owns_terminal else self.logs.pipe_for(child.process.name))
        self.on_change(self.children)

    def _on_child_ready(self, child: Child) -> None:
        child.status = Status.READY
        child.has_been_ready = True
        self.on_change(self.children)

    def _on_exit(self, child: Child, code: int) -> None:
        self.logs.drain()
        if child.process.owns_terminal:
            self.logs.release()
        if child.process.is_one_shot:
            self._on_one_shot_exit(child, code)
        else:
            self._restart_later(child, code)
        self.on_change(self.children)

    def _on_one_shot_exit(self, child: Child, code: int) -> None:
        child.status = Status.DONE
        if code != 0 and child.process.must_succeed:
            raise GiveUpError(f"{child.process.name} failed ({describe(code)}); its output above says why.")

    def _restart_later(self, child: Child, code: int) -> None:
        delay = child.back_off()
        if not child.has_been_ready and child.failures >= MOST_FAILURES_BEFORE_READY:
            raise GiveUpError(
                f"{child.process.name} did not start in {child.failures} tries ({describe(code)}); its output above says why."
            )
        self.logs.line(NAME, f"{child.process.name} {describe(code)}; it starts again in {delay:g} s")

    # Stopping

    def _stop_all(self, children: Sequence[Child]) -> None:
        asked = time.monotonic()
        for child in children:
            child.send(child.process.stop_signal)
        while running := [child for child in children if child.is_running]:
            self._drain_for(LOOK_EVERY_SECONDS)
            for child in running:
                self._collect_stopped(child, waited_seconds=time.monotonic() - asked)

    def _collect_stopped(self, child: Child, *, waited_seconds: float) -> None:
        if child.collect() is not None:
            child.status = Status.STOPPED
            self.on_change(self.children)
        elif waited_seconds > child.process.stop_seconds or self._is_impatient:
            child.kill()

    def _drain_for(self, seconds: float) -> None:
        try:
            self._pump(seconds)
        except OutputLostError:
            time.sleep(seconds)  # what they print has nowhere to go; they are stopped all the same

    def _drain(self) -> None:
        try:
            self.logs.release()
            self.logs.drain()
        except OutputLostError:
            return

    # Events

    def _pump(self, seconds: float) -> None:
        """Print what children print; return after `seconds`, or sooner when a signal comes."""
        for key, _ in self.logs.selector.select(seconds):
            if isinstance(key.data, Source):
                self.logs.read(key.data)
            else:
                self._wake[0].recv(4096)

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:
        """Note the first request; a later one means now. Several at once are one: `make` passes on what the terminal sends to both."""
        now = time.monotonic()
        if self._asked_to_stop_at is None:
            self._asked_to_stop_at = now
        elif now - self._asked_to_stop_at > SAME_REQUEST_SECONDS:
            self._is_impatient = True


def describe(code: int) -> str:
    """An exit code in words: `describe(-9) == "was killed by SIGKILL"`."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
