"""A client of the WebSockets, for tests: the real application over the real PostgreSQL and Valkey."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from apps.accounts.models import User
from apps.accounts.tokens import TokenStrategy
from structforge.asgi import application

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


@asynccontextmanager
async def socket(execution_id: UUID | str, headers: Headers | None = None, query: str = "") -> AsyncIterator[WebsocketCommunicator]:
    communicator = WebsocketCommunicator(application, f"/ws/executions/{execution_id}{query}", headers=headers or [])
    is_accepted, _ = await communicator.connect(WITHIN_SECONDS)
    assert is_accepted
    try:
        yield communicator
    finally:
        await communicator.disconnect()


async def next_message(communicator: WebsocketCommunicator) -> dict[str, Any]:
    """The next message that is no heartbeat."""
    while True:
        message: dict[str, Any] = await communicator.receive_json_from(WITHIN_SECONDS)
        if message["type"] != "heartbeat":
            return message


async def closed_with(communicator: WebsocketCommunicator) -> int:
    """The code with which the server closes, after it said why."""
    assert (await next_message(communicator))["type"] == "error"
    closing = await communicator.receive_output(WITHIN_SECONDS)
    assert closing["type"] == "websocket.close"
    return int(closing["code"])
