"""Guessing at the secret of a webhook: failures are counted, for each sender and webhook, by the real Redis."""

import pytest
from django.conf import settings
from django.test import Client
from redis import Redis

from apps.triggers.models import Webhook, WebhookCall
from apps.triggers.webhooks import finding, rates
from apps.triggers.webhooks.letting_in import MAX_FAILED_PROOFS
from tests.api.clients import make_workflow
from tests.api.test_webhooks import SECRET, Address, credential_of, definition

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = 30_000_000  # since 1970: the counters of no other test
RIGHT, WRONG = {"Authorization": f"Bearer {SECRET}"}, {"Authorization": "Bearer wrong"}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The second of the minute that the database's clock shows to webhooks; a list of one, to be changed."""
    seconds = [MINUTE * 60 + 10.0]
    found = finding._found

    def found_then(statement, token):
        hook = found(statement, token)
        object.__setattr__(hook, "now", seconds[0])
        return hook

    monkeypatch.setattr(finding, "_found", found_then)
    rates.forget()
    with Redis.from_url(settings.LIVE_REDIS_URL) as redis:
        redis.delete(*redis.keys("hooks:*") or ["hooks:"])
    return seconds


def guarded(ada, credential=None) -> Address:
    body = definition(credential=credential or credential_of(ada, style="bearer"))
    made = make_workflow(ada, {**body, "name": f"called {Webhook.objects.count()}"})
    return Address(Webhook.objects.get(workflow=made["id"], is_open=True).token)


def guess(address, times, status=401):
    for _ in range(times):
        address.send(status=status, **WRONG)


def test_after_sixty_failures_nothing_of_the_sender_is_looked_at_until_the_minute_is_over(ada, clock):
    address = guarded(ada)
    guess(address, MAX_FAILED_PROOFS - 1)
    address.send(**RIGHT)
    guess(address, 1)

    refused = address.send(status=429, **RIGHT)
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("too_many_failed_proofs", "50")
    guess(address, 1, status=429)
    assert WebhookCall.objects.count() == 1

    clock[0] += 50
    address.send(**RIGHT)
    guess(address, 1)


def test_other_senders_and_other_webhooks_are_not_concerned(ada):
    credential = credential_of(ada, style="bearer")
    address, other = guarded(ada, credential), guarded(ada, credential)
    guess(address, MAX_FAILED_PROOFS)
    address.send(status=429, **RIGHT)

    other.send(**RIGHT)
    address.client = Client(REMOTE_ADDR="198.51.100.7")
    address.send(**RIGHT)


def test_addresses_of_one_network_of_ipv6_are_one_sender(ada):
    address = guarded(ada)
    for number in range(MAX_FAILED_PROOFS):
        address.client = Client(REMOTE_ADDR=f"2001:db8::{number:x}")
        guess(address, 1)
    address.client = Client(REMOTE_ADDR="2001:db8::ffff")
    address.send(status=429, **RIGHT)
    address.client = Client(REMOTE_ADDR="2001:db8:0:1::1")
    address.send(**RIGHT)


def test_another_process_learns_it_at_its_own_next_failure(ada):
    address = guarded(ada)
    guess(address, MAX_FAILED_PROOFS)
    rates.forget()  # as a process that has not seen them
    address.send(**RIGHT)
    guess(address, 1)
    address.send(status=429, **RIGHT)


def test_a_right_proof_asks_redis_no_more_than_a_call_without_one(ada, monkeypatch):
    address = guarded(ada)
    address.send(**RIGHT)  # it fetches a share of the calls of this minute
    monkeypatch.setattr(rates, "_redis", None)  # whoever asked it would fail
    address.send(**RIGHT)


def test_while_redis_is_away_a_process_counts_for_itself(ada, monkeypatch, settings):
    address = guarded(ada)
    rates._redis.cache_clear()
    settings.LIVE_REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(rates._failures, "_away_until", 0.0)
    monkeypatch.setattr(rates._rates, "_away_until", 0.0)
    try:
        guess(address, MAX_FAILED_PROOFS)
        address.send(status=429, **RIGHT)
    finally:
        rates._redis.cache_clear()
