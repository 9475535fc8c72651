"""Shell scripts of strangers, in namespaces of their own: no network, no files but the programs of the machine, no environment, no rights.

The kernel does it, by the tools of util-linux: a root folder in memory with `/usr` read-only, process ids, network, IPC and host name of
its own, every capability dropped, limits on memory, processor time, processes and file size. Where that cannot be set up, nothing runs.
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO
from uuid import uuid4

from apps.nodes.contract import NodeFailure

MAX_PROCESSES = 64
MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_FOLDER_MB = 64
MAX_SHOWN_BYTES = 256 * 1024
# Whom the kernel knows as nobody: as root, limits on the number of processes would count for nothing.
NOBODY = 65534
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# $1: the script; $2: what is written to standard error once the fence stands; then NAME=value. The tools outside the fence get none of
# them: a variable may change what a program loads.
_SET_UP = """
set -e
mount -t tmpfs -o size={folder_mb}m,mode=755 none /tmp
cd /tmp
mkdir usr work tmp dev proc old
mount --bind /usr usr
mount -o remount,bind,ro usr
for each in bin sbin lib lib32 lib64; do
    if [ -L /$each ]; then ln -s "$(readlink /$each)" $each
    elif [ -d /$each ]; then mkdir $each; mount --bind /$each $each; mount -o remount,bind,ro $each
    fi
done
for each in null zero urandom; do : > dev/$each; mount --bind /dev/$each dev/$each; done
mount -t proc none proc 2>/dev/null || true
pivot_root . old
umount -l /old
rmdir /old
cd /work
printf %s "$2" >&2
script=$1
shift 2
exec prlimit --as={memory} --cpu={seconds} --fsize={file} --nproc={processes} --nofile=256 --core=0 \
    setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all \
    env -i PATH="$PATH" HOME=/work LANG=C.UTF-8 "$@" /bin/sh -c "$script"
"""
_FENCE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended; both texts are cut off at 256 KiB."""

    exit_code: int
    stdout: str
    stderr: str
    is_cut: bool


def run(
    script: str,
    *,
    environment: Mapping[str, str],
    stdin: str,
    timeout_seconds: float,
    memory_bytes: int,
    on_cancel: Callable[[Callable[[], None]], None],
) -> Ended:
    """Run a script by `sh` and wait for its end.

    on_cancel   given the callback that kills it, from any thread
    Raises NodeFailure: timeout, cancelled, output_too_large, sandbox_unavailable.
    """
    set_up = _SET_UP.format(
        folder_mb=MAX_FOLDER_MB, memory=memory_bytes, seconds=int(timeout_seconds) + 1, file=MAX_FILE_BYTES, processes=MAX_PROCESSES
    )
    mark = f"{uuid4()}\n".encode()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        variables = (f"{name}={value}" for name, value in environment.items())
        process, alive = _start(["sh", "-c", set_up, "sh", script, mark.decode(), *variables], given, out, err)
        try:
            with alive:
                status = _wait(process, alive, timeout_seconds, on_cancel)
        finally:
            before, is_ready, written = _read(err).partition(mark)
        if not is_ready:
            raise _unavailable(before.decode(errors="replace"))
        stdout, stderr = _read(out), written
    if status == 128 + signal.SIGXFSZ:
        raise NodeFailure("output_too_large", f"The script wrote more than {MAX_FILE_BYTES} bytes into one file.", is_final=True)
    return Ended(status, _shown(stdout), _shown(stderr), max(len(stdout), len(stderr)) > MAX_SHOWN_BYTES)


def _start(inner: Sequence[str], given: IO[bytes], out: IO[bytes], err: IO[bytes]) -> tuple["subprocess.Popen[bytes]", IO[bytes]]:
    """The first process, and a pipe that all of them inherit: it ends when the last of them has ended."""
    is_root = os.geteuid() == 0
    ours, theirs = os.pipe()
    try:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *_FENCE, "--", *inner],
            stdin=given,
            stdout=out,
            stderr=err,
            cwd="/",
            env={"PATH": _PATH, "LANG": "C.UTF-8"},
            start_new_session=True,
            user=NOBODY if is_root else None,
            group=NOBODY if is_root else None,
            extra_groups=[] if is_root else None,
            pass_fds=(theirs,),
        )
    except OSError as error:
        os.close(ours)
        raise _unavailable(str(error)) from error
    finally:
        os.close(theirs)
    return process, os.fdopen(ours, "rb")


def _wait(
    process: "subprocess.Popen[bytes]", alive: IO[bytes], timeout_seconds: float, on_cancel: Callable[[Callable[[], None]], None]
) -> int:
    """Its exit code, when no process of it is left."""
    is_killed = False

    def kill() -> None:
        nonlocal is_killed
        is_killed = True
        _kill(process)

    on_cancel(kill)
    try:
        status = process.wait(timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise NodeFailure("timeout", f"The script took longer than {timeout_seconds:g} s.") from error
    finally:
        _kill(process)
        process.wait()
        while alive.read(1024):
            pass
    if is_killed:
        raise NodeFailure("cancelled", "The script was cancelled.", is_final=True)
    return status if status >= 0 else 128 - status


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """All of it: the first process of the namespace takes the others along."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _read(file: IO[bytes]) -> bytes:
    """What was written, up to a little more than is shown; the kernel bounds the file itself."""
    file.seek(0)
    return file.read(MAX_SHOWN_BYTES + 1024)


def _shown(written: bytes) -> str:
    return written[:MAX_SHOWN_BYTES].decode(errors="replace").replace("\0", "\ufffd")


def _unavailable(why: str) -> NodeFailure:
    message = f"The sandbox of scripts cannot be set up on this machine: {' '.join(why.split())[:300] or 'no reason was given'}"
    return NodeFailure("sandbox_unavailable", message, is_final=True)
