"""The fleets of workers that every installation has; the process table and the deployment files are made from this."""

import os
import re
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Fleet:
    """A kind of worker process.

    pool         "threads" for nodes that wait for others, "prefork" for code that may crash or eat memory
    concurrency  node runs at a time in one worker
    """

    name: str
    pool: str
    concurrency: int

    @property
    def queues(self) -> tuple[str, str]:
        """Starts by people come before those by schedules and webhooks."""
        return f"{self.name}.high", self.name

    @property
    def process_name(self) -> str:
        return f"worker-{self.name}"

    def arguments(self, *, log_level: str) -> tuple[str, ...]:
        """Arguments of `celery -A structforge`."""
        return (
            "--quiet",
            "worker",
            f"--hostname={self.name}@%h",
            f"--pool={self.pool}",
            f"--concurrency={self.concurrency}",
            f"--queues={','.join(self.queues)}",
            f"--loglevel={log_level}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        )


def own_fleets(text: str) -> tuple[Fleet, ...]:
    """The fleets that an installation adds: `gpu:prefork:1,reports:threads:8`, each by name, pool and concurrency.

    Raises ImproperlyConfigured.
    """
    return tuple(_own_fleet(part.strip()) for part in text.split(",") if part.strip())


def _own_fleet(text: str) -> Fleet:
    found = _OWN.fullmatch(text)
    if found is None or found["name"] in {fleet.name for fleet in BUILT_IN} or found["name"].endswith(".high"):
        raise ImproperlyConfigured(f"FLEETS: expected new names as in gpu:prefork:1, with pool threads or prefork; found '{text}'.")
    return Fleet(found["name"], pool=found["pool"], concurrency=int(found["concurrency"]))


_OWN = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]{0,63}):(?P<pool>threads|prefork):(?P<concurrency>[1-9][0-9]{0,3})")
BUILT_IN = (Fleet("default", pool="threads", concurrency=16), Fleet("code", pool="prefork", concurrency=2))
FLEETS = (*BUILT_IN, *own_fleets(os.environ.get("FLEETS", "")))
