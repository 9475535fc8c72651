import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from apps.fleet.embedded import unprivileged
from apps.fleet.embedded.errors import ServiceError
from apps.fleet.embedded.ports import free_port, is_free
from apps.fleet.embedded.postgres import Postgres
from tests.processes import wait_for, wait_until_gone

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def postgres(tmp_path: Path) -> Postgres:
    return Postgres(tmp_path / "postgres", free_port())


@pytest.fixture
def process(postgres: Postgres, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with open(tmp_path / "log", "wb") as log:
        process = postgres.start(log)
    yield process
    process.send_signal(signal.SIGINT)
    process.wait(20)


def start_again(postgres: Postgres, log: Path) -> subprocess.Popen[bytes]:
    with open(log, "ab") as output:
        return postgres.start(output)


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(20)


def test_it_takes_queries_and_keeps_what_was_written(postgres: Postgres, process: subprocess.Popen[bytes], tmp_path: Path):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert stop(process) == 0

    again = start_again(postgres, tmp_path / "log")

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert stop(again) == 0


def test_only_its_own_password_which_nobody_can_guess_is_hashed_fast(postgres: Postgres, process: subprocess.Popen[bytes]):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE ROLE somebody PASSWORD 'chosen by a person'")
        verifiers = dict(connection.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL").fetchall())

    assert verifiers["structforge"].startswith("SCRAM-SHA-256$1:")
    assert verifiers["somebody"].startswith("SCRAM-SHA-256$4096:")
    assert len(postgres.password) >= 32


def test_committed_rows_survive_a_kill(postgres: Postgres, process: subprocess.Popen[bytes], tmp_path: Path):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    process.kill()
    process.wait(20)
    assert (postgres.data / "postmaster.pid").exists()

    again = start_again(postgres, tmp_path / "log")

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert stop(again) == 0


def test_trigram_search_sees_chinese_text(postgres: Postgres, process: subprocess.Popen[bytes]):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        row = connection.execute("SELECT similarity('订单工作流', '工作流')").fetchone()
    assert row is not None
    assert row[0] > 0.1


def test_a_wrong_password_is_refused(postgres: Postgres, process: subprocess.Popen[bytes]):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url.replace(postgres.password, "wrong"))


def test_password_and_data_are_private(postgres: Postgres, process: subprocess.Popen[bytes]):
    assert (postgres.directory / "password").stat().st_mode & 0o077 == 0
    assert postgres.data.stat().st_mode & 0o077 == 0


def test_data_of_another_major_version_are_refused_and_left_alone(postgres: Postgres, process: subprocess.Popen[bytes], tmp_path: Path):
    stop(process)
    (postgres.data / "PG_VERSION").write_text("15\n")

    with pytest.raises(ServiceError, match=r"written by PostgreSQL 15, and PostgreSQL 18 is installed"):
        start_again(postgres, tmp_path / "log")

    assert (postgres.data / "PG_VERSION").read_text() == "15\n"


def test_a_pid_file_that_names_a_stranger_is_removed_and_the_stranger_lives(
    postgres: Postgres, process: subprocess.Popen[bytes], tmp_path: Path
):
    stop(process)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (postgres.data / "postmaster.pid").write_text(f"{stranger.pid}\n{postgres.data}\n")

    again = start_again(postgres, tmp_path / "log")

    assert stranger.poll() is None
    stranger.communicate(b"\n", timeout=10)
    assert stop(again) == 0


def test_a_server_left_running_is_stopped_by_the_next_start(postgres: Postgres, process: subprocess.Popen[bytes], tmp_path: Path):
    moved = Postgres(postgres.directory, free_port())

    again = start_again(moved, tmp_path / "log")

    assert process.wait(20) == 0
    assert moved.is_ready()
    assert stop(again) == 0


def test_a_taken_port_is_said_and_not_waited_for(postgres: Postgres, process: subprocess.Popen[bytes], tmp_path: Path):
    other = Postgres(tmp_path / "other", postgres.port)
    with pytest.raises(ServiceError, match="PostgreSQL ended with code 1 before it was ready"):
        start_again(other, tmp_path / "other.log")
    assert "Address already in use" in (tmp_path / "other.log").read_text()


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path: Path):
    end_with_parent(tmp_path)


def end_with_parent(folder: Path, *, before: str = "") -> None:
    """Start a server from a process, kill the process, and wait until the server is gone."""
    program = before + (
        "import sys; from pathlib import Path; from apps.fleet.embedded.postgres import Postgres\n"
        "server = Postgres(Path(sys.argv[1]), int(sys.argv[2]))\n"
        "print(server.start(2).pid, flush=True); sys.stdin.read()"
    )
    port = free_port()
    with open(folder / "log", "wb") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", program, str(folder / "postgres"), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        server = psutil.Process(int(parent.stdout.readline()))
        processes = [server, *server.children(recursive=True)]
        assert len(processes) > 3
        parent.kill()
        parent.wait(10)

    wait_until_gone(processes, within_seconds=10)
    wait_for(lambda: is_free(port), within_seconds=5)


@pytest.fixture
def without_namespaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As root where user namespaces are forbidden."""
    if os.geteuid() != 0:
        pytest.skip("only root has to become another user")
    monkeypatch.setattr(unprivileged, "_works", lambda prefix: False)
    unprivileged.identity.cache_clear()
    yield
    unprivileged.identity.cache_clear()


@pytest.fixture
def folder_for_all() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="structforge-for-all-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.usefixtures("without_namespaces")
def test_root_without_namespaces_runs_it_as_the_real_user_nobody(folder_for_all: Path):
    postgres = Postgres(folder_for_all / "postgres", free_port())
    with open(folder_for_all / "log", "wb") as log:
        process = postgres.start(log)
    try:
        assert psutil.Process(process.pid).uids().real == unprivileged.NOBODY
        with psycopg.connect(postgres.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    finally:
        assert stop(process) == 0
    again = start_again(postgres, folder_for_all / "log")
    assert stop(again) == 0


@pytest.mark.usefixtures("without_namespaces")
def test_root_without_namespaces_is_told_when_nobody_cannot_reach_the_folder(tmp_path: Path):
    tmp_path.chmod(0o700)
    postgres = Postgres(tmp_path / "postgres", free_port())
    with pytest.raises(ServiceError, match=r"the user nobody, who cannot enter .* Set STRUCTFORGE_STATE_DIR"):
        postgres.prepare()


def test_it_ends_with_its_parent_also_as_the_real_user_nobody(without_namespaces: None, folder_for_all: Path):
    end_with_parent(folder_for_all, before="from apps.fleet.embedded import unprivileged; unprivileged._works = lambda prefix: False\n")
