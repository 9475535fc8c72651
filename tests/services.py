"""The real PostgreSQL and Valkey that the tests of one session use, in a folder that goes with them.

Started before Django reads its settings. Under xdist the controlling process starts PostgreSQL, in which each
worker process has a database of its own, and each worker process starts its own Valkey.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from apps.fleet.embedded.ports import free_port
from apps.fleet.embedded.postgres import Postgres
from apps.fleet.embedded.valkey import Valkey

STOPS_WITHIN_SECONDS = 30


def start() -> None:
    """Start what this process of the session needs, tell the settings where it is, and stop it when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="structforge-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["STRUCTFORGE_STATE_DIR"] = str(folder)
    is_xdist_worker = "PYTEST_XDIST_WORKER" in os.environ
    if not is_xdist_worker:
        os.environ["DATABASE_URL"] = _started(Postgres(folder / "postgres", free_port(), is_durable=False))
    os.environ["REDIS_URL"] = _started(Valkey(folder / "valkey", free_port(), is_durable=False))
    os.environ.pop("BROKER_URL", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "structforge.settings.test"


def _started(server: Postgres | Valkey) -> str:
    server.directory.mkdir()
    with open(server.directory / "log", "wb") as log:
        process = server.start(log)
    atexit.register(_stop, process, server)
    return server.url


def _stop(process: subprocess.Popen[bytes], server: Postgres | Valkey) -> None:
    process.send_signal(server.program.stop_signal)
    process.wait(STOPS_WITHIN_SECONDS)
