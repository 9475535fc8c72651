"""Workspaces in the admin: who is in them, found and read in few queries."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.actions import create_user
from apps.accounts.models import Invitation, Membership, Role, Team, TeamMember, User, Workspace

pytestmark = pytest.mark.django_db

LIST = "admin:accounts_workspace_changelist"


@pytest.fixture
def operator() -> User:
    return create_user(username="operator", password=None, is_superuser=True)


@pytest.fixture
def browser(operator) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def firm() -> Workspace:
    return Workspace.objects.create_owned(owner=create_user(username="ada", password=None), name="Engines")


def page(workspace: Workspace) -> str:
    return reverse("admin:accounts_workspace_change", args=[workspace.pk])


def fill(firm: Workspace, number: int) -> None:
    user = create_user(username=f"user{number}", password=None)
    role = Role.objects.create(workspace=firm, name=f"role{number}", permissions=["workflow.view"])
    Membership.objects.create(workspace=firm, user=user, own_role=role)
    team = Team.objects.create(workspace=firm, name=f"team{number}")
    TeamMember.objects.create(team=team, user=user)
    week = timezone.now() + timedelta(days=7)
    Invitation.objects.create(
        workspace=firm, email=f"i{number}@example.com", own_role=role, invited_by=user, token_hash=str(number), expires_at=week
    )


def test_the_page_of_a_workspace_shows_its_people_roles_teams_and_invitations(browser, firm):
    fill(firm, 1)
    text = browser.get(page(firm)).content.decode()
    for said in ("ada", "user1", "role1", "team1", "i1@example.com", "workflow.view", "open"):
        assert said in text, said
    assert 'name="_save"' not in text


@pytest.mark.parametrize("what", ["the page", "the list"])
def test_more_rows_take_no_more_queries(what, browser, firm, django_assert_max_num_queries):
    url = page(firm) if what == "the page" else reverse(LIST)
    fill(firm, 0)
    browser.get(url)
    with django_assert_max_num_queries(30) as few:
        browser.get(url)
    for number in range(1, 15):
        fill(firm, number)
    with django_assert_max_num_queries(len(few)):
        browser.get(url)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "engin"}, True),
        ({"q": "ada"}, True),
        ({"q": "nothing"}, False),
        ({"is_personal__exact": "1"}, False),
        ({"is_personal__exact": "0"}, True),
    ],
)
def test_workspaces_are_searched_and_filtered(query, found, browser, firm):
    assert ("Engines" in browser.get(reverse(LIST), query).content.decode()) is found


def test_a_workspace_is_found_by_its_id(browser, firm):
    assert "Engines" in browser.get(reverse(LIST), {"q": str(firm.pk)}).content.decode()


def test_staff_see_the_workspaces_that_they_are_in(firm):
    user = create_user(username="staff", password=None)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="accounts", codename__startswith="view_"))
    client = Client()
    client.force_login(user)
    assert "Engines" not in client.get(reverse(LIST)).content.decode()
    assert "Engines" not in client.get(page(firm), follow=True).content.decode()
    Membership.objects.create(workspace=firm, user=user, role="viewer")
    fill(firm, 1)
    text = client.get(page(firm)).content.decode()
    assert "user1" in text
    assert "i1@example.com" not in text, "invitations are for those who may send them"
