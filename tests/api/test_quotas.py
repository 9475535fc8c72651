"""Limits over HTTP and in the admin."""

from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership, User
from apps.accounts.queries import personal_workspace
from apps.audit.models import AuditEntry
from apps.core import quotas
from apps.executions.models import Execution
from apps.quotas.actions import measure
from apps.quotas.models import Quota
from tests.api.clients import ORDER, ApiClient, make_workflow

pytestmark = pytest.mark.django_db

START = {"input": {"amount": 1}}


@pytest.fixture(autouse=True)
def _fresh_limits():
    """A process keeps limits for some seconds, and tests are quicker."""
    quotas.forget_limits()
    yield
    quotas.forget_limits()


def put(client: ApiClient, status: int = 200, **body: object) -> dict:
    answer = client.put("/api/v1/quotas", body, format="json")
    assert answer.status_code == status, answer.content
    quotas.forget_limits()
    return answer.json()


def mine(client: ApiClient) -> str:
    return str(personal_workspace(client.user).pk)


def test_a_limit_is_set_felt_seen_and_removed(ada, operator):
    made = make_workflow(ada)
    quota = put(operator, name="workflows", limit=1, workspace=mine(ada))
    refused = ada.post_json("/workflows", {"definition": {**ORDER, "name": "other"}}, 409)
    assert refused["code"] == "quota_exceeded"
    assert refused["details"] == {"name": "workflows", "scope": "workspace", "limit": 1, "used": 1, "resets_at": None}

    uses = {use["name"]: use for use in ada.get_json(f"/workspaces/{made['workspace']}/quotas")["results"]}
    assert uses["workflows"] == {"name": "workflows", "scope": "workspace", "limit": 1, "used": 1, "measured_at": None, "resets_at": None}
    assert (uses["members"]["limit"], uses["members"]["used"]) == (None, 1)
    assert (uses["stored_bytes"]["used"], uses["stored_bytes"]["measured_at"]) == (None, None)
    assert uses["executions_per_day"]["resets_at"] is not None

    assert operator.delete(f"/api/v1/quotas/{quota['id']}").status_code == 204
    assert operator.delete(f"/api/v1/quotas/{quota['id']}").status_code == 404
    quotas.forget_limits()
    make_workflow(ada, {**ORDER, "name": "other"})
    changes = AuditEntry.objects.filter(verb__startswith="quota.", workspace=mine(ada)).order_by("id")
    assert [(entry.verb, entry.actor_name, entry.before, entry.after) for entry in changes] == [
        ("quota.set", "operator", None, {"limit": 1}),
        ("quota.removed", "operator", {"limit": 1}, None),
    ]


def test_setting_it_again_changes_it(ada, operator):
    first = put(operator, name="members", limit=1, workspace=mine(ada))
    assert put(operator, name="members", limit=None, workspace=mine(ada))["id"] == first["id"]
    assert Quota.objects.get().limit is None


def test_executions_over_the_limit_are_refused(ada, operator):
    made = make_workflow(ada)
    put(operator, name="executions_per_day", limit=1, workspace=mine(ada))
    start = {"workflow": made["id"], **START}
    headers = {"Idempotency-Key": "a"}
    ada.post_json("/executions", start, 202, **headers)
    ada.post_json("/executions", start, 202, **headers)
    assert Execution.objects.count() == 1
    refused = ada.post_json("/executions", start, 409)
    assert (refused["code"], refused["details"]["used"]) == ("quota_exceeded", 1)
    bulk = ada.post_json("/executions/bulk", {"workflow": made["id"], "starts": [START] * 2}, 409)
    assert bulk["code"] == "quota_exceeded"


def test_versions_over_the_limit_are_refused(ada, operator):
    made = make_workflow(ada)
    put(operator, name="versions_per_workflow", limit=1, workspace=mine(ada))
    save = {"definition": {**ORDER, "description": "new"}}
    refused = ada.post_json(f"/workflows/{made['id']}/versions", save, 409)
    assert refused["code"] == "quota_exceeded"
    assert refused["details"] == {"name": "versions_per_workflow", "scope": "workspace", "limit": 1, "used": 1, "resets_at": None}
    assert len(ada.get_json(f"/workflows/{made['id']}/versions")["results"]) == 1


def test_a_workspace_over_its_stored_bytes_gets_nothing_more(ada, operator):
    made = make_workflow(ada)
    put(operator, name="stored_bytes", limit=1, workspace=mine(ada))
    ada.post_json("/executions", {"workflow": made["id"], **START}, 202)
    measure(workspace_id=UUID(mine(ada)))
    for path, body in (
        ("/workflows", {"definition": {**ORDER, "name": "other"}}),
        (f"/workflows/{made['id']}/versions", {"definition": {**ORDER, "description": "new"}}),
        ("/executions", {"workflow": made["id"], **START}),
        ("/executions/bulk", {"workflow": made["id"], "starts": [START] * 2}),
    ):
        refused = ada.post_json(path, body, 409)
        assert (refused["code"], refused["details"]["name"]) == ("quota_exceeded", "stored_bytes"), path
    assert len(ada.get_json("/workflows")["results"]) == len(ada.get_json("/executions")["results"]) == 1


def test_a_start_takes_no_statement_more_without_a_limit_and_with_one(ada, operator, django_assert_num_queries):
    start = {"workflow": make_workflow(ada)["id"], **START}
    ada.post_json("/executions", start, 202)
    with django_assert_num_queries(3):
        ada.post_json("/executions", start, 202)
    put(operator, name="executions_per_day", limit=100, workspace=mine(ada))
    put(operator, name="executions_per_day", limit=100, user=str(ada.user.pk))
    ada.post_json("/executions", start, 202)
    with django_assert_num_queries(5) as queries:
        ada.post_json("/executions", start, 202)
    assert [query["sql"].split()[0] for query in queries.captured_queries if "SAVEPOINT" in query["sql"]] == ["SAVEPOINT", "RELEASE"]


def test_a_full_workspace_takes_no_further_member(ada, bob, operator):
    firm = ada.post_json("/workspaces", {"name": "Engines"}, 201)["id"]
    invited = ada.post_json(f"/workspaces/{firm}/invitations", {"username": "bob", "role": "viewer"}, 201)["id"]
    put(operator, name="members", limit=1, workspace=firm)
    refused = bob.post_json("/invitations/accept", {"invitation": invited}, 409)
    assert (refused["code"], refused["details"]["name"], refused["details"]["used"]) == ("quota_exceeded", "members", 1)
    account = {"name": "deployer", "role": "viewer"}
    assert ada.post_json(f"/workspaces/{firm}/service-accounts", account, 409)["code"] == "quota_exceeded"
    assert Membership.objects.filter(workspace=firm).count() == 1
    assert not User.objects.filter(service_of=firm).exists()
    assert not AuditEntry.objects.filter(workspace=firm, verb__in=["member.added", "service_account.created"]).exists()

    put(operator, name="members", limit=2, workspace=firm)
    bob.post_json("/invitations/accept", {"invitation": invited})
    ada.post_json(f"/workspaces/{firm}/service-accounts", account, 409)


def test_only_operators_set_limits(ada, operator):
    put(ada, 403, name="workflows", limit=None)
    ada.get_json("/quotas", 403)
    quota = put(operator, name="workflows", limit=1)
    assert ada.delete(f"/api/v1/quotas/{quota['id']}").status_code == 403


def test_limits_of_a_workspace_are_for_its_members(ada, bob):
    bob.get_json(f"/workspaces/{mine(ada)}/quotas", 404)
    Membership.objects.create(workspace=personal_workspace(ada.user), user=bob.user, role="viewer")
    assert len(bob.get_json(f"/workspaces/{mine(ada)}/quotas")["results"]) == 5


def test_people_see_their_own(ada, operator):
    make_workflow(ada)
    put(operator, name="workflows", limit=7, scope="user")
    own = {use["name"]: (use["used"], use["limit"]) for use in ada.get_json("/users/me/quotas")["results"]}
    assert own == {"workflows": (1, 7), "executions_per_day": (0, None)}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "workflow", "limit": 1}, 422),
        ({"name": "workflows", "limit": -1}, 422),
        ({"name": "workflows", "limit": 2**63}, 422),
        ({"name": "workflows"}, 422),
        ({"name": "members", "limit": 1, "scope": "user"}, 422),
        ({"name": "members", "limit": 1, "workspace": str(UUID(int=7))}, 404),
        ({"name": "workflows", "limit": 1, "user": str(UUID(int=7))}, 404),
    ],
    ids=str,
)
def test_a_wrong_limit_is_refused(body, status, operator):
    put(operator, status, **body)


def test_a_list_takes_the_same_queries_for_one_row_and_for_many(operator, ada, django_assert_num_queries):
    put(operator, name="workflows", limit=1)
    with django_assert_num_queries(2):
        operator.get_json("/quotas")
    for number, name in enumerate(["workflows", "members", "stored_bytes", "versions_per_workflow", "executions_per_day"]):
        put(operator, name=name, limit=number, workspace=mine(ada))
    with django_assert_num_queries(2):
        assert len(operator.get_json("/quotas")["results"]) == 6


@pytest.fixture
def browser(operator) -> Client:
    client = Client()
    client.force_login(operator.user)
    return client


def test_the_page_of_the_admin_shows_bars_of_what_is_used(browser, ada, bob, operator, django_assert_max_num_queries):
    make_workflow(ada)
    put(operator, name="workflows", limit=4, workspace=mine(ada))
    url = reverse("admin:quotas_quota_changelist")
    with django_assert_max_num_queries(12) as few:
        assert "1 of 4" in browser.get(url).content.decode()
    count = len(few)  # the next request forgets it
    for name in ("members", "stored_bytes", "executions_per_day"):
        put(operator, name=name, limit=1, workspace=mine(ada))
        put(operator, name=name, limit=1, workspace=mine(bob))
    put(operator, name="workflows", limit=None, user=str(bob.user.pk))
    with django_assert_max_num_queries(count):
        text = browser.get(url).content.decode()
    for said in ('<progress max="100" value="25"', 'value="100"', "tone-bad", "0, no limit"):
        assert said in text, said


def test_limits_are_set_and_removed_in_the_admin(browser, ada):
    form = {"scope": "workspace", "workspace": mine(ada), "name": "workflows", "limit": "0"}
    assert browser.post(reverse("admin:quotas_quota_add"), form).status_code == 302
    again = browser.post(reverse("admin:quotas_quota_add"), form)
    assert "There is such a quota already." in again.content.decode()
    wrong = browser.post(reverse("admin:quotas_quota_add"), {**form, "scope": "user"})
    assert "A workspace goes with the scope" in wrong.content.decode()
    quota = Quota.objects.get()
    browser.post(reverse("admin:quotas_quota_change", args=[quota.pk]), {"limit": "5"})
    browser.post(reverse("admin:quotas_quota_delete", args=[quota.pk]), {"post": "yes"})
    found = AuditEntry.objects.filter(workspace=mine(ada), via="admin").order_by("id")
    assert [(entry.verb, entry.before, entry.after) for entry in found] == [
        ("quota.set", None, {"limit": 0}),
        ("quota.set", {"limit": 0}, {"limit": 5}),
        ("quota.removed", {"limit": 5}, None),
    ]
