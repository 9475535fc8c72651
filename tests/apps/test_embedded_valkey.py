import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from apps.fleet.embedded.ports import free_port
from apps.fleet.embedded.valkey import Valkey

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def valkey(tmp_path: Path) -> Valkey:
    return Valkey(tmp_path / "valkey", free_port())


@pytest.fixture
def process(valkey: Valkey, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with open(tmp_path / "log", "wb") as log:
        process = valkey.start(log)
    yield process
    process.terminate()
    process.wait(20)


def start_again(valkey: Valkey, log: Path) -> subprocess.Popen[bytes]:
    with open(log, "ab") as output:
        return valkey.start(output)


def test_it_keeps_what_it_was_given_across_a_stop(valkey: Valkey, process: subprocess.Popen[bytes], tmp_path: Path):
    with redis.Redis.from_url(f"{valkey.url}/0") as client:
        client.lpush("queue", "message")
    process.terminate()
    assert process.wait(20) == 0

    again = start_again(valkey, tmp_path / "log")

    with redis.Redis.from_url(f"{valkey.url}/0") as client:
        assert client.llen("queue") == 1
    again.terminate()
    assert again.wait(20) == 0


def test_it_refuses_writes_rather_than_drop_messages_when_memory_is_full(valkey: Valkey, process: subprocess.Popen[bytes]):
    with redis.Redis.from_url(valkey.url) as client:
        client.lpush("queue", "message")
        client.config_set("maxmemory", "1mb")
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.lpush("queue", "message")
        assert client.llen("queue") == 1


def test_it_listens_on_loopback_and_asks_for_the_password(valkey: Valkey, process: subprocess.Popen[bytes]):
    with redis.Redis(port=valkey.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis.from_url(valkey.url, decode_responses=True) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_password_and_configuration_are_private(valkey: Valkey, process: subprocess.Popen[bytes]):
    for name in ("password", "valkey.conf"):
        assert (valkey.directory / name).stat().st_mode & 0o077 == 0


def test_a_server_left_running_is_stopped_by_the_next_start(valkey: Valkey, process: subprocess.Popen[bytes], tmp_path: Path):
    moved = Valkey(valkey.directory, free_port())

    again = start_again(moved, tmp_path / "log")

    assert process.wait(20) == 0
    assert moved.is_ready()
    again.terminate()
    assert again.wait(20) == 0
