"""Idempotency-Key: the same request is answered alike, and makes nothing twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.executions import idempotency
from apps.executions.connection import fetch
from apps.executions.models import BulkRerun, Execution, IdempotentRequest
from tests.api.clients import ORDER, client_of, make_workflow
from tests.api.workspaces import join
from tests.realtime.web import WITHIN_SECONDS, web
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"Idempotency-Key": "order-1"}


@pytest.fixture
def workflow(ada):
    return make_workflow(ada)


@pytest.fixture
def start(workflow):
    return {"workflow": workflow["id"], "input": {"amount": 5}}


def expire() -> None:
    IdempotentRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("wait", [False, True])
def test_a_hundred_at_once_make_one_execution_and_have_equal_answers(ada, start, wait):
    barrier = threading.Barrier(100)
    headers = {**KEY, "Authorization": ada.defaults["HTTP_AUTHORIZATION"], **({"Prefer": "wait=60"} if wait else {})}

    def send(address: str) -> httpx2.Response:
        with httpx2.Client(base_url=address, headers=headers, timeout=WITHIN_SECONDS, trust_env=False) as client:
            barrier.wait(WITHIN_SECONDS)
            return client.post("/executions", json=start)

    with web() as address, ThreadPoolExecutor(100) as pool:
        sent = [pool.submit(send, address) for _ in range(100)]
        if wait:
            drive(the_execution())
        answers = [each.result(WITHIN_SECONDS) for each in sent]

    assert {(answer.status_code, answer.content) for answer in answers} == {(answers[0].status_code, answers[0].content)}
    assert answers[0].status_code == (200 if wait else 202)
    assert Execution.objects.count() == 1
    assert answers[0].json()["id"] == str(Execution.objects.get().pk)
    assert sorted(answer.headers.get("Idempotent-Replayed", "") for answer in answers) == ["", *["true"] * 99]


def the_execution() -> UUID:
    while (execution_id := Execution.objects.values_list("pk", flat=True).first()) is None:
        pass
    return execution_id


def test_who_lost_the_answer_of_a_start_gets_it_again_also_when_it_has_ended(ada, start):
    first = ada.post("/api/v1/executions", start, format="json", headers=KEY)
    drive(UUID(first.json()["id"]))
    second = ada.post("/api/v1/executions", {**start, "wait": 5}, format="json", headers=KEY)
    third = ada.post("/api/v1/executions", start, format="json", headers=KEY)

    assert (first.status_code, first.content) == (third.status_code, third.content)
    assert (second.status_code, second.json()["output"]) == (200, {"is_large": False}), "how long it waits is no part of the request"
    assert Execution.objects.count() == 1


@pytest.mark.parametrize("change", [{"input": {"amount": 6}}, {"business_key": "B"}, {"priority": "normal"}])
def test_another_request_with_the_key_is_refused(ada, start, change):
    ada.post_json("/executions", start, 202, **KEY)
    refused = ada.post_json("/executions", {**start, **change}, 422, **KEY)
    assert (refused["code"], refused["details"]) == ("idempotency_key_reused", {"header": "Idempotency-Key"})
    assert ada.post_json("/executions/bulk", {"workflow": start["workflow"], "starts": [{}]}, 422, **KEY)["code"] == refused["code"]
    assert Execution.objects.count() == 1


def test_the_order_of_keys_makes_no_other_request(ada, start):
    first = ada.post_json("/executions", start, 202, **KEY)
    assert ada.post_json("/executions", dict(reversed(start.items())), 202, **KEY) == first


def test_a_start_that_is_refused_leaves_the_key_free(ada, start):
    ada.post_json("/executions", {**start, "input": {"amount": "much"}}, 422, **KEY)
    assert not IdempotentRequest.objects.exists()
    ada.post_json("/executions", start, 202, **KEY)


def test_a_key_is_free_again_once_it_has_expired(ada, start):
    first = ada.post_json("/executions", start, 202, **KEY)
    expire()
    second = ada.post_json("/executions", {**start, "input": {"amount": 6}}, 202, **KEY)
    assert second["id"] != first["id"]
    assert IdempotentRequest.objects.get().expires_at > timezone.now() + timedelta(hours=23)


def test_what_has_expired_is_pruned(ada, start):
    ada.post_json("/executions", start, 202, **KEY)
    assert fetch(idempotency.PRUNE, {"limit": 10}) == []
    expire()
    assert len(fetch(idempotency.PRUNE, {"limit": 10})) == 1
    assert not IdempotentRequest.objects.exists()


def test_a_key_is_its_callers_own_in_each_workspace(ada, bob, start):
    firm = Workspace.objects.get(pk=ada.post_json("/workspaces", {"name": "firm"}, 201)["id"])
    join(bob, firm, "builder")
    shared = ada.post_json("/workflows", {"definition": ORDER, "publish": True, "workspace": str(firm.pk)}, 201)["id"]
    body = {"workflow": shared, "input": {"amount": 5}}
    made = [client.post_json("/executions", sent, 202, **KEY)["id"] for client, sent in ((ada, start), (ada, body), (bob, body))]
    assert len(set(made)) == 3
    again = client_of(bob.user).post_json("/executions", body, 202, **KEY)
    assert again["id"] == made[2]


def test_bulk_starts_and_bulk_reruns_are_answered_alike(ada, start):
    bulk = {"workflow": start["workflow"], "starts": [{"input": {"amount": number}} for number in range(3)]}
    assert ada.post_json("/executions/bulk", bulk, 202, **KEY) == ada.post_json("/executions/bulk", bulk, 202, **KEY)
    assert Execution.objects.count() == 3
    for execution_id in Execution.objects.values_list("pk", flat=True):
        drive(execution_id)
    again = {"filters": {"workflow": start["workflow"]}, "from": "start"}
    headers = {"Idempotency-Key": "again-1"}
    assert ada.post_json("/executions/rerun-bulk", again, 202, **headers) == ada.post_json("/executions/rerun-bulk", again, 202, **headers)
    assert BulkRerun.objects.count() == 1


def test_a_start_with_a_key_takes_three_more_statements(ada, start, django_assert_num_queries):
    """The key is taken, the answer is kept, and both are one transaction with the start."""
    ada.post_json("/executions", start, 202)
    with django_assert_num_queries(7):
        ada.post_json("/executions", start, 202, **KEY)
    with django_assert_num_queries(6):
        ada.post_json("/executions", start, 202, **KEY)
