"""The fleets of workers that every installation has; the process table and the deployment files are made from this."""

from dataclasses import dataclass


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


FLEETS = (Fleet("default", pool="threads", concurrency=16), Fleet("code", pool="prefork", concurrency=2))
