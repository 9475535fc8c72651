"""A real `manage.py up` on a folder of its own, for tests that look at it from outside."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.processes import is_running

ROOT = Path(__file__).resolve().parent.parent.parent
LINE_WITHIN_SECONDS = 90
STOPS_WITHIN_SECONDS = 60
ADDRESSES = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "SERVER_PORT", "SERVER_HOST", "STRUCTFORGE_EXAMPLE_URL")


class Installation:
    """Starts at once; `until("is ready")` waits until it serves."""

    def __init__(self, folder: Path, *arguments: str, prefix: tuple[str, ...] = (), **variables: str) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
        environment = {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "structforge.settings.dev",
            "STRUCTFORGE_STATE_DIR": str(folder),
            "WORKER_STOP_SECONDS": "5",
            **variables,
        }
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "manage.py", "up", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.seen: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, pattern: str) -> re.Match[str]:
        """The first new line that matches. Fails when the output ends or the deadline passes before."""
        while (line := self._next()) is not None:
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"{pattern!r} is not in the output:\n{self.output}")

    def rest(self) -> str:
        """Everything that it prints until it ends."""
        while self._next() is not None:
            pass
        return self.output

    @property
    def output(self) -> str:
        return "\n".join(self.seen)

    @property
    def state(self) -> Mapping[str, Any]:
        """processes.json"""
        document: Mapping[str, Any] = json.loads((self.folder / "processes.json").read_text())
        return document

    @property
    def addresses(self) -> Mapping[str, str]:
        """services.env"""
        lines = (self.folder / "services.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith("#"))

    def family(self) -> list[psutil.Process]:
        """The supervisor and all that descends from it."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"{self.state['address']}{path}", timeout=20) as answer:  # noqa: S310 (our own address)
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def interrupt(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOPS_WITHIN_SECONDS)

    def end(self) -> None:
        """Kill what is left of it."""
        if self.process.poll() is None:
            left = self.family()
            self.process.kill()
            psutil.wait_procs(left, timeout=20)
            assert not [process for process in left if is_running(process)]
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _next(self) -> str | None:
        line = self._lines.get(timeout=LINE_WITHIN_SECONDS)
        if line is not None:
            self.seen.append(line)
        return line

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)
