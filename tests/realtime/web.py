"""The real web process, uvicorn with all that we put into it, in a thread of the test; and a client of its event streams."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import orjson
import uvicorn

from apps.core.api.body_limit import BodyLimit
from structforge.http import ThreadHandler
from tests.processes import wait_for

WITHIN_SECONDS = 60.0


@contextmanager
def web() -> Iterator[str]:
    """The address of the API of a server that stops at the end of the block."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(BodyLimit(ThreadHandler()), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="uvicorn")
    thread.start()
    try:
        wait_for(lambda: server.started, within_seconds=WITHIN_SECONDS)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
    finally:
        server.should_exit = True
        thread.join(WITHIN_SECONDS)
        listener.close()
        assert not thread.is_alive()


@dataclass(frozen=True)
class Event:
    """As an EventSource has it; a comment has neither id nor name."""

    id: str | None
    name: str | None
    data: Any
    comment: str | None = None


class EventSource:
    """One connection to an event stream, which tells of all that it gets."""

    def __init__(self, base: str, token: str, execution_id: UUID | str, *, after: str | None = None, query: str = "") -> None:
        headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream", **({"last-event-id": after} if after else {})}
        self._client = httpx2.Client(base_url=base, timeout=WITHIN_SECONDS, headers=headers, trust_env=False)
        request = self._client.build_request("GET", f"/executions/{execution_id}/events{query}")
        self.response = self._client.send(request, stream=True)

    def __iter__(self) -> Iterator[Event]:
        fields: dict[str, str] = {}
        for line in self.response.iter_lines():
            if line.startswith(":"):
                yield Event(None, None, None, line[1:].strip())
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield Event(fields.get("id"), fields.get("event"), orjson.loads(fields["data"]))
                fields = {}

    def events(self) -> Iterator[Event]:
        """Without comments."""
        return (event for event in self if event.comment is None)

    def close(self) -> None:
        self.response.close()
        self._client.close()

    def __enter__(self) -> "EventSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
