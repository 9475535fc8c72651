"""Django's cache in PostgreSQL."""

import threading

import pytest
from django.core.cache import cache
from django.db import connections

from apps.core.cache import PRUNE
from apps.core.models import CacheEntry
from apps.executions.connection import fetch

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("value", [None, 0, "", "text", [1.5, 2], {"a": [True]}])
def test_a_value_comes_back_as_it_was(value):
    cache.set("key", value)
    assert cache.get("key", "default") == value


def test_what_is_not_there_is_the_default():
    assert cache.get("key") is None
    assert cache.get("key", 5) == 5
    assert cache.delete("key") is False
    assert cache.touch("key") is False


def test_a_value_expires():
    cache.set("short", 1, timeout=-1)
    cache.set("long", 1, timeout=60)
    cache.set("ever", 1, timeout=None)
    assert [cache.get(key) for key in ("short", "long", "ever")] == [None, 1, 1]
    cache.touch("long", timeout=-1)
    assert cache.get("long") is None


def test_only_the_first_adds_until_it_has_expired():
    assert cache.add("key", 1) is True
    assert cache.add("key", 2) is False
    assert cache.get("key") == 1
    cache.touch("key", timeout=-1)
    assert cache.add("key", 3) is True
    assert cache.get("key") == 3


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_adds():
    added = []

    def add():
        added.append(cache.add("key", 1, timeout=60))
        connections.close_all()

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [False] * 7 + [True]


def test_it_is_cleared():
    cache.set_many({"a": 1, "b": 2})
    cache.clear()
    assert cache.get_many(["a", "b"]) == {}


@pytest.mark.django_db(transaction=True)
def test_only_what_has_expired_is_pruned():
    cache.set("gone", 1, timeout=-1)
    cache.set("here", 1, timeout=60)
    cache.set("ever", 1, timeout=None)
    assert len(fetch(PRUNE, {"limit": 10})) == 1
    assert CacheEntry.objects.count() == 2
