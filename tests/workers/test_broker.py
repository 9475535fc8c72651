"""The transport that all processes send and receive messages by."""

import redis
from django.conf import settings
from kombu import Connection


def test_a_connection_says_which_client_it_is_and_does_not_look_that_up_each_time(monkeypatch):
    monkeypatch.setattr("redis.utils.get_lib_version", None)  # it reads the metadata of a package

    with Connection(settings.BROKER_URL, transport=settings.CELERY_BROKER_TRANSPORT) as broker, broker.channel() as channel:
        described = channel.client.client_info()

    assert (described["lib-name"], described["lib-ver"]) == ("redis-py", redis.__version__)
