"""The process table: what runs, in which order it starts and stops."""

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from apps.fleet.addresses import Addresses
from apps.fleet.embedded.postgres import Postgres
from apps.fleet.embedded.programs import Program
from apps.fleet.embedded.valkey import Valkey
from apps.fleet.fleets import FLEETS, Fleet
from apps.fleet.supervisor.forking import Forker, SharedFlag
from apps.fleet.supervisor.process import Handle, Process

PROBE_SECONDS = 2.0

POSTGRES, VALKEY, PREPARE, WEB, BEAT, EXAMPLE, SAMPLE = "postgres", "valkey", "prepare", "web", "beat", "example", "sample"
NAMES_TO_CHOOSE = (WEB, *(fleet.process_name for fleet in FLEETS), BEAT, EXAMPLE)


@dataclass(frozen=True)
class Table:
    """Builds the lines of the table.

    roles          the module apps.fleet.roles, which loads only once Django is set up
    login          file for name and password of a first administrator
    stop_seconds   how long a worker may take to finish or hand back what it holds
    """

    addresses: Addresses
    forker: Forker
    login: Path
    stop_seconds: float

    def servers(self) -> list[Process]:
        """The embedded servers; none where the environment names others."""
        lines = []
        if (postgres := self.addresses.postgres) is not None:
            lines.append(_server(POSTGRES, postgres, stop_rank=3))
        if (valkey := self.addresses.valkey) is not None:
            lines.append(_server(VALKEY, valkey, stop_rank=2))
        return lines

    def rest(self, roles: ModuleType, *, only: frozenset[str], sample: tuple[str, ...]) -> list[list[Process]]:
        """The stages after the servers.

        only     names of processes to run; empty for all. The migration runs in any case.
        sample   a management command to run at the end; empty for none
        """
        workers = [self._worker(roles, fleet) for fleet in FLEETS]
        stages = [[self._prepare(roles)], [self._web(roles), self._example(roles)], workers, [self._beat(roles)]]
        chosen = [[line for line in stage if not only or line.name in only or line.is_one_shot] for stage in stages]
        return [*chosen, [self._sample(roles, sample)]] if sample else chosen

    def _prepare(self, roles: ModuleType) -> Process:
        return Process(PREPARE, self.forker.starter(PREPARE, lambda: roles.prepare(self.addresses.postgres, self.login)), is_one_shot=True)

    def _web(self, roles: ModuleType) -> Process:
        listener, port = self.addresses.listener, self.addresses.port
        return Process(
            WEB,
            self.forker.starter(WEB, lambda: roles.serve_web(listener)),
            is_ready=lambda: answers(port, "/health/ready"),
            stop_seconds=2 * roles.GRACEFUL_SECONDS,
        )

    def _example(self, roles: ModuleType) -> Process:
        port = self.addresses.example_port
        start = self.forker.starter(EXAMPLE, lambda: roles.serve_example(port))
        return Process(EXAMPLE, start, is_ready=lambda: answers(port, "/health"), stop_rank=2)  # workers that stop still call it

    def _worker(self, roles: ModuleType, fleet: Fleet) -> Process:
        start, is_ready = self._reporting(fleet.process_name, lambda tell_ready: roles.work(fleet, tell_ready))
        return Process(fleet.process_name, start, is_ready=is_ready, stop_rank=1, stop_seconds=self.stop_seconds)

    def _beat(self, roles: ModuleType) -> Process:
        start, is_ready = self._reporting(BEAT, roles.keep_time)
        return Process(BEAT, start, is_ready=is_ready)

    def _sample(self, roles: ModuleType, arguments: tuple[str, ...]) -> Process:
        start = self.forker.starter(SAMPLE, lambda: roles.run_command(arguments))
        return Process(SAMPLE, start, is_one_shot=True, must_succeed=False, owns_terminal=True)

    def _reporting(self, name: str, run: Callable[[Callable[[], None]], None]) -> "tuple[Callable[..., Handle], Callable[[], bool]]":
        """How to start a child that says itself when it is ready, and whether it has said so."""
        flag = SharedFlag()
        fork = self.forker.starter(name, lambda: run(flag.set))

        def start(*, output: int | None) -> Handle:
            flag.clear()
            return fork(output=output)

        return start, flag.is_set


def _server(name: str, server: Postgres | Valkey, *, stop_rank: int) -> Process:
    program: Program = server.program

    def start(*, output: int | None) -> Handle:
        return program.launch(output=output)

    return Process(name, start, is_ready=server.is_ready, stop_signal=program.stop_signal, stop_rank=stop_rank, stop_seconds=30)


def answers(port: int, path: str) -> bool:
    """Whether an HTTP server on this machine answers `path` with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
