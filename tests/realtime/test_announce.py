"""What one process announces, others receive: over a real server, in the format of the channel layer."""

import os
from uuid import uuid4

import pytest
from channels.layers import get_channel_layer

from apps.realtime import announce as announcing
from apps.realtime.announce import MAX_BATCH, announce, dropped, flush
from apps.realtime.follow import follow
from apps.realtime.groups import execution_group

WITHIN_SECONDS = 5.0


def changed(sequence: int) -> dict[str, object]:
    return {"type": "execution.changed", "sequence": sequence, "status": "running", "node_runs": []}


@pytest.fixture
def execution_id() -> str:
    return str(uuid4())


def test_a_follower_receives_what_is_announced_in_order(execution_id):
    with follow([execution_id]) as inbox:
        assert inbox.get(WITHIN_SECONDS) is None  # subscribed
        for number in range(3 * MAX_BATCH):
            announce(execution_id, changed(number))

        received = [inbox.get(WITHIN_SECONDS) for _ in range(3 * MAX_BATCH)]

    assert received == [changed(number) for number in range(3 * MAX_BATCH)]


def test_a_follower_hears_nothing_of_other_executions(execution_id):
    with follow([execution_id]) as inbox:
        assert inbox.get(WITHIN_SECONDS) is None
        announce(str(uuid4()), changed(1))
        announce(execution_id, changed(2))

        assert inbox.get(WITHIN_SECONDS) == changed(2)


def test_two_followers_of_one_execution_both_receive_and_one_may_leave(execution_id):
    with follow([execution_id]) as stays:
        assert stays.get(WITHIN_SECONDS) is None
        with follow([execution_id]) as leaves:
            assert leaves.get(WITHIN_SECONDS) is None
            announce(execution_id, changed(1))
            assert leaves.get(WITHIN_SECONDS) == changed(1)
        announce(execution_id, changed(2))

        # In between comes the confirmation of the other's subscription.
        received = [notice for _ in range(3) if (notice := stays.get(WITHIN_SECONDS)) is not None]

    assert received == [changed(1), changed(2)]


async def test_the_channel_layer_understands_it(execution_id):
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(execution_group(execution_id), channel)

    announce(execution_id, changed(1))

    assert await layer.receive(channel) == changed(1)
    await layer.flush()


def test_what_cannot_be_written_is_dropped_alone(execution_id):
    before = dropped()
    with follow([execution_id]) as inbox:
        assert inbox.get(WITHIN_SECONDS) is None
        announce(execution_id, {"type": "execution.changed", "status": object()})
        announce(execution_id, changed(1))

        assert inbox.get(WITHIN_SECONDS) == changed(1)
    assert dropped() == before + 1


def test_without_redis_messages_are_dropped_and_counted(execution_id, settings, monkeypatch):
    monkeypatch.setattr(announcing, "_sender", announcing._Sender())
    settings.LIVE_REDIS_URL = "redis://127.0.0.1:1/1"

    announce(execution_id, changed(1))

    assert flush(WITHIN_SECONDS)
    assert dropped() == 1


def test_a_forked_child_announces_through_a_sender_of_its_own(execution_id):
    with follow([execution_id]) as inbox:
        assert inbox.get(WITHIN_SECONDS) is None
        announce(execution_id, changed(1))
        assert inbox.get(WITHIN_SECONDS) == changed(1)

        if (child := os.fork()) == 0:
            announce(execution_id, changed(2))
            os._exit(0 if flush(WITHIN_SECONDS) else 1)

        assert inbox.get(WITHIN_SECONDS) == changed(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
