"""The folder that one installation on one machine keeps its things in: `.structforge/`."""

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from apps.engine.errors import ConflictError
from apps.fleet.embedded.files import write_private
from apps.fleet.supervisor.child import Child


class AlreadyRunningError(ConflictError):
    """Another supervisor runs on the same folder."""

    code = "already_running"


@dataclass
class StateFolder:
    path: Path
    _lock: TextIO | None = field(default=None, repr=False)

    def claim(self) -> None:
        """Make the folder ours until this process ends, however it ends. Raises AlreadyRunningError."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (self.path / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(
                f"StructForge already runs on {self.path}{self._by_whom()}. Stop it first, or set STRUCTFORGE_STATE_DIR to another folder."
            ) from error

    def close_lock(self) -> None:
        """Let go of the lock in a forked child, which would keep it beyond the supervisor's end."""
        if self._lock is not None:
            self._lock.close()

    def read_addresses(self) -> Mapping[str, str]:
        """What the last start wrote for other commands; empty before the first."""
        file = self.path / "services.env"
        lines = file.read_text().splitlines() if file.exists() else []
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def write_addresses(self, addresses: Mapping[str, str]) -> None:
        lines = ["# Written by manage.py up and read by the settings. What the environment says comes first."]
        write_private(self.path / "services.env", "\n".join([*lines, *(f"{name}={value}" for name, value in addresses.items()), ""]))

    def write_processes(self, address: str, children: Sequence[Child]) -> None:
        """Write processes.json: `{"pid": int, "address": str, "processes": {name: {"pid": int | null, "status": str, "exits": [int]}}}`."""
        processes = {
            child.process.name: {"pid": child.handle.pid if child.handle else None, "status": child.status, "exits": child.exit_codes[-10:]}
            for child in children
        }
        document = {"pid": os.getpid(), "address": address, "processes": processes}
        write_private(self.path / "processes.json", json.dumps(document, indent=1))

    def _by_whom(self) -> str:
        try:
            running = json.loads((self.path / "processes.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return ""
        return f" (process {running['pid']}, {running['address']})"
