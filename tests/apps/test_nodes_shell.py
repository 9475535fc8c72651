"""Shell scripts, in the sandbox that the kernel keeps; no stand-in anywhere."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from apps.engine.outcomes import Failed, Outcome, Succeeded
from apps.nodes import shell_sandbox
from apps.nodes.contract import RunContext
from apps.nodes.execute import perform
from apps.nodes.registry import get_type

pytestmark = pytest.mark.usefixtures("shell_sandbox")


def run(script: str, context: RunContext | None = None, **config: Any) -> Outcome:
    context = context or RunContext(execution_id="e", workspace_id="w", key="shell")
    return perform(get_type("code.shell"), {"script": script, **config}, context)


def said(script: str, **config: Any) -> str:
    outcome = run(script, **config)
    assert isinstance(outcome, Succeeded), outcome
    return str(outcome.output["stdout"])


def test_a_script_reads_what_it_is_given_and_its_output_is_the_nodes():
    outcome = run('read line; echo "$line $NAME ${COUNT}"; echo oops >&2', environment={"NAME": "Ada", "COUNT": 3}, stdin="hello\n")
    assert outcome == Succeeded({"exit_code": 0, "stdout": "hello Ada 3\n", "stderr": "oops\n", "is_cut": False})


def test_another_status_than_0_fails_the_node():
    outcome = run("echo half; echo broken >&2; exit 3")
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.details) == ("exit_status", {"exit_code": 3, "stdout": "half\n", "stderr": "broken\n"})


def test_the_script_sees_nothing_of_the_machine(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "of the worker")
    secret = tmp_path / "secret"
    secret.write_text("x")
    tmp_path.chmod(0o777)
    assert said(f"cat {secret} /etc/passwd /proc/{os.getpid()}/environ 2>/dev/null; env | grep -c SECRET; ls /") == ("0\n" + said("ls /"))
    assert "work" in said("pwd")
    assert {"home", "root", "etc", "var", "old"}.isdisjoint(said("ls /").split())


def test_the_script_has_no_network_no_rights_and_changes_no_program():
    assert said("cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '").split() == ["lo"]
    assert said("grep CapEff /proc/self/status").split()[1].strip("0") == ""
    assert said("grep NoNewPrivs /proc/self/status").split()[1] == "1"
    assert said("touch /usr/bin/mine 2>/dev/null || echo refused") == "refused\n"
    assert said("mount -t tmpfs none /tmp 2>/dev/null || echo refused") == "refused\n"
    assert said("unshare --user --map-root-user true 2>/dev/null && echo made || echo refused") in ("refused\n", "made\n")


def test_it_is_nobody_of_the_machine_even_where_the_worker_is_root(tmp_path: Path):
    marks = threading.Event()
    seen: list[int] = []

    def look() -> None:
        for process in psutil.process_iter(["cmdline", "uids"]):
            if "4242.25" in (process.info["cmdline"] or []):
                seen.append(process.info["uids"].effective)
                marks.set()

    thread = threading.Thread(target=lambda: _until(look, marks))
    thread.start()
    run("sleep 4242.25 & wait $!", timeout_seconds=3)
    marks.set()
    thread.join()
    assert seen
    assert set(seen) == {shell_sandbox.NOBODY if os.geteuid() == 0 else os.geteuid()}


def _until(look: Any, marks: threading.Event) -> None:
    while not marks.wait(0.02):
        look()


def test_a_script_that_takes_too_long_ends_with_all_its_children():
    started = time.monotonic()
    outcome = run("sleep 4242.5 & (setsid sleep 4242.5 &) ; sleep 4242.5", timeout_seconds=0.5)
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "timeout"
    assert time.monotonic() - started < 60
    assert not [each for each in psutil.process_iter(["cmdline"]) if "4242.5" in (each.info["cmdline"] or [])]


def test_a_cancelled_script_is_killed():
    context = RunContext(execution_id="e", workspace_id="w", key="shell")
    threading.Timer(0.3, context.cancel).start()
    outcome = run("sleep 4242.75", context, timeout_seconds=60)
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "cancelled"


def test_memory_processes_and_output_have_limits():
    assert said("head -c 100000000 /dev/zero | tail -c 100000000 | wc -c; echo after", memory_mb=32).endswith("after\n")
    bomb = run("bomb() { bomb | bomb & }; bomb 2>/dev/null; i=0; while [ $i -lt 300 ]; do sleep 5 & i=$((i+1)); done 2>/dev/null; wait")
    assert isinstance(bomb, Failed)
    loud = run("yes")
    assert isinstance(loud, Failed)
    assert loud.error.code == "output_too_large"


def test_variables_reach_the_script_alone_and_not_the_tools_that_fence_it():
    assert said("echo $LD_PRELOAD", environment={"LD_PRELOAD": "/no/such.so"}).startswith("/no/such.so")
    assert said("echo ${PATH##*/}", environment={"PATH": "/nowhere"}) == "nowhere\n"


def test_where_the_fence_cannot_be_set_up_nothing_runs(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(shell_sandbox, "_FENCE", ("unshare", "--no-such-option"))
    outcome = run(f"touch {tmp_path}/ran")
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.is_final) == ("sandbox_unavailable", True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("config", [{"environment": {"1x": "a"}}, {"environment": {"A-B": "a"}}, {"environment": {"A": "a\0b"}}])
def test_names_that_no_shell_takes_are_refused(config: dict[str, Any]):
    assert get_type("code.shell").check({"script": "true", **config})
