import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from psycopg import sql

from tests.flows.installation import Installation
from tests.processes import is_running, wait_for, wait_until_gone

pytestmark = pytest.mark.timeout(240)

Start = Callable[..., Installation]
PROCESSES = {"postgres", "valkey", "prepare", "web", "example", "worker-default", "worker-code", "beat"}
NOBODY = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Installation] = []

    def make(*arguments: str, folder: str = "state", prefix: tuple[str, ...] = (), **variables: str) -> Installation:
        started.append(Installation(tmp_path / folder, *arguments, prefix=prefix, **variables))
        return started[-1]

    yield make
    for installation in started:
        installation.end()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_it_serves_and_leaves_nothing_behind_and_keeps_its_data(start: Start):
    first = start()
    first.until("StructForge is ready")
    login = first.until(r"Login +admin / (\S+)")[1]
    assert set(first.state["processes"]) == PROCESSES
    assert first.get("/health")[0] == 200
    family = first.family()

    assert first.interrupt() == 0

    wait_until_gone(family, within_seconds=1)
    order = [line.split(" ")[0] for line in first.rest().splitlines() if "shutdown" in line or "Finished" in line]
    assert order.index("worker-default") < order.index("valkey") < order.index("postgres")

    second = start()
    second.until("StructForge is ready")
    assert "as before" in second.until(r"Login .*")[0]
    assert second.addresses["DATABASE_URL"] == first.addresses["DATABASE_URL"], "ports stay where they are free"
    assert logs_in(second, "admin", login)


def logs_in(installation: Installation, username: str, password: str) -> bool:
    request = urllib.request.Request(  # noqa: S310 (our own address)
        f"{installation.state['address']}/api/v1/auth/login",
        json.dumps({"username": username, "password": password}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        return "access" in answer.read().decode()


def test_a_kill_of_the_supervisor_leaves_no_process_and_the_next_start_works(start: Start):
    first = start()
    first.until("StructForge is ready")
    family = first.family()
    assert len(family) > 10

    first.process.kill()

    wait_until_gone(family, within_seconds=10)
    second = start()
    second.until("StructForge is ready")
    assert second.interrupt() == 0


def test_processes_that_are_killed_come_back(start: Start):
    installation = start()
    installation.until("StructForge is ready")
    for name in ("worker-code", "web", "valkey", "postgres", "beat"):
        pid = installation.state["processes"][name]["pid"]
        os.kill(pid, signal.SIGKILL)
        installation.until(rf"{name} was killed by SIGKILL; it starts again")
        wait_for(lambda name=name, pid=pid: is_ready_again(installation, name, pid), within_seconds=60)

    wait_for(lambda: installation.get("/health/ready")[0] == 200, within_seconds=30)
    assert installation.interrupt() == 0


def is_ready_again(installation: Installation, name: str, pid_before: int) -> bool:
    found = installation.state["processes"][name]
    return found["status"] == "ready" and found["pid"] != pid_before


def test_a_second_start_on_the_same_folder_is_refused(start: Start):
    first = start("--only", "web")
    first.until("StructForge is ready")

    second = start()

    assert f"already_running: StructForge already runs on {first.folder} (process {first.process.pid}, http://127.0.0.1" in second.rest()
    assert second.process.wait(10) == 1
    assert first.get("/health/live")[0] == 200


def test_a_server_port_that_is_asked_for_and_taken_is_refused(start: Start, taken_port: int):
    installation = start(SERVER_PORT=str(taken_port))
    assert f"port_taken: SERVER_PORT is {taken_port}, where another program listens" in installation.rest()
    assert installation.process.wait(10) == 1
    assert not (installation.folder / "postgres").exists(), "nothing was started"


def test_a_server_port_that_is_no_number_is_refused(start: Start):
    assert "invalid_port: SERVER_PORT is 'http'; a number from 1 to 65535 was expected." in start(SERVER_PORT="http").rest()


def test_wrong_settings_are_named_and_nothing_stays(start: Start):
    installation = start(DJANGO_SETTINGS_MODULE="structforge.settings.prod", SECRET_KEY="short")
    assert "settings: SECRET_KEY has 5 characters; a random text of at least 32 is expected." in installation.rest()
    assert "Traceback" not in installation.output
    assert installation.process.wait(10) == 1


def test_unknown_names_are_refused_and_the_known_are_named(start: Start):
    output = start("--only", "web,wrong").rest()
    assert "wrong unknown; expected some of web, worker-default, worker-code, beat, example" in output


def test_the_usual_ports_may_be_taken_by_others(start: Start):
    with socket.socket() as a, socket.socket() as b, socket.socket() as c:
        ours = []
        for listener, port in ((a, 5432), (b, 6379), (c, 8000)):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue  # somebody else has it, perhaps not for long
            listener.listen()
            ours.append(port)
        installation = start()
        installation.until("StructForge is ready")
        assert urlsplit(installation.state["address"]).port not in ours
        assert installation.get("/health/ready")[0] == 200


def test_servers_that_the_environment_names_are_used_and_none_is_embedded(start: Start, database_of_its_own: str):
    installation = start(DATABASE_URL=database_of_its_own, REDIS_URL=os.environ["REDIS_URL"])
    installation.until("StructForge is ready")

    assert set(installation.state["processes"]) == PROCESSES - {"postgres", "valkey"}
    assert "DATABASE_URL" not in installation.addresses
    assert installation.get("/health/ready")[0] == 200
    assert installation.interrupt() == 0


@pytest.fixture
def database_of_its_own() -> Iterator[str]:
    server = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    name = sql.Identifier(f"up_{os.getpid()}")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield f"{server}/up_{os.getpid()}"
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_an_ordinary_user_needs_no_namespace(start: Start):
    if os.geteuid() != 0 or shutil.which("unshare") is None or subprocess.run([*NOBODY, "true"], check=False).returncode != 0:
        pytest.skip("the other tests here already run as an ordinary user")
    installation = start(prefix=NOBODY)
    installation.until("StructForge is ready")
    assert installation.get("/health/ready")[0] == 200
    postgres = psutil.Process(installation.state["processes"]["postgres"]["pid"])
    assert Path(postgres.cmdline()[0]).name == "postgres"
    family = installation.family()
    assert installation.interrupt() == 0
    wait_until_gone(family, within_seconds=1)
    assert not [process for process in family if is_running(process)]


def test_what_it_keeps_is_private(start: Start):
    installation = start("--only", "web")
    installation.until("StructForge is ready")
    for name in ("services.env", "secret_key", "jwt_secret", "processes.json"):
        assert (installation.folder / name).stat().st_mode & 0o077 == 0, name
    assert installation.folder.stat().st_mode & 0o077 == 0
    assert not (installation.folder / "first-login").exists()
