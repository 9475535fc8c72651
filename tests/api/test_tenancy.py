"""Workspaces over HTTP: members, roles, teams, invitations, and what nobody may do with them."""

import threading
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.utils import timezone

from apps.accounts.actions import create_user
from apps.accounts.models import Invitation, Membership, Role, Team, TeamMember, User, Workspace
from apps.accounts.permissions import BUILT_IN_ROLES, Permission
from apps.accounts.queries import personal_workspace
from apps.accounts.tenancy.mails import wait_for_mails
from apps.executions.models import Execution
from apps.workflows.models import Grant, Level, Workflow
from tests.api.clients import ORDER, ApiClient, client_of, make_organisation, make_workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm(ada) -> str:
    """An organisation of Ada's, by id."""
    return str(ada.post_json("/workspaces", {"name": "Engines", "description": "of difference"}, 201)["id"])


@pytest.fixture
def at(firm) -> str:
    return f"/workspaces/{firm}"


def join(firm: str, client: ApiClient, role: str = "", *, permissions: list[str] | None = None) -> ApiClient:
    own = Role.objects.create(workspace_id=firm, name=f"own of {client.user}", permissions=permissions) if permissions is not None else None
    Membership.objects.create(workspace_id=firm, user=client.user, role=role, own_role=own)
    return client


def code(answer) -> str:
    return str(answer["code"])


# Workspaces


def test_who_makes_an_organisation_owns_it(ada, firm):
    found = ada.get_json("/workspaces")["results"]
    assert [(each["name"], each["role"], each["is_personal"]) for each in found] == [("Engines", "owner", False), ("ada", "owner", True)]
    assert found[0]["permissions"] == sorted(Permission)
    assert ada.get_json(f"/workspaces/{firm}")["description"] == "of difference"


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
def test_a_member_sees_their_role_and_rights(role, bob, firm, at):
    join(firm, bob, role)
    found = bob.get_json(at)
    assert (found["role"], found["role_name"], found["permissions"]) == (role, role, sorted(BUILT_IN_ROLES[role]))


def test_a_role_of_the_workspace_is_named_by_id_and_name(bob, firm, at):
    join(firm, bob, permissions=["workflow.view"])
    found = bob.get_json(at)
    assert (found["role"], found["role_name"]) == (str(Role.objects.get().pk), "own of bob")
    assert found["permissions"] == ["workflow.view"]


def test_an_operator_sees_workspaces_without_being_a_member(operator, at):
    found = operator.get_json(at)
    assert (found["role"], found["permissions"]) == (None, sorted(Permission))


def test_only_who_may_renames(ada, bob, firm, at):
    join(firm, bob, "builder")
    assert code(bob.patch_json(at, {"name": "Mine"}, 403)) == "not_allowed"
    assert ada.patch_json(at, {"name": "Looms"})["name"] == "Looms"
    assert ada.get_json(at)["description"] == "of difference"
    ada.patch_json(at, {"name": " "}, 422)


def test_a_personal_workspace_cannot_be_deleted_left_or_shared(ada):
    personal = f"/workspaces/{personal_workspace(ada.user).pk}"
    assert code(ada.delete_json(f"{personal}?confirm=ada", 409)) == "personal_workspace"
    assert code(ada.post_json(f"{personal}/leave", status=409)) == "last_owner"
    assert code(ada.post_json(f"{personal}/invitations", {"username": "bob", "role": "viewer"}, 409)) == "personal_workspace"


@pytest.mark.django_db(transaction=True)
def test_a_workspace_with_executions_is_deleted_by_who_says_its_name_with_all_that_hangs_on_it(ada, bob, firm, at):
    kept = make_workflow(ada)
    ada.post_json("/executions", {"workflow": kept["id"], "input": {"amount": 1}}, 202)
    inside = make_organisation(ada)
    at, firm = f"/workspaces/{inside['workspace_id']}", inside["workspace_id"]
    made = ada.post_json("/workflows", {"definition": ORDER, "publish": True, "workspace": firm}, 201)
    ada.post_json("/executions", {"workflow": made["id"], "input": {"amount": 1}}, 202)
    join(firm, bob, "builder")
    ada.put_json(f"{at}/teams/{inside['team_id']}/members/{bob.user.pk}")
    Grant.objects.create(workspace_id=firm, workflow_id=made["id"], user=bob.user, level=Level.VIEWER)

    refused = ada.delete_json(at, 409)
    assert (code(refused), refused["details"]) == ("workspace_not_empty", {"contents": {"workflows": 1, "executions": 1}})
    ada.delete_json(f"{at}?confirm=engines", 409)
    ada.delete_json(f"{at}?confirm=Analytical%20Engines")

    ada.get_json(at, 404)
    assert not TeamMember.objects.exists()
    assert not Grant.objects.exists()
    assert [str(each.pk) for each in Workflow.objects.all()] == [kept["id"]]
    assert Execution.objects.count() == 1
    assert User.objects.filter(username__in=["ada", "bob"]).count() == 2


def test_an_empty_workspace_needs_no_confirmation_but_the_right(ada, bob, firm, at):
    join(firm, bob, "admin")
    assert code(bob.delete_json(at, 403)) == "not_allowed"
    ada.delete_json(at)
    assert not Workspace.objects.filter(pk=firm).exists()


# Members


def test_members_are_listed_with_their_roles_and_addresses_only_for_who_manages_them(ada, bob, firm, at):
    User.objects.filter(pk=bob.user.pk).update(email="bob@example.com")
    join(firm, bob, "viewer")
    found = ada.get_json(f"{at}/members")["results"]
    assert [(each["user"]["username"], each["role"], each["email"]) for each in found] == [
        ("bob", "viewer", "bob@example.com"),
        ("ada", "owner", ""),
    ]
    assert {each["email"] for each in bob.get_json(f"{at}/members")["results"]} == {None}


def test_who_may_not_see_members_does_not(bob, firm, at):
    join(firm, bob, permissions=["workflow.view"])
    for path in ("members", "roles", "teams", "invitations"):
        assert code(bob.get_json(f"{at}/{path}", 403)) == "not_allowed"


def test_a_role_is_changed_by_who_may(ada, bob, firm, at):
    join(firm, bob, "viewer")
    assert code(bob.patch_json(f"{at}/members/{bob.user.pk}", {"role": "owner"}, 403)) == "not_allowed"
    assert ada.patch_json(f"{at}/members/{bob.user.pk}", {"role": "builder"})["role"] == "builder"
    assert bob.get_json(at)["role"] == "builder"


@pytest.mark.parametrize("role", ["boss", "", "00000000-0000-4000-8000-000000000000"])
def test_a_role_that_the_workspace_does_not_have_is_refused(role, ada, bob, firm, at):
    join(firm, bob, "viewer")
    assert code(ada.patch_json(f"{at}/members/{bob.user.pk}", {"role": role}, 422)) in ("unknown_role", "invalid")


def test_a_role_of_another_workspace_is_refused(ada, bob, firm, at):
    foreign = Role.objects.create(workspace=personal_workspace(bob.user), name="theirs", permissions=[])
    join(firm, bob, "viewer")
    assert code(ada.patch_json(f"{at}/members/{bob.user.pk}", {"role": str(foreign.pk)}, 422)) == "unknown_role"


def test_nobody_gives_or_takes_rights_that_they_lack(ada, bob, firm, at):
    join(firm, bob, "admin")
    carl = join(firm, client_of(create_user(username="carl", password=None)), "viewer")
    for path, body in (
        (f"members/{carl.user.pk}", {"role": "owner"}),
        (f"members/{bob.user.pk}", {"role": "owner"}),
        (f"members/{ada.user.pk}", {"role": "viewer"}),
    ):
        refused = bob.patch_json(f"{at}/{path}", body, 403)
        assert (code(refused), refused["details"]["permissions"]) == ("beyond_own_rights", ["workspace.delete"])
    assert code(bob.delete_json(f"{at}/members/{ada.user.pk}", 403)) == "beyond_own_rights"
    assert code(bob.post_json(f"{at}/invitations", {"username": "d", "role": "owner"}, 403)) == "beyond_own_rights"
    bob.patch_json(f"{at}/members/{carl.user.pk}", {"role": "admin"})


def test_the_last_owner_neither_leaves_nor_is_removed_nor_becomes_less(ada, bob, firm, at):
    inactive = create_user(username="gone", password=None)
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    Membership.objects.create(workspace_id=firm, user=inactive, role="owner")
    me = f"{at}/members/{ada.user.pk}"
    assert code(ada.post_json(f"{at}/leave", status=409)) == "last_owner"
    assert code(ada.delete_json(me, 409)) == "last_owner"
    assert code(ada.patch_json(me, {"role": "admin"}, 409)) == "last_owner"
    join(firm, bob, "owner")
    ada.post_json(f"{at}/leave", status=204)
    assert code(bob.post_json(f"{at}/leave", status=409)) == "last_owner"


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_once_one_stays(ada, bob, firm, at):
    join(firm, bob, "owner")
    found = []
    barrier = threading.Barrier(2)

    def leave(client):
        barrier.wait()
        found.append(client.post(f"/api/v1{at}/leave").status_code)
        connection.close()

    threads = [threading.Thread(target=leave, args=[client]) for client in (ada, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [204, 409]
    assert Membership.objects.filter(workspace_id=firm, role="owner").count() == 1


@pytest.mark.parametrize("how", ["removed", "left"])
def test_who_goes_loses_teams_and_shares_of_the_workspace_and_keeps_those_of_others(how, ada, bob, firm, at):
    join(firm, bob, "viewer")
    elsewhere = make_workflow(ada)
    inside = ada.post_json("/workflows", {"definition": ORDER, "workspace": firm}, 201)
    for workflow in Workflow.objects.all():
        Grant.objects.create(workspace=workflow.workspace, workflow=workflow, user=bob.user, level=Level.EDITOR)
        team = Team.objects.create(workspace=workflow.workspace, name="all")
        TeamMember.objects.create(team=team, user=bob.user)
    if how == "removed":
        ada.delete_json(f"{at}/members/{bob.user.pk}")
    else:
        bob.post_json(f"{at}/leave", status=204)

    bob.get_json(at, 404)
    bob.get_json(f"/workflows/{inside['id']}", 404)
    bob.get_json(f"/workflows/{elsewhere['id']}")
    assert Grant.objects.get().workflow_id == TeamMember.objects.get().team.workspace.workflows.get().pk
    assert code(ada.delete_json(f"{at}/members/{bob.user.pk}", 404)) == "member_not_found"


# Roles


def test_permissions_are_listed_with_a_sentence_each(ada):
    found = ada.get_json("/permissions")
    assert [each["name"] for each in found] == list(Permission)
    assert all(each["description"].endswith(".") for each in found)


def test_roles_are_listed_the_built_in_ones_first(ada, bob, firm, at):
    join(firm, bob, permissions=["workflow.view", "of.old"])
    found = ada.get_json(f"{at}/roles")
    assert [each["name"] for each in found] == [*BUILT_IN_ROLES, "own of bob"]
    assert found[0]["permissions"] == sorted(Permission)
    assert (found[-1]["permissions"], found[-1]["member_count"]) == (["workflow.view"], 1)


def test_a_role_is_made_changed_and_deleted(ada, bob, at):
    role = ada.post_json(f"{at}/roles", {"name": "on call", "permissions": ["execution.view", "execution.view"]}, 201)
    assert role["permissions"] == ["execution.view"]
    ada.patch_json(f"{at}/roles/{role['id']}", {"permissions": ["execution.view", "execution.operate"], "description": "by night"})
    assert ada.get_json(f"{at}/roles/{role['id']}")["permissions"] == ["execution.operate", "execution.view"]
    ada.delete_json(f"{at}/roles/{role['id']}")
    assert code(ada.get_json(f"{at}/roles/{role['id']}", 404)) == "role_not_found"


def test_a_built_in_role_has_no_address_to_change_it_at(ada, at):
    assert ada.patch(f"/api/v1{at}/roles/owner", {}).status_code == 404


@pytest.mark.parametrize("body", [{"name": "x", "permissions": ["all"]}, {"name": "", "permissions": []}, {"permissions": []}])
def test_a_role_of_unknown_rights_or_without_a_name_is_refused(body, ada, at):
    ada.post_json(f"{at}/roles", body, 422)


def test_names_of_roles_and_teams_are_there_once(ada, at):
    for path, body in (("roles", {"name": "x", "permissions": []}), ("teams", {"name": "x"})):
        ada.post_json(f"{at}/{path}", body, 201)
        assert code(ada.post_json(f"{at}/{path}", body, 409)).endswith("_name_taken")
    assert code(ada.post_json(f"{at}/roles", {"name": "Owner", "permissions": []}, 409)) == "role_name_taken"


def test_a_role_gives_no_rights_that_its_maker_lacks(ada, bob, firm, at):
    join(firm, bob, permissions=["role.manage", "member.view", "workflow.view"])
    assert code(bob.post_json(f"{at}/roles", {"name": "x", "permissions": ["workflow.edit"]}, 403)) == "beyond_own_rights"
    mine = bob.post_json(f"{at}/roles", {"name": "x", "permissions": ["workflow.view"]}, 201)
    bob.patch_json(f"{at}/roles/{mine['id']}", {"permissions": ["workflow.edit"]}, 403)
    higher = ada.post_json(f"{at}/roles", {"name": "higher", "permissions": ["workflow.edit"]}, 201)
    bob.patch_json(f"{at}/roles/{higher['id']}", {"permissions": []}, 403)
    bob.delete_json(f"{at}/roles/{higher['id']}", 403)


def test_a_role_in_use_is_kept(ada, bob, firm, at):
    role = ada.post_json(f"{at}/roles", {"name": "x", "permissions": []}, 201)["id"]
    invitation = ada.post_json(f"{at}/invitations", {"username": "carl", "role": role}, 201)["id"]
    refused = ada.delete_json(f"{at}/roles/{role}", 409)
    assert (code(refused), refused["details"]) == ("role_in_use", {"members": 0, "invitations": 1})
    ada.delete_json(f"{at}/invitations/{invitation}")
    Membership.objects.create(workspace_id=firm, user=bob.user, own_role_id=role)
    assert ada.delete_json(f"{at}/roles/{role}", 409)["details"] == {"members": 1, "invitations": 0}
    ada.patch_json(f"{at}/members/{bob.user.pk}", {"role": "viewer"})
    ada.delete_json(f"{at}/roles/{role}")


# Teams


def test_a_team_holds_members_of_the_workspace_only(ada, bob, firm, at):
    team = ada.post_json(f"{at}/teams", {"name": "night shift"}, 201)
    inside = f"{at}/teams/{team['id']}/members"
    assert code(ada.put_json(f"{inside}/{bob.user.pk}", status=404)) == "member_not_found"
    join(firm, bob, "viewer")
    for _ in range(2):
        ada.put_json(f"{inside}/{bob.user.pk}")
    assert [each["user"]["username"] for each in ada.get_json(inside)["results"]] == ["bob"]
    assert ada.get_json(f"{at}/teams")["results"][0]["member_count"] == 1
    assert code(bob.put_json(f"{inside}/{bob.user.pk}", status=403)) == "not_allowed"
    ada.delete_json(f"{inside}/{bob.user.pk}")
    assert ada.get_json(inside)["results"] == []
    assert ada.patch_json(f"{at}/teams/{team['id']}", {"name": "day shift"})["name"] == "day shift"
    ada.delete_json(f"{at}/teams/{team['id']}")
    assert code(ada.get_json(inside, 404)) == "team_not_found"


def test_ids_of_another_workspace_are_not_found_inside_this_one(ada, at):
    other = make_organisation(ada)
    for path in (f"teams/{other['team_id']}", f"teams/{other['team_id']}/members", f"roles/{other['role_id']}"):
        ada.get_json(f"{at}/{path}", 404)
    ada.delete_json(f"{at}/invitations/{other['invitation_id']}", 404)


# Invitations


def invited(ada: ApiClient, at: str, capture, **whom) -> tuple[str, str]:
    """The id of an invitation, and the token in its mail; empty where there is no mail."""
    mail.outbox.clear()
    with capture(execute=True):
        made = ada.post_json(f"{at}/invitations", {"role": "builder", **whom}, 201)
    return made["id"], token_in_mail()


def token_in_mail() -> str:
    wait_for_mails()
    return mail.outbox[-1].body.partition("#token=")[2].split()[0] if mail.outbox else ""


@pytest.fixture
def carl() -> ApiClient:
    user = create_user(username="carl", password=None, email="Carl@Example.com")
    return client_of(user)


def accept(client: ApiClient, token: str, status: int = 200):
    return client.post_json("/invitations/accept", {"token": token}, status)


def test_who_is_invited_by_address_becomes_a_member_by_the_token_of_the_mail(ada, carl, firm, at, django_capture_on_commit_callbacks):
    _, token = invited(ada, at, django_capture_on_commit_callbacks, email="carl@EXAMPLE.com")
    sent = mail.outbox[0]
    assert sent.to == ["carl@example.com"]
    assert "Engines" in sent.subject
    assert len(token) == 43, "256 bits"
    assert token not in str(Invitation.objects.values().get()), "it is kept nowhere"
    assert accept(carl, token) == {"id": firm, "name": "Engines"}
    assert carl.get_json(at)["role"] == "builder"
    refused = accept(carl, token, 409)
    assert (code(refused), refused["details"]) == ("invitation_closed", {"status": "accepted"})
    assert ada.get_json(f"{at}/invitations")["results"][0]["status"] == "accepted"


def test_an_invitation_of_another_address_is_refused_without_telling_it(ada, bob, at, django_capture_on_commit_callbacks):
    _, token = invited(ada, at, django_capture_on_commit_callbacks, email="carl@example.com")
    refused = accept(bob, token, 403)
    assert code(refused) == "invitation_of_another"
    assert "carl" not in str(refused)
    EmailAddress.objects.create(user=bob.user, email="carl@example.com", verified=False)
    accept(bob, token, 403)
    EmailAddress.objects.update(verified=True)
    accept(bob, token)


def test_the_answer_does_not_tell_whether_there_is_an_account(ada, bob, at, django_capture_on_commit_callbacks):
    answers = []
    for name in ("bob", "nobody"):
        with django_capture_on_commit_callbacks(execute=True):
            answers.append(ada.post_json(f"{at}/invitations", {"username": name, "role": "viewer"}, 201))
    same = [{key: value for key, value in each.items() if key not in ("id", "username", "created_at", "expires_at")} for each in answers]
    assert same[0] == same[1]
    assert accept(bob, "no such token", 404)["code"] == "invitation_not_found"


def test_who_is_invited_by_name_finds_it_in_the_list_and_accepts_there(ada, bob, carl, firm, at, django_capture_on_commit_callbacks):
    made, token = invited(ada, at, django_capture_on_commit_callbacks, username="bob")
    assert token == "", "no address of his is known"
    assert carl.get_json("/invitations") == []
    (found,) = bob.get_json("/invitations")
    assert (found["workspace"], found["role_name"], found["invited_by"]) == ({"id": firm, "name": "Engines"}, "builder", "ada")
    assert code(carl.post_json("/invitations/accept", {"invitation": made}, 404)) == "invitation_not_found"
    bob.post_json("/invitations/accept", {"invitation": made})
    assert bob.get_json(at)["role"] == "builder"
    assert bob.get_json("/invitations") == []


def test_an_address_that_was_not_confirmed_lists_nothing(ada, carl, at, django_capture_on_commit_callbacks):
    made, _ = invited(ada, at, django_capture_on_commit_callbacks, email="carl@example.com")
    assert carl.get_json("/invitations") == []
    carl.post_json("/invitations/accept", {"invitation": made}, 404)
    EmailAddress.objects.create(user=carl.user, email="Carl@Example.com", verified=True)
    assert [each["id"] for each in carl.get_json("/invitations")] == [made]


def test_an_invitation_ends_after_seven_days_and_is_sent_again(ada, carl, at, django_capture_on_commit_callbacks):
    made, old = invited(ada, at, django_capture_on_commit_callbacks, email="carl@example.com")
    invitation = Invitation.objects.get()
    assert timedelta(days=6, hours=23) < invitation.expires_at - timezone.now() <= timedelta(days=7)
    Invitation.objects.update(expires_at=timezone.now())
    assert accept(carl, old, 409)["details"] == {"status": "expired"}
    with django_capture_on_commit_callbacks(execute=True):
        assert ada.post_json(f"{at}/invitations/{made}/resend")["status"] == "open"
    new = token_in_mail()
    assert accept(carl, old, 404)["code"] == "invitation_not_found"
    accept(carl, new)
    assert ada.post_json(f"{at}/invitations/{made}/resend", status=409)["details"] == {"status": "accepted"}


def test_an_invitation_that_was_taken_back_counts_no_more(ada, carl, at, django_capture_on_commit_callbacks):
    made, token = invited(ada, at, django_capture_on_commit_callbacks, email="carl@example.com")
    ada.delete_json(f"{at}/invitations/{made}")
    assert accept(carl, token, 409)["details"] == {"status": "revoked"}
    assert code(ada.delete_json(f"{at}/invitations/{made}", 409)) == "invitation_closed"


def test_nobody_is_invited_twice_or_as_a_member(ada, bob, firm, at):
    join(firm, bob, "viewer")
    assert code(ada.post_json(f"{at}/invitations", {"username": "bob", "role": "viewer"}, 409)) == "already_member"
    ada.post_json(f"{at}/invitations", {"email": "D@example.com", "role": "viewer"}, 201)
    assert code(ada.post_json(f"{at}/invitations", {"email": "d@example.com", "role": "owner"}, 409)) == "already_invited"


@pytest.mark.parametrize("body", [{}, {"email": "a@example.com", "username": "a"}, {"email": "no address"}])
def test_an_invitation_names_one_party(body, ada, at):
    assert code(ada.post_json(f"{at}/invitations", {"role": "viewer", **body}, 422)) == "invalid"


def test_a_mail_that_cannot_be_sent_undoes_nothing(ada, at, settings, caplog, django_capture_on_commit_callbacks):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1
    with django_capture_on_commit_callbacks(execute=True):
        ada.post_json(f"{at}/invitations", {"email": "d@example.com", "role": "viewer"}, 201)
    wait_for_mails()
    assert "could not be sent" in caplog.text


# Lists


@pytest.mark.parametrize("what", ["workspaces", "members", "roles", "teams", "team members", "invitations", "own invitations"])
def test_a_list_takes_the_same_queries_for_one_row_and_for_thirty(what, ada, bob, firm, at, django_assert_num_queries):
    team = ada.post_json(f"{at}/teams", {"name": "first"}, 201)["id"]
    client, path = {
        "workspaces": (ada, "/workspaces"),
        "team members": (ada, f"{at}/teams/{team}/members"),
        "own invitations": (bob, "/invitations"),
    }.get(what, (ada, f"{at}/{what}"))
    role = Role.objects.create(workspace_id=firm, name="some", permissions=[])

    def make(number: int) -> None:
        user = create_user(username=f"user {number}", password=None)
        another = Workspace.objects.create_owned(owner=ada.user, name=f"w{number}")
        Membership.objects.create(workspace_id=firm, user=user, own_role=role)
        Role.objects.create(workspace_id=firm, name=f"r{number}", permissions=["workflow.view"])
        Team.objects.create(workspace_id=firm, name=f"t{number}")
        TeamMember.objects.create(team_id=team, user=user)
        week = timezone.now() + timedelta(days=7)
        Invitation.objects.create(
            workspace=another, username="bob", role="viewer", invited_by=ada.user, token_hash=f"b{number}", expires_at=week
        )
        Invitation.objects.create(
            workspace_id=firm, email=f"u{number}@example.com", own_role=role, invited_by=user, token_hash=str(number), expires_at=week
        )

    make(0)
    with django_assert_num_queries(QUERIES[what]):
        few = client.get_json(path)
    for number in range(1, 30):
        make(number)
    with django_assert_num_queries(QUERIES[what]):
        many = client.get_json(path)
    assert len(many["results"] if isinstance(many, dict) else many) >= 29 + len(few["results"] if isinstance(few, dict) else few)


# The person with the rights, the workspace, the rows; of a team the team as well. One's own invitations go by one's addresses.
QUERIES = {"workspaces": 2, "members": 3, "roles": 3, "teams": 3, "team members": 4, "invitations": 3, "own invitations": 3}
