"""`manage.py up`: one installation on this machine, all of it.

It runs before Django is set up, because the settings point to the servers that it starts.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import psutil
from django.core.exceptions import ImproperlyConfigured

from apps.engine.errors import StructForgeError
from apps.fleet.addresses import Addresses
from apps.fleet.banner import banner
from apps.fleet.state import StateFolder
from apps.fleet.supervisor.child import Child
from apps.fleet.supervisor.forking import Forker
from apps.fleet.supervisor.lifeline import Lifeline
from apps.fleet.supervisor.logs import Logs
from apps.fleet.supervisor.supervisor import Supervisor
from apps.fleet.table import NAMES_TO_CHOOSE, WEB, Table

BASE_DIR = Path(__file__).resolve().parent.parent.parent
SAMPLE = ("run_workflow", "examples/order-processing.json", "--input", "examples/order.json", "--follow")
HANDING_BACK_SECONDS = 25.0
"""Default of WORKER_STOP_SECONDS: how long a worker that stops lets its nodes finish before it hands them back."""
BEYOND_HANDING_BACK_SECONDS = 5.0


def main(arguments: Sequence[str]) -> int:
    """Run everything until told to stop; the exit code for the shell."""
    options = _parse(arguments)
    folder = StateFolder(Path(os.environ.get("STRUCTFORGE_STATE_DIR") or BASE_DIR / ".structforge").resolve())
    try:
        folder.claim()
        return Installation(folder, _prepared(folder), options, started_at=psutil.Process().create_time()).run()
    except StructForgeError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
    except ImproperlyConfigured as error:
        print(f"settings: {error}", file=sys.stderr)
    return 1


@dataclass(frozen=True)
class Options:
    only: frozenset[str]
    sample: bool


@dataclass
class Installation:
    """Everything that runs on one state folder."""

    folder: StateFolder
    addresses: Addresses
    options: Options
    started_at: float
    """When this process began, as time.time()."""
    ready_after_seconds: float | None = None

    def run(self) -> int:
        if self.options.only and WEB not in self.options.only:
            self.addresses.listener.close()
        logs = Logs()
        lifeline = Lifeline()
        forker = Forker(lifeline)
        table = Table(self.addresses, forker, self._login, _worker_stop_seconds())
        supervisor = Supervisor([table.servers()], logs, on_change=self._on_change, on_ready=lambda: logs.plain(self._banner()))
        forker.close_inherited += [supervisor.close_inherited, self.folder.close_lock]
        supervisor.listen_to_signals()
        logs.plain(f"StructForge starts; what it keeps is in {self.folder.path}")
        supervisor.start_first_stage()  # they boot while this process loads the rest
        try:
            roles = _load_roles()
        except BaseException:
            supervisor.stop()
            raise
        supervisor.add_stages(table.rest(roles, only=self.options.only, sample=SAMPLE if self.options.sample else ()))
        return supervisor.run()

    @property
    def _login(self) -> Path:
        return self.folder.path / "first-login"

    def _on_change(self, children: Sequence[Child]) -> None:
        if self.ready_after_seconds is None and all(child.has_been_ready or child.process.is_one_shot for child in children):
            self.ready_after_seconds = time.time() - self.started_at
        self.folder.write_processes(self.addresses.page, children)

    def _banner(self) -> str:
        login = self._login.read_text() if self._login.exists() else None
        self._login.unlink(missing_ok=True)
        return banner(page=self.addresses.page, login=login, seconds=self.ready_after_seconds or 0)


def _parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="manage.py up", description="Run StructForge on this machine: database, queue, web, workers and clock."
    )
    parser.add_argument(
        "--only", type=_names, default=frozenset(), metavar="NAMES", help=f"of {', '.join(NAMES_TO_CHOOSE)}; separated by commas"
    )
    parser.add_argument(
        "--sample", action=argparse.BooleanOptionalAction, default=False, help="run the order example once everything is up"
    )
    options = parser.parse_args(arguments)
    return Options(only=options.only, sample=options.sample)


def _names(text: str) -> frozenset[str]:
    names = frozenset(filter(None, text.split(",")))
    if unknown := names - set(NAMES_TO_CHOOSE):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} unknown; expected some of {', '.join(NAMES_TO_CHOOSE)}")
    return names


def _prepared(folder: StateFolder) -> Addresses:
    """Make the servers ready to start, and tell the settings of this process and of later commands where they will be."""
    addresses = Addresses.choose(folder.path, os.environ, folder.read_addresses())
    if addresses.postgres is not None:
        addresses.postgres.prepare()
    if addresses.valkey is not None:
        addresses.valkey.prepare()
    folder.write_addresses(addresses.environment)
    os.environ.update(addresses.environment, STRUCTFORGE_STATE_DIR=str(folder.path))
    return addresses


def _load_roles() -> ModuleType:
    """Load Django, Celery and what the children do; only now, since the settings read the addresses when they load."""
    import_module("apps.fleet.preload").preload()
    return import_module("apps.fleet.roles")


def _worker_stop_seconds() -> float:
    return float(os.environ.get("WORKER_STOP_SECONDS", HANDING_BACK_SECONDS)) + BEYOND_HANDING_BACK_SECONDS
