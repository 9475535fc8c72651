"""What the socket of an inbox shows while tasks come, move and go."""

from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_thread

from apps.accounts.models import Team, TeamMember, User
from apps.executions.actions import cancel_execution
from apps.realtime import consumer
from apps.realtime.consumer import Close
from apps.tasks import live
from apps.tasks.consumers import read_inbox
from apps.tasks.deciding import complete
from apps.tasks.holding import claim, delegate, release
from apps.tasks.models import HumanTask
from apps.tasks.timers import fire_due
from tests.factories import make_workspace
from tests.realtime.sockets import Socket, bearer, socket, token_of
from tests.workers.test_human_tasks import YES, ask, asking, away, member, move_clock, task_of

pytestmark = pytest.mark.django_db(transaction=True)

INBOX = "/ws/tasks"


@in_thread
def person(username: str) -> tuple[User, str]:
    user = member(username)
    return user, token_of(user)


class View:
    """What a client holds."""

    def __init__(self, client: Socket, snapshot: dict[str, Any]) -> None:
        assert snapshot["type"] == "inbox.snapshot"
        self._client, self.counts = client, snapshot["counts"]
        self.tasks = {task["id"]: task for task in snapshot["tasks"]}

    async def until(self, holds: Callable[["View"], bool]) -> None:
        """Take messages until this is so; a message that does not come fails the test."""
        while not holds(self):
            message = await self._client.message()
            assert message["type"] == "inbox.changed"
            self.counts = message["counts"]
            self.tasks.update({task["id"]: task for task in message["tasks"]})
            for task_id in message["gone"]:
                del self.tasks[task_id]


async def view_of(client: Socket) -> View:
    return View(client, await client.message())


async def test_tasks_come_move_and_go_while_two_watch(monkeypatch):
    # Nothing but hints: the look that makes good what was lost comes after the test.
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 600)
    (bob, bobs), (carl, carls) = await person("bob"), await person("carl")
    async with socket(INBOX, bearer(bobs)) as first, socket(INBOX, bearer(carls)) as second:
        his, other = await view_of(first), await view_of(second)
        assert (his.tasks, his.counts["total"]) == ({}, 0)

        execution_id = await in_thread(asking)(ask(candidate_users=["bob", "carl"]))
        task = await in_thread(task_of)(execution_id)
        await his.until(lambda view: task.pk in view.tasks)
        await other.until(lambda view: task.pk in view.tasks)
        assert (his.tasks[task.pk]["title"], his.counts) == ("Approve", {"total": 1, "assigned": 0, "offered": 1, "overdue": 0})

        await in_thread(claim)(task_id=task.pk, user=bob)
        await his.until(lambda view: view.tasks[task.pk]["assignee"] == "bob")
        await other.until(lambda view: not view.tasks)
        await in_thread(release)(task_id=task.pk, user=bob)
        await other.until(lambda view: task.pk in view.tasks)
        await in_thread(delegate)(task_id=task.pk, user=bob, to="carl")
        await his.until(lambda view: not view.tasks)
        await other.until(lambda view: view.counts["assigned"] == 1)
        await in_thread(complete)(task_id=task.pk, user=carl, variables=YES)
        await other.until(lambda view: not view.tasks and view.counts["total"] == 0)


async def test_what_the_socket_told_is_what_a_refetch_shows(monkeypatch):
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 600)
    bob, token = await person("bob")
    async with socket(INBOX, bearer(token)) as client:
        view = await view_of(client)
        for number in range(4):
            await in_thread(asking)(ask(title=f"Task {number}", candidate_users=["bob"], due_seconds=60, escalations=ESCALATIONS))
        ids = await in_thread(lambda: list(HumanTask.objects.order_by("id").values_list("pk", flat=True)))()
        await in_thread(claim)(task_id=ids[0], user=bob)
        await in_thread(complete)(task_id=ids[1], user=bob, variables=YES)
        await in_thread(move_clock)(minutes=1)
        await in_thread(fire_due)()
        await in_thread(asking)(ask(title="The last", candidate_users=["bob"]))
        await view.until(lambda view: [task["title"] for task in view.tasks.values()] == ["The last"])
        refetched = await in_thread(read_inbox)(bob)
    assert list(view.tasks.values()) == refetched["tasks"]
    assert view.counts == refetched["counts"]


ESCALATIONS = [{"action": "reassign", "candidate_roles": ["owner"]}]


async def test_what_no_hint_told_is_seen_by_the_next_look(monkeypatch):
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(live, "announce_inboxes", lambda keys: None)
    _, token = await person("bob")
    async with socket(INBOX, bearer(token)) as client:
        view = await view_of(client)
        execution_id = await in_thread(asking)(ask(candidate_users=["bob"]))
        await view.until(lambda view: len(view.tasks) == 1)
        await in_thread(cancel_execution)(execution_id=execution_id)
        await view.until(lambda view: not view.tasks)


async def test_who_joins_a_team_or_stands_in_for_somebody_hears_of_their_tasks(monkeypatch):
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 0.1)
    bob, token = await person("bob")
    carl, _ = await person("carl")
    team = await in_thread(lambda: Team.objects.create(workspace=make_workspace("ada"), name="auditors"))()
    async with socket(INBOX, bearer(token)) as client:
        view = await view_of(client)
        await in_thread(asking)(ask(title="Of the team", candidate_teams=["auditors"]))
        await in_thread(asking)(ask(title="Of Carl", assignee="carl"))
        await in_thread(lambda: TeamMember.objects.create(team=team, user=bob))()
        await in_thread(away)(carl, bob)
        await view.until(lambda view: sorted(task["title"] for task in view.tasks.values()) == ["Of Carl", "Of the team"])


async def test_a_fresh_snapshot_is_sent_where_it_is_asked_for():
    _, token = await person("bob")
    async with socket(INBOX, bearer(token)) as client:
        await view_of(client)
        await client.send({"type": "snapshot"})
        await view_of(client)


async def test_who_has_not_logged_in_sees_nothing(monkeypatch):
    monkeypatch.setattr(consumer, "AUTHENTICATE_SECONDS", 0.05)
    async with socket(INBOX) as client:
        assert await client.closing() == Close.NOT_AUTHENTICATED


async def test_nobody_sees_the_inbox_of_another():
    (_, bobs), _ = await person("bob"), await person("carl")
    await in_thread(asking)(ask(assignee="carl"))
    async with socket(INBOX, bearer(bobs)) as client:
        assert (await view_of(client)).tasks == {}
