"""A worker's name tells whether its process lives, whatever the wall clock does."""

import subprocess
import sys

import psutil
import pytest

from workers import host


@pytest.fixture
def process():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_process_is_alive_until_it_ends(process):
    label = host.label(process.pid)
    assert host.is_alive(label)

    process.kill()
    process.wait()

    assert not host.is_alive(label)


def test_a_process_that_was_not_waited_for_is_dead(process):
    label = host.label(process.pid)

    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass

    assert not host.is_alive(label)


def test_another_process_under_the_same_pid_is_another_worker(process):
    name, pid, started = host.label(process.pid).rsplit(":", 2)

    assert not host.is_alive(f"{name}:{pid}:{int(started) + 1}")


def test_a_process_lives_on_when_the_clock_is_set(process, monkeypatch):
    label = host.label(process.pid)

    monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)

    assert host.is_alive(label)


def test_workers_of_other_hosts_are_left_to_their_leases():
    assert host.is_alive("elsewhere/4026531836:1:1")
