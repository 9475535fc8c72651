"""Error workflows, retries, compensations and notifications over HTTP: what is shown to whom, and who may change what."""

from uuid import UUID

import pytest

from apps.accounts.models import Membership, Workspace
from apps.executions.models import FollowUp
from apps.notifications.models import Delivery
from tests.api.clients import ApiClient, make_workflow
from tests.api.workspaces import join, share, workspace_of
from tests.workers.driving import drive
from tests.workers.test_follow_ups import follow_all
from tests.workers.test_runner import FAIL, START, document, put
from workers import aftermath

pytestmark = pytest.mark.django_db(transaction=True)


def failing(**settings):
    nodes = {"start": START, "one": {**put(x=1), "compensate": "undo"}, "bad": FAIL, "undo": put(x=2)}
    return document(nodes, "start -> one -> bad", settings=settings) | {"name": "fails"}


def started(client: ApiClient, definition) -> str:
    workflow = make_workflow(client, definition)
    execution_id: str = client.post_json("/executions", {"workflow": workflow["id"]}, 202)["id"]
    drive(UUID(execution_id))
    return execution_id


def test_an_execution_shows_what_follows_from_it_and_what_it_follows(ada):
    look = make_workflow(ada, document({"start": START}) | {"name": "looks"})
    execution_id = started(ada, failing(error_workflow=look["id"]))
    assert ada.get_json(f"/executions/{execution_id}")["compensation"] is None
    aftermath._plan(UUID(execution_id))
    planned = ada.get_json(f"/executions/{execution_id}")
    assert planned["compensation"] == {"status": "planned", "execution": None, "undone": [], "failed": [], "open": ["one"]}
    assert {each["status"] for each in planned["follow_ups"]} == {"planned"}
    follow_all()

    shown = ada.get_json(f"/executions/{execution_id}")

    assert shown["status"] == "failed"
    assert (shown["compensation"]["status"], shown["compensation"]["undone"]) == ("success", ["one"])
    by_kind = {each["kind"]: each for each in shown["follow_ups"]}
    assert set(by_kind) == {"compensation", "error"}
    handled = ada.get_json(f"/executions/{by_kind['error']['execution']}")
    assert handled["follows"] == {"kind": "error", "execution": execution_id, "attempt": 1}
    assert handled["trigger"] == "error"
    assert shown["follows"] is None
    assert [each["id"] for each in ada.get_json("/executions?trigger=compensation")["results"]] == [by_kind["compensation"]["execution"]]


def test_a_planned_retry_is_dropped_by_who_may_steer(ada, bob):
    execution_id = started(ada, failing(retry={"delay_seconds": 300}))
    aftermath.follow_up()
    address = f"/executions/{execution_id}/follow-ups/retry/drop"
    bob.post_json(address, status=404)
    Membership.objects.create(workspace=workspace_of(ada), user=bob.user, role="viewer")
    bob.user.__dict__.pop("access", None)
    bob.post_json(address, status=403)
    assert ada.post_json(address)["status"] == "refused"
    ada.post_json(address, status=409)
    ada.post_json(f"/executions/{execution_id}/follow-ups/error/drop", status=404)


@pytest.mark.parametrize("error_workflow", ["00000000-0000-0000-0000-000000000000", "of another", "not allowed"])
def test_an_error_workflow_that_the_saver_may_not_start_is_refused_with_its_place(ada, bob, error_workflow):
    others = make_workflow(ada)
    if error_workflow != "not allowed":
        named = others["id"] if error_workflow == "of another" else error_workflow
        answer = bob.post_json("/workflows", {"definition": failing(error_workflow=named)}, 422)
    else:
        mine = make_workflow(ada, failing())
        share(ada, f"/workflows/{mine['id']}", "editor", user="bob")
        share(ada, f"/workflows/{others['id']}", "viewer", user="bob")
        path = f"/workflows/{mine['id']}/versions"
        answer = bob.post_json(path, {"definition": failing(error_workflow=others["id"])}, 422)
        share(ada, f"/workflows/{others['id']}", "executor", user="bob") if False else None
        ada.post_json(path, {"definition": failing(error_workflow=others["id"])}, 201)
    assert answer["details"]["errors"][0]["pointer"] == "/settings/error_workflow"


def test_a_workflow_is_not_its_own_error_workflow(ada):
    made = make_workflow(ada, failing())
    answer = ada.post_json(f"/workflows/{made['id']}/versions", {"definition": failing(error_workflow=made["id"])}, 422)
    assert "go on for ever" in answer["message"]


def test_an_error_workflow_that_is_not_published_is_warned_of(ada):
    other = make_workflow(ada, publish=False)
    made = make_workflow(ada, failing(error_workflow=other["id"]))
    assert [each["pointer"] for each in made["warnings"]] == ["/settings/error_workflow"]


def test_deliveries_are_listed_for_who_may_see_the_execution_and_sent_again_by_who_may_steer(ada, bob, settings):
    settings.NOTIFICATION_DELAYS = []
    execution_id = started(
        ada, failing(notify=[{"on": ["failed"], "webhook": "http://127.0.0.1:9/x"}, {"on": ["failed"], "email": ["a@example.com"]}])
    )
    aftermath.follow_up()
    listed = ada.get_json(f"/notifications?execution={execution_id}")["results"]
    assert {(each["channel"], each["target"], each["state"]) for each in listed} == {
        ("webhook", "http://127.0.0.1:9/x", "pending"),
        ("email", "a@example.com", "pending"),
    }
    assert bob.get_json("/notifications")["results"] == []
    Delivery.objects.update(state="dead")
    assert len(ada.get_json("/notifications?state=dead&limit=1")["results"]) == 1
    address = f"/notifications/{listed[0]['id']}/redeliver"
    bob.post_json(address, status=404)
    Membership.objects.create(workspace=workspace_of(ada), user=bob.user, role="viewer")
    bob.user.__dict__.pop("access", None)
    assert len(bob.get_json("/notifications")["results"]) == 2
    bob.post_json(address, status=403)
    assert ada.post_json(address)["state"] == "pending"
    ada.post_json(address, status=409)


def test_the_signing_key_is_shown_once_to_who_manages_the_workspace(ada, bob):
    workspace = Workspace.objects.create(name="shared", owner=ada.user)
    join(ada, workspace, "admin")
    address = f"/workspaces/{workspace.pk}/signing-key"
    bob.get_json(address, 404)
    join(bob, workspace, "builder")
    bob.get_json(address, 403)
    bob.post_json(address, status=403)
    assert ada.get_json(address) == {"made_at": None, "former_until": None}
    made = ada.post_json(address, status=201)
    assert made["secret"].startswith("whsec_")
    shown = ada.get_json(address)
    assert shown["made_at"] == made["made_at"]
    assert "secret" not in shown
    assert ada.post_json(address, status=201)["former_until"] is not None


def test_pages_of_the_admin_show_them_and_their_buttons_act(operator, ada, client):
    execution_id = started(ada, failing(retry={"delay_seconds": 300}, notify=[{"on": ["retrying"], "email": ["a@example.com"]}]))
    aftermath.follow_up()
    client.force_login(operator.user)
    follow_up, delivery = FollowUp.objects.get(kind="retry"), Delivery.objects.get()
    pages = [
        f"/admin/executions/followup/{follow_up.pk}/change/",
        f"/admin/notifications/delivery/{delivery.pk}/change/",
        f"/admin/executions/execution/{execution_id}/change/",
    ]
    assert [client.get(page).status_code for page in pages] == [200, 200, 200]
    client.post(f"/admin/executions/followup/{follow_up.pk}/drop/")
    follow_up.refresh_from_db()
    assert follow_up.error["code"] == "dropped"
    Delivery.objects.update(state="dead")
    client.post(f"/admin/notifications/delivery/{delivery.pk}/redeliver/")
    delivery.refresh_from_db()
    assert delivery.state == "pending"
    client.force_login(ada.user)
    assert client.post(f"/admin/notifications/delivery/{delivery.pk}/redeliver/").status_code == 302, "to the login"


def test_variables_of_a_workflow_are_listed_and_changed_by_who_may(ada, bob):
    made = make_workflow(ada)
    address = f"/workflows/{made['id']}/variables"
    assert ada.get_json(address) == []
    written = ada.put_json(address, {"name": "cursor", "value": {"page": 3}})
    assert (written["value"], written["execution"]) == ({"page": 3}, None)
    assert ada.put_json(address, {"name": "cursor", "value": None})["value"] is None
    assert [each["name"] for each in ada.get_json(address)] == ["cursor"]
    ada.put_json(address, {"name": "no name", "value": 1}, 422)
    ada.put_json(address, {"name": "large", "value": "x" * 70_000}, 422)
    bob.get_json(address, 404)
    bob.delete_json(f"{address}/cursor", 404)
    share(ada, f"/workflows/{made['id']}", "viewer", user="bob")
    bob.user.__dict__.pop("_shared_with", None)
    assert len(bob.get_json(address)) == 1
    bob.put_json(address, {"name": "cursor", "value": 1}, 403)
    bob.delete_json(f"{address}/cursor", 403)
    ada.delete_json(f"{address}/cursor")
    ada.delete_json(f"{address}/cursor", 404)
