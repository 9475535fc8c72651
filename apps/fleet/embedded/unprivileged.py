"""PostgreSQL refuses to run as root; these are the ways to run it as nobody."""

import functools
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
"""Must exist in the password file, since initdb looks its own user up. It does on every system that we know."""


@dataclass(frozen=True)
class Identity:
    """Who the server runs as."""

    prefix: tuple[str, ...] = ()
    """Words before the command."""
    user: int | None = None
    """User to change to, who must then be able to reach binaries and data; None to stay."""


@functools.cache
def identity() -> Identity:
    """The ordinary user itself; else nobody in a user namespace, where files stay ours; else nobody in truth."""
    if os.geteuid() != 0 and _is_known(os.geteuid()):
        return Identity()
    prefix = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")
    if _works(prefix):
        return Identity(prefix=prefix)
    return Identity(user=NOBODY) if os.geteuid() == 0 else Identity()


def can_be_reached_by_others(path: Path) -> bool:
    """Whether a user without rights of its own may enter every folder down to `path`."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _works(prefix: tuple[str, ...]) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
