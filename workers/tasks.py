"""The Celery tasks. Their names are part of the wire format."""

from collections.abc import Sequence
from uuid import UUID

from celery import Task

from apps.executions.handoff import RUN_EXECUTIONS, RUN_NODE, RUN_PLACES
from apps.executions.protocol import Ready
from apps.notifications import delivering
from apps.notifications.handoff import DELIVER
from structforge.celery import app
from workers import canvas, lifecycle, runner


@app.task(bind=True, name=RUN_NODE, ignore_result=True)
def run_node(self: "Task[..., None]", execution_id: str, keys: list[str], path: str, version_id: str) -> None:
    """Look at these nodes of an execution: whatever is queued of them is run."""

    def hand_over(ready: Sequence[Ready]) -> bool:
        # Celery would send the next link after this task, and would call a broker that is away an error of the task.
        links, self.request.chain = self.request.chain, None
        return canvas.send_link(links, ready)

    runner.run(UUID(execution_id), keys, path, UUID(version_id), hand_over=hand_over)


@app.task(name=RUN_EXECUTIONS, ignore_result=True)
def run_executions(execution_ids: list[str], key: str, path: str, version_id: str) -> None:
    """Look at one brief node in several executions of one version."""
    for execution_id in execution_ids:
        runner.run(UUID(execution_id), [key], path, UUID(version_id), hand_over=lambda ready: False, is_shared=True)


@app.task(name=RUN_PLACES, ignore_result=True)
def run_places(execution_id: str, places: list[list[str]], version_id: str) -> None:
    """Look at brief nodes of an execution in several of its iterations: [[key, path], …].

    A worker of an older release, in the middle of a deploy, does not know this task and drops the message: what nobody claims the sweepers
    send again, as `run_node`.
    """
    runner.run_places(UUID(execution_id), [(key, path) for key, path in places], UUID(version_id))


@app.task(name=DELIVER, ignore_result=True)
def deliver(delivery_id: str) -> None:
    """Tell somebody of the end of an execution, by mail or webhook."""
    delivering.deliver(UUID(delivery_id))


__all__ = ["deliver", "lifecycle", "run_executions", "run_node", "run_places"]
