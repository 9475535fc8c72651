"""Limits on executions at a time over HTTP: who reads and sets them, what they say of their use, and what a waiting execution says."""

from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from apps.accounts.models import Membership
from apps.executions.models import Execution, ExecutionLimit
from tests.api.clients import ORDER, ApiClient, client_of, make_workflow
from tests.api.workspaces import join, workspace_of
from tests.workers.driving import drive
from workers.sweepers import HoldDown, Sweeper

pytestmark = pytest.mark.django_db(transaction=True)

NO_LIMITS: dict[str, Any] = {"max_running": None, "max_seconds": None, "each_person": None, "people": []}
INPUT = {"amount": 1}


def address_of(client: ApiClient) -> str:
    return f"/workspaces/{workspace_of(client).pk}/limits"


def start(client: ApiClient, workflow: dict[str, Any], **body: Any) -> Any:
    return client.post_json("/executions", {"workflow": workflow["id"], "input": INPUT, **body}, 202)


def test_a_waiting_execution_says_what_it_waits_for_and_behind_how_many(ada, bob, django_assert_num_queries):
    workflow = make_workflow(ada, {**ORDER, "settings": {"max_concurrency": 1}})
    running, *waiting = (start(ada, workflow) for _ in range(4))
    assert [running["status"], *(one["status"] for one in waiting)] == ["running", "pending", "pending", "pending"]

    found = ada.get_json(f"/executions/{waiting[2]['id']}")["waiting"]
    assert found == {
        "scope": "workflow",
        "allowed": 1,
        "position": 3,
        "reason": "3rd in line: the workflow allows 1 at once",
    }
    with django_assert_num_queries(4):  # two for who asks, the page, and one for all that its pending ones wait for
        page = ada.get_json("/executions?status=pending")["results"]
    assert [row["waiting"]["position"] for row in page] == [3, 2, 1]
    assert ada.get_json(f"/executions/{running['id']}")["waiting"] is None
    assert bob.get_json("/executions?status=pending")["results"] == []


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_running": 1}, "1st in line: the workspace allows 1 at once"),
        ({"each_person": 1}, "1st in line: whoever started it may have 1 at once in this workspace"),
    ],
)
def test_the_limits_of_a_workspace_hold_and_are_named(ada, limits, reason):
    workflow = make_workflow(ada)
    ada.put_json(address_of(ada), {**NO_LIMITS, **limits})
    start(ada, workflow)

    waiting = start(ada, workflow)

    assert ada.get_json(f"/executions/{waiting['id']}")["waiting"]["reason"] == reason


def test_a_key_and_the_installation_are_named_too(ada, operator):
    keyed = make_workflow(ada, {**ORDER, "settings": {"max_concurrency": 1, "concurrency_key": "${input.amount}"}})
    start(ada, keyed)
    waiting = start(ada, keyed)
    assert ada.get_json(f"/executions/{waiting['id']}")["waiting"]["reason"] == "1st in line: the workflow allows 1 at once for '1'"

    operator.put_json("/limits", {"max_running": 1, "max_seconds": None})
    other = start(ada, make_workflow(ada, {**ORDER, "name": "other"}))
    assert ada.get_json(f"/executions/{other['id']}")["waiting"]["reason"] == "2nd in line: the installation allows 1 at once"


def test_limits_are_shown_with_their_use_so_far(ada, bob):
    workspace, workflow = workspace_of(ada), make_workflow(ada)
    join(bob, workspace, "operator")
    people = [{"user": str(bob.user.pk), "max_running": 1}]
    ada.put_json(address_of(ada), {"max_running": 3, "max_seconds": 60, "each_person": 2, "people": people})
    member = client_of(type(bob.user).objects.get(pk=bob.user.pk))
    for client in (ada, ada, ada, member, member):
        start(client, workflow)

    assert ada.get_json(address_of(ada)) == {
        "max_running": 3,
        "max_seconds": 60.0,
        "used": 3,
        "waiting": 2,
        "each_person": 2,
        "people": [{"user": str(bob.user.pk), "username": "bob", "max_running": 1, "used": 1, "waiting": 1}],
    }


def test_the_limit_of_somebody_goes_when_they_leave(ada, bob):
    workspace = ada.post_json("/workspaces", {"name": "together"}, 201)["id"]
    Membership.objects.create(workspace_id=workspace, user=bob.user, role="operator")
    people = [{"user": str(bob.user.pk), "max_running": 1}]
    ada.put_json(f"/workspaces/{workspace}/limits", {**NO_LIMITS, "people": people})

    ada.delete_json(f"/workspaces/{workspace}/members/{bob.user.pk}")

    assert ada.get_json(f"/workspaces/{workspace}/limits")["people"] == []


def test_whoever_waits_begins_as_soon_as_a_limit_is_raised_or_dropped(ada):
    workflow = make_workflow(ada)
    ada.put_json(address_of(ada), {**NO_LIMITS, "max_running": 1})
    executions = [start(ada, workflow)["id"] for _ in range(4)]

    ada.put_json(address_of(ada), {**NO_LIMITS, "max_running": 2})
    assert statuses(executions) == ["running", "running", "pending", "pending"]
    ada.put_json(address_of(ada), NO_LIMITS)
    assert statuses(executions) == ["running"] * 4
    assert not ExecutionLimit.objects.exists()


def statuses(executions: list[str]) -> list[str]:
    return [Execution.objects.get(pk=execution).status for execution in executions]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"max_running": 0}, "/max_running"),
        ({"max_running": -1}, "/max_running"),
        ({"max_seconds": 0}, "/max_seconds"),
        ({"each_person": "many"}, "/each_person"),
        ({"people": [{"user": "3" * 32, "max_running": 0}]}, "/people/0/max_running"),
    ],
)
def test_limits_that_allow_nothing_are_refused_at_their_place(ada, wrong, pointer):
    answer = ada.put_json(address_of(ada), {**NO_LIMITS, **wrong}, 422)

    assert answer["details"]["errors"][0]["pointer"] == pointer
    assert not ExecutionLimit.objects.exists()


@pytest.mark.parametrize(
    ("own", "pointer"),
    [
        ({"max_concurrency": 0}, "/settings/max_concurrency"),
        ({"max_concurrency": -2}, "/settings/max_concurrency"),
        ({"concurrency_key": "${input.amount}"}, "/settings/concurrency_key"),
        ({"max_concurrency": 1, "concurrency_key": "amount"}, "/settings/concurrency_key"),
        ({"max_concurrency": 1, "concurrency_key": "${nodes.start.amount}"}, "/settings/concurrency_key"),
        ({"max_concurrency": 1, "concurrency_key": "${execution.id}"}, "/settings/concurrency_key"),
        ({"max_concurrency": 1, "concurrency_key": "${amount +}"}, "/settings/concurrency_key"),
        ({"queue": "No Such Name"}, "/settings/queue"),
    ],
)
def test_a_definition_whose_limits_mean_nothing_is_refused_at_their_place(ada, own, pointer):
    answer = ada.post_json("/workflows", {"definition": {**ORDER, "settings": own}}, 422)

    assert [error["pointer"] for error in answer["details"]["errors"]] == [pointer]


def test_a_definition_that_asks_for_more_run_time_than_there_is_is_refused_when_it_is_saved(ada, bob, operator):
    ada.put_json(address_of(ada), {**NO_LIMITS, "max_seconds": 100})
    operator.put_json("/limits", {"max_running": None, "max_seconds": 500})
    slow, slower = ({**ORDER, "settings": {"timeout_seconds": seconds}} for seconds in (101, 501))

    (error,) = ada.post_json("/workflows", {"definition": slow}, 422)["details"]["errors"]
    assert (error["pointer"], error["found"], error["expected"]) == ("/settings/timeout_seconds", "101", "at most 100")
    workflow = make_workflow(ada)
    ada.post_json(f"/workflows/{workflow['id']}/versions", {"definition": slow}, 422)
    make_workflow(bob, slow)
    bob.post_json("/workflows", {"definition": slower}, 422)


def test_people_of_other_workspaces_and_people_named_twice_are_refused(ada, bob):
    for people in ([bob], [ada, ada]):
        body = {**NO_LIMITS, "people": [{"user": str(one.user.pk), "max_running": 1} for one in people]}
        answer = ada.put_json(address_of(ada), body, 422)
        assert (answer["code"], answer["details"]["pointer"]) == ("unknown_person", f"/people/{len(people) - 1}/user")


@pytest.mark.parametrize(("role", "reads", "sets"), [("viewer", 200, 403), ("builder", 200, 403), ("admin", 200, 200), (None, 404, 404)])
def test_who_may_read_and_set_the_limits_of_a_workspace(ada, bob, role, reads, sets):
    workspace = workspace_of(ada)
    if role:
        Membership.objects.create(workspace=workspace, user=bob.user, role=role)
    client = client_of(type(bob.user).objects.get(pk=bob.user.pk))

    client.get_json(f"/workspaces/{workspace.pk}/limits", reads)
    client.put_json(f"/workspaces/{workspace.pk}/limits", {**NO_LIMITS, "max_running": 1}, sets)


def test_the_limits_of_the_installation_are_for_operators_alone(ada, operator):
    body = {"max_running": 2, "max_seconds": None}
    for call in (lambda: ada.get_json("/limits", 403), lambda: ada.put_json("/limits", body, 403)):
        assert call()["code"] == "not_allowed"
    assert not ExecutionLimit.objects.exists()

    assert operator.put_json("/limits", body) == {**body, "used": 0, "waiting": 0} == operator.get_json("/limits")


def test_the_admin_names_the_reason_in_the_list_and_on_the_page(ada, operator, client):
    workflow = make_workflow(ada, {**ORDER, "settings": {"max_concurrency": 1}})
    start(ada, workflow)
    waiting = start(ada, workflow)
    client.force_login(operator.user, backend=settings.AUTHENTICATION_BACKENDS[0])

    for page in ("", f"{waiting['id']}/change/"):
        assert "1st in line: the workflow allows 1 at once" in client.get(f"/admin/executions/execution/{page}").content.decode()


def test_a_limit_that_an_operator_sets_in_the_admin_holds_at_once(ada, operator, client):
    client.force_login(operator.user, backend=settings.AUTHENTICATION_BACKENDS[0])
    form = {"kind": "workspace", "workspace": str(workspace_of(ada).pk), "user": "", "max_running": "0", "max_seconds": ""}
    page = client.post("/admin/executions/executionlimit/add/", form)
    assert "greater than or equal to 1" in page.content.decode()

    client.post("/admin/executions/executionlimit/add/", {**form, "max_running": "1"})
    workflow = make_workflow(ada)

    assert [start(ada, workflow)["status"] for _ in range(2)] == ["running", "pending"]


def test_one_that_waits_can_be_waited_for(ada):
    """The caller waits through the time in line as well."""
    workflow = make_workflow(ada, {**ORDER, "settings": {"max_concurrency": 1}})
    first, second = start(ada, workflow), start(ada, workflow)
    drive(first["id"])
    sweeper = Sweeper(redis=Redis.from_url(settings.REDIS_URL), hold_down=HoldDown(lease_seconds=0))
    sweeper.let_in()
    drive(second["id"])

    assert ada.get_json(f"/executions/{second['id']}")["status"] == "success"
