"""API keys and service accounts: what opens, and what does not."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.actions import create_user
from apps.accounts.models import ApiKey, Membership, User, Workspace
from apps.accounts.queries import personal_workspace
from tests.api.clients import ORDER, ApiClient, client_of, make_workflow

pytestmark = pytest.mark.django_db

VIEW = ["workflow.view", "execution.view"]


def by_key(key: str, scheme: str = "Bearer") -> ApiClient:
    return ApiClient(headers={"Authorization": f"{scheme} {key}"})


def make_key(client: ApiClient, **changes):
    """The answer that has the key itself."""
    return client.post_json("/users/me/api-keys", {"name": "ci", "scopes": VIEW, **changes}, 201)


def row_of(made) -> ApiKey:
    return ApiKey.objects.get(pk=made["id"])


def test_a_key_is_shown_once_and_kept_as_a_digest(ada):
    made = make_key(ada)
    assert made["key"].startswith("sf_")
    assert len(made["key"]) == 46
    assert made["prefix"] == made["key"][:9]
    assert made["key"] not in ada.get("/api/v1/users/me/api-keys").content.decode()
    assert made["key"] not in str(ApiKey.objects.values())


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Api-Key"])
def test_a_key_says_who_one_is(ada, scheme):
    me = by_key(make_key(ada)["key"], scheme).get_json("/users/me")
    assert me["username"] == "ada"
    assert me["workspace"]["id"] == str(personal_workspace(ada.user).id)


def test_a_key_may_what_its_scopes_say_and_no_more(ada):
    workflow = make_workflow(ada)
    client = by_key(make_key(ada)["key"])
    assert [row["id"] for row in client.get_json("/workflows")["results"]] == [workflow["id"]]
    assert client.post_json("/workflows", {"definition": ORDER}, 403)["code"] == "not_allowed"
    client.patch_json(f"/workflows/{workflow['id']}", {"description": "new"}, 403)
    maker = by_key(make_key(ada, scopes=[*VIEW, "workflow.create"])["key"])
    maker.post_json("/workflows", {"definition": {**ORDER, "name": "by key"}}, 201)


def test_a_key_counts_in_its_workspace_alone(ada, bob):
    shared = personal_workspace(bob.user)
    Membership.objects.create(workspace=shared, user=ada.user, role="builder")
    own, theirs = make_workflow(ada), make_workflow(bob)
    ada = client_of(User.objects.get(pk=ada.user.pk))
    client = by_key(make_key(ada, workspace=str(shared.pk))["key"])
    assert [row["id"] for row in client.get_json("/workflows")["results"]] == [theirs["id"]]
    client.get_json(f"/workflows/{own['id']}", 404)
    assert client.get_json("/users/me")["workspace"]["id"] == str(shared.pk)


def test_a_key_loses_what_its_owner_loses(ada, bob):
    shared = personal_workspace(bob.user)
    membership = Membership.objects.create(workspace=shared, user=ada.user, role="builder")
    workflow = make_workflow(bob)
    client = by_key(make_key(client_of(ada.user), workspace=str(shared.pk), scopes=[*VIEW, "workflow.create"])["key"])
    client.get_json(f"/workflows/{workflow['id']}")
    membership.role = "operator"
    membership.save()
    client.get_json(f"/workflows/{workflow['id']}")
    assert client.post_json("/workflows", {"definition": ORDER}, 403)["code"] == "not_allowed"
    membership.delete()
    client.get_json("/users/me", 401)


def test_a_key_of_an_operator_is_no_operator(operator, ada):
    workflow = make_workflow(ada)
    made = make_key(operator, scopes=["workflow.view"], workspace=str(personal_workspace(operator.user).pk))
    client = by_key(made["key"])
    client.get_json(f"/workflows/{workflow['id']}", 404)
    assert client.get_json("/users/me")["is_superuser"] is False
    assert client.get("/admin/").status_code == 302
    assert User.objects.get(pk=operator.user.pk).is_superuser


def refused(key: str) -> None:
    response = by_key(key).get("/api/v1/users/me")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json()["code"] == "api_key_not_valid"


def test_a_wrong_key_is_refused(ada):
    key = make_key(ada)["key"]
    for wrong in ("sf_", "sf_" + "A" * 43, key[:-1], key + "A", key.swapcase(), "sf_é", row_of(make_key(ada)).digest):
        if wrong.startswith("sf_"):
            refused(wrong)
        else:
            by_key(wrong).get_json("/users/me", 401)


def test_a_revoked_key_is_refused_at_once_and_stays_in_the_list(ada):
    made = make_key(ada)
    by_key(made["key"]).get_json("/users/me")
    ada.delete_json(f"/users/me/api-keys/{made['id']}", 204)
    refused(made["key"])
    ada.delete_json(f"/users/me/api-keys/{made['id']}", 204)
    assert ada.get_json("/users/me/api-keys")["results"][0]["revoked_at"] is not None


def test_an_expired_key_is_refused(ada):
    made = make_key(ada, expires_at=(timezone.now() + timedelta(hours=1)).isoformat())
    by_key(made["key"]).get_json("/users/me")
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    refused(made["key"])


def test_a_key_that_has_expired_already_is_not_made(ada):
    body = {"name": "ci", "scopes": VIEW, "expires_at": "2020-01-01T00:00:00Z"}
    assert ada.post_json("/users/me/api-keys", body, 422)["code"] == "invalid_expiry"


def test_a_key_of_a_deactivated_person_is_refused(ada):
    key = make_key(ada)["key"]
    User.objects.filter(pk=ada.user.pk).update(is_active=False)
    refused(key)


def test_nobody_makes_a_key_with_rights_that_they_lack(ada, bob):
    shared = personal_workspace(bob.user)
    body = {"name": "ci", "scopes": ["workflow.create"], "workspace": str(shared.pk)}
    ada.post_json("/users/me/api-keys", body, 404)
    Membership.objects.create(workspace=shared, user=ada.user, role="viewer")
    answer = client_of(User.objects.get(pk=ada.user.pk)).post_json("/users/me/api-keys", body, 403)
    assert (answer["code"], answer["details"]["scopes"]) == ("scope_not_allowed", ["workflow.create"])


@pytest.mark.parametrize("scopes", [[], ["everything"], "workflow.view"], ids=str)
def test_scopes_are_rights_by_name(ada, scopes):
    ada.post_json("/users/me/api-keys", {"name": "ci", "scopes": scopes}, 422)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "auth/password/change"),
        ("post", "auth/reauthenticate"),
        ("patch", "users/me"),
        ("get", "users/me/sessions"),
        ("delete", "users/me/sessions"),
        ("get", "users/me/mfa"),
        ("post", "users/me/mfa/totp"),
        ("post", "users/me/mfa/passkeys"),
        ("get", "users/me/api-keys"),
        ("post", "users/me/api-keys"),
    ],
)
def test_a_key_does_not_reach_the_account_itself(ada, method, path):
    client = by_key(make_key(ada, scopes=["member.manage", *VIEW])["key"])
    answer = getattr(client, method)(f"/api/v1/{path}", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "login_needed")


def test_a_key_is_no_access_token_and_cannot_be_refreshed_or_logged_out(ada, anonymous):
    key = make_key(ada)["key"]
    anonymous.post_json("/auth/refresh", {"refresh": key}, 401)
    by_key(key).post_json("/auth/logout", {}, 204)
    by_key(key).get_json("/users/me")


def test_a_check_of_a_key_is_one_query(ada, django_assert_num_queries):
    client = by_key(make_key(ada)["key"])
    for _ in range(2):  # the first writes down that it was used
        with django_assert_num_queries(1):
            client.get_json("/definition-schema")


def test_the_last_use_is_written_once_a_minute(ada):
    made = make_key(ada)
    client = by_key(made["key"])
    assert row_of(made).last_used_at is None
    client.get_json("/definition-schema")
    first = row_of(made).last_used_at
    client.get_json("/definition-schema")
    assert row_of(made).last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    client.get_json("/definition-schema")
    assert row_of(made).last_used_at >= first


def test_keys_of_others_are_neither_seen_nor_revoked(ada, bob):
    made = make_key(ada)
    assert bob.get_json("/users/me/api-keys")["results"] == []
    assert bob.delete_json(f"/users/me/api-keys/{made['id']}", 404)["code"] == "api_key_not_found"


def test_a_list_of_keys_takes_the_same_queries_for_few_and_for_many(ada, django_assert_num_queries):
    for count in (1, 30):
        while ApiKey.objects.count() < count:
            make_key(ada)
        with django_assert_num_queries(2):
            assert len(ada.get_json("/users/me/api-keys")["results"]) == count


@pytest.fixture
def accounts(ada) -> str:
    """Path of the service accounts of Ada's workspace."""
    return f"/workspaces/{personal_workspace(ada.user).pk}/service-accounts"


def make_account(ada, accounts, role="builder"):
    return ada.post_json(accounts, {"name": "deployer", "role": role}, 201)


def test_a_service_account_works_by_key_with_its_role(ada, accounts):
    account = make_account(ada, accounts)
    made = ada.post_json(f"{accounts}/{account['id']}/api-keys", {"name": "ci", "scopes": [*VIEW, "workflow.create"]}, 201)
    client = by_key(made["key"])
    me = client.get_json("/users/me")
    assert (me["kind"], me["workspace"]["id"]) == ("service", str(personal_workspace(ada.user).pk))
    client.post_json("/workflows", {"definition": ORDER}, 201)
    assert ada.get_json("/workflows")["results"][0]["name"] == "order"


def test_a_service_account_cannot_log_in_even_with_a_password(ada, accounts, anonymous):
    account = User.objects.get(pk=make_account(ada, accounts)["id"])
    assert not account.has_usable_password()
    account.set_password("correct horse battery staple")
    account.save()
    anonymous.post_json("/auth/login", {"username": account.username, "password": "correct horse battery staple"}, 401)


def test_a_deleted_service_account_is_out_at_once(ada, accounts):
    account = make_account(ada, accounts)
    key = ada.post_json(f"{accounts}/{account['id']}/api-keys", {"name": "ci", "scopes": VIEW}, 201)["key"]
    ada.delete_json(f"{accounts}/{account['id']}", 204)
    refused(key)
    assert ada.get_json(accounts)["results"] == []
    ada.delete_json(f"{accounts}/{account['id']}", 404)
    assert not Membership.objects.filter(user_id=account["id"]).exists()


def test_keys_of_a_service_account_are_listed_and_revoked(ada, accounts):
    path = f"{accounts}/{make_account(ada, accounts)['id']}/api-keys"
    made = ada.post_json(path, {"name": "ci", "scopes": VIEW}, 201)
    [row] = ada.get_json(path)["results"]
    assert (row["id"], row["name"], "key" in row) == (made["id"], "ci", False)
    ada.delete_json(f"{path}/{made['id']}", 204)
    refused(made["key"])


def test_only_who_manages_members_makes_service_accounts(ada, bob, accounts):
    account = make_account(ada, accounts)
    for path, body in (
        (accounts, {"name": "x", "role": "viewer"}),
        (f"{accounts}/{account['id']}/api-keys", {"name": "x", "scopes": VIEW}),
    ):
        bob.post_json(path, body, 404)
    workspace = Workspace.objects.get(pk=personal_workspace(ada.user).pk)
    Membership.objects.create(workspace=workspace, user=bob.user, role="builder")
    bob = client_of(User.objects.get(pk=bob.user.pk))
    bob.get_json(accounts)
    assert bob.post_json(accounts, {"name": "x", "role": "viewer"}, 403)["details"] == {"permission": "member.manage"}
    bob.delete_json(f"{accounts}/{account['id']}", 403)


def test_nobody_makes_a_service_account_that_may_more_than_they(ada, accounts, operator):
    owner = personal_workspace(ada.user)
    helper = create_user(username="helper", password=None)
    key = make_key(ada, scopes=["member.manage", "member.view", "task.work", *VIEW])["key"]
    assert by_key(key).post_json(accounts, {"name": "x", "role": "admin"}, 403)["code"] == "role_too_high"
    by_key(key).post_json(accounts, {"name": "x", "role": "viewer"}, 201)
    ada.post_json(accounts, {"name": "x", "role": "owner"}, 422)
    assert owner.memberships.filter(user=helper).count() == 0


def test_a_service_account_of_another_workspace_is_not_found(ada, bob, accounts):
    account = make_account(ada, accounts)
    theirs = f"/workspaces/{personal_workspace(bob.user).pk}/service-accounts"
    bob.delete_json(f"{theirs}/{account['id']}", 404)
    bob.get_json(f"{theirs}/{account['id']}/api-keys", 404)


def test_a_list_of_service_accounts_takes_the_same_queries_for_few_and_for_many(ada, accounts, django_assert_num_queries):
    for count in (1, 30):
        while User.objects.filter(kind="service").count() < count:
            make_account(ada, accounts)
        with django_assert_num_queries(3):
            assert len(ada.get_json(accounts)["results"]) == count
