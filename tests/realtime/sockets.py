"""A client of the WebSockets, for tests: the real application over the real PostgreSQL and Valkey."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson
from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from asgiref.testing import ApplicationCommunicator
from django.test import Client

from apps.accounts.models import User
from apps.accounts.sessions import SessionStore
from apps.accounts.tokens import TokenStrategy
from structforge.sockets import application

WITHIN_SECONDS = 5.0

Headers = list[tuple[bytes, bytes]]


def login(user: User) -> SessionStore:
    client = Client()
    client.force_login(user)
    return SessionStore(client.session.session_key)


def token_of(user: User, session: SessionStore | None = None) -> str:
    return create_access_token(user, session or login(user), TokenStrategy().get_claims(user))


def bearer(token: str) -> Headers:
    return [(b"authorization", f"Bearer {token}".encode())]


def cookie(session: SessionStore, origin: str | None) -> Headers:
    headers = [(b"cookie", f"sessionid={session.session_key}".encode())]
    return headers if origin is None else [*headers, (b"origin", origin.encode())]


class Socket:
    """One end of a WebSocket, of an execution or at another path; the other is the application."""

    def __init__(self, execution_id: UUID | str, headers: Headers | None = None, query: str = "") -> None:
        path = execution_id if isinstance(execution_id, str) and execution_id.startswith("/") else f"/ws/executions/{execution_id}"
        scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": headers or []}
        self._application = ApplicationCommunicator(application, scope)

    async def connect(self) -> bool:
        """Whether the socket was accepted."""
        await self._application.send_input({"type": "websocket.connect"})
        return bool((await self.receive())["type"] == "websocket.accept")

    async def disconnect(self) -> None:
        await self._application.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._application.wait(WITHIN_SECONDS)

    async def send(self, message: object) -> None:
        await self.send_raw(text=orjson.dumps(message).decode())

    async def send_raw(self, **frame: str | bytes) -> None:
        """Send a frame as it is: text=… or bytes=…"""
        await self._application.send_input({"type": "websocket.receive", **frame})

    async def receive(self) -> dict[str, Any]:
        event: dict[str, Any] = await self._application.receive_output(WITHIN_SECONDS)
        return event

    async def message(self) -> dict[str, Any]:
        """The next message that is no heartbeat."""
        while True:
            message: dict[str, Any] = orjson.loads((await self.receive())["text"])
            if message["type"] != "heartbeat":
                return message

    async def closing(self) -> int:
        """The code with which the server closes, after it said why."""
        assert (await self.message())["type"] == "error"
        event = await self.receive()
        assert event["type"] == "websocket.close"
        return int(event["code"])


@asynccontextmanager
async def socket(execution_id: UUID | str, headers: Headers | None = None, query: str = "") -> AsyncIterator[Socket]:
    client = Socket(execution_id, headers, query)
    assert await client.connect()
    try:
        yield client
    finally:
        await client.disconnect()
