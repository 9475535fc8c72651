"""Who may follow an execution, and what else a socket refuses."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.db import database_sync_to_async as in_thread

from apps.accounts.api_keys import create_key
from apps.accounts.models import LoginSession, Membership, User
from apps.accounts.permissions import Permission
from apps.accounts.queries import personal_workspace
from apps.executions.actions import start_execution
from apps.executions.models import ExecutionQuerySet
from apps.realtime import consumer
from apps.realtime.consumer import Close
from tests.factories import make_version, make_workspace
from tests.realtime.sockets import Headers, Socket, bearer, cookie, login, socket, token_of

pytestmark = pytest.mark.django_db(transaction=True)

OURS = "http://localhost:8000"


@pytest.fixture
def execution_id() -> UUID:
    return start_execution(workflow=make_version(username="ada").workflow).execution_id


@pytest.fixture
def owner(execution_id) -> User:
    return User.objects.get(username="ada")


@pytest.fixture
def stranger() -> User:
    return make_workspace("mallory").owner


async def first_message(execution_id: UUID, headers: Headers) -> dict[str, Any]:
    async with socket(execution_id, headers) as client:
        return await client.message()


async def test_the_owner_may_by_token(execution_id, owner):
    headers = await in_thread(lambda: bearer(token_of(owner)))()

    assert (await first_message(execution_id, headers))["execution_id"] == str(execution_id)


@pytest.mark.parametrize(("scope", "is_shown"), [(Permission.EXECUTION_VIEW, True), (Permission.WORKFLOW_VIEW, False)])
async def test_a_key_of_the_owner_may_if_it_has_the_scope(execution_id, owner, scope, is_shown):
    def headers() -> Headers:
        workspace = personal_workspace(owner)
        _, key = create_key(owner=owner, workspace=workspace, name="x", scopes=[scope], expires_at=None, created_by=owner)
        return bearer(key)

    message = await first_message(execution_id, await in_thread(headers)())

    assert ("execution_id" in message) is is_shown


async def test_the_owner_may_by_a_first_message(execution_id, owner):
    token = await in_thread(token_of)(owner)
    async with socket(execution_id) as client:
        await client.send({"type": "authenticate", "token": token})

        assert (await client.message())["type"] == "execution.snapshot"


async def test_the_owner_may_by_the_session_of_one_of_our_pages(execution_id, owner):
    headers = await in_thread(lambda: cookie(login(owner), OURS))()

    assert (await first_message(execution_id, headers))["type"] == "execution.snapshot"


async def test_an_operator_may(execution_id, stranger):
    stranger.is_superuser = True
    await stranger.asave()
    headers = await in_thread(lambda: bearer(token_of(stranger)))()

    assert (await first_message(execution_id, headers))["type"] == "execution.snapshot"


async def test_a_stranger_is_refused_by_the_second_fence_where_the_first_is_forgotten(execution_id, stranger, monkeypatch):
    monkeypatch.setattr(ExecutionQuerySet, "visible_to", lambda self, user: self)
    token = await in_thread(token_of)(stranger)
    async with socket(execution_id, bearer(token)) as client:
        assert await client.closing() == Close.NOT_FOUND


@pytest.mark.parametrize("is_known", [True, False])
async def test_foreign_and_unknown_executions_are_refused_alike(execution_id, stranger, is_known):
    token = await in_thread(token_of)(stranger)
    async with socket(execution_id if is_known else uuid4(), bearer(token)) as client:
        assert await client.closing() == Close.NOT_FOUND


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
async def test_a_foreign_page_does_not_get_a_socket(execution_id, owner, origin):
    headers = await in_thread(lambda: cookie(login(owner), origin))()

    assert not await Socket(execution_id, headers).connect()


async def test_a_cookie_without_an_origin_does_not_count(execution_id, owner, monkeypatch):
    monkeypatch.setattr(consumer, "AUTHENTICATE_SECONDS", 0.05)
    headers = await in_thread(lambda: cookie(login(owner), None))()
    async with socket(execution_id, headers) as client:
        assert await client.closing() == Close.NOT_AUTHENTICATED


async def test_a_token_in_the_address_does_not_count(execution_id, owner, monkeypatch):
    monkeypatch.setattr(consumer, "AUTHENTICATE_SECONDS", 0.05)
    token = await in_thread(token_of)(owner)
    async with socket(execution_id, query=f"?token={token}") as client:
        assert await client.closing() == Close.NOT_AUTHENTICATED


async def test_a_wrong_token_is_refused(execution_id):
    async with socket(execution_id, bearer("nonsense")) as client:
        assert await client.closing() == Close.NOT_AUTHENTICATED


async def test_a_logout_closes_the_socket(execution_id, owner, monkeypatch):
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 0.05)
    token = await in_thread(token_of)(owner)
    async with socket(execution_id, bearer(token)) as client:
        await client.message()
        await LoginSession.objects.all().adelete()

        assert await client.closing() == Close.NOT_AUTHENTICATED


async def test_lost_permission_closes_the_socket(execution_id, owner, monkeypatch):
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 0.05)
    token = await in_thread(token_of)(owner)
    async with socket(execution_id, bearer(token)) as client:
        await client.message()
        await Membership.objects.filter(user=owner).adelete()

        assert await client.closing() == Close.NOT_FOUND


@pytest.mark.parametrize("text", ["{", "[1]", '"text"', '{"type": "shout"}', '{"type": "authenticate", "token": 7}', "x" * 20_000])
async def test_a_malformed_message_closes_the_socket(execution_id, owner, text):
    token = await in_thread(token_of)(owner)
    async with socket(execution_id, bearer(token)) as client:
        await client.message()
        await client.send_raw(text=text)

        assert await client.closing() == Close.BAD_MESSAGE


async def test_bytes_close_the_socket(execution_id, owner):
    token = await in_thread(token_of)(owner)
    async with socket(execution_id, bearer(token)) as client:
        await client.message()
        await client.send_raw(bytes=b"\x00\xff")

        assert await client.closing() == Close.BAD_MESSAGE


async def test_who_talks_too_much_is_cut_off(execution_id, owner):
    token = await in_thread(token_of)(owner)
    async with socket(execution_id, bearer(token)) as client:
        await client.message()
        for _ in range(11):
            await client.send({"type": "authenticate", "token": token})

        assert await client.closing() == Close.TOO_MANY_MESSAGES


async def test_another_persons_token_does_not_take_over(execution_id, owner, stranger):
    token = await in_thread(token_of)(owner)
    async with socket(execution_id, bearer(token)) as client:
        await client.message()
        await client.send({"type": "authenticate", "token": await in_thread(token_of)(stranger)})

        assert await client.closing() == Close.NOT_AUTHENTICATED
