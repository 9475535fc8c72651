"""However an account is made, its personal workspace is made with it."""

from io import StringIO

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections

from apps.accounts.actions import create_user
from apps.accounts.models import User, Workspace
from apps.accounts.queries import personal_workspace
from apps.audit.models import AuditEntry

pytestmark = pytest.mark.django_db


def test_a_person_has_one_personal_workspace():
    user = create_user(username="ada", password="correct horse battery staple")
    assert user.check_password("correct horse battery staple")
    assert personal_workspace(user).name == "ada"
    with pytest.raises(IntegrityError):
        Workspace.objects.create_personal(owner=user)


def test_an_operator_made_in_the_shell_has_one_too(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery staple")
    call_command("createsuperuser", "--no-input", username="operator", email="operator@example.com")
    operator = User.objects.get(username="operator", is_superuser=True)
    assert personal_workspace(operator).is_personal
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.via, entry.actor, entry.object_name) == ("user.created", "shell", None, "operator")
    assert (entry.workspace, entry.after) == (personal_workspace(operator), {"email": "operator@example.com", "is_superuser": True})


def test_a_password_that_is_changed_in_the_shell_is_recorded_and_one_that_is_refused_is_not(monkeypatch):
    user = create_user(username="ada", password=None)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "123")
    with pytest.raises(CommandError):
        call_command("changepassword", "ada", stdout=StringIO(), stderr=StringIO())
    assert not AuditEntry.objects.exists()

    monkeypatch.setattr("getpass.getpass", lambda prompt: "correct horse battery staple")
    call_command("changepassword", "ada", stdout=StringIO())

    user.refresh_from_db()
    assert user.check_password("correct horse battery staple")
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.via, entry.object_id, entry.after) == ("user.password_changed", "shell", str(user.pk), None)
    assert entry.workspace == personal_workspace(user)


@pytest.mark.django_db(transaction=True)
async def test_a_person_made_by_a_coroutine_has_one_too():
    user = await User.objects.acreate_user("ada")
    assert await Workspace.objects.filter(owner=user, is_personal=True).acount() == 1
    await sync_to_async(connections.close_all)()  # those of the thread that coroutines use


@pytest.mark.django_db(transaction=True)
def test_no_person_remains_when_the_workspace_cannot_be_made(monkeypatch):
    def refuse(self, *, owner):
        raise IntegrityError("refused")

    monkeypatch.setattr("apps.accounts.models.WorkspaceQuerySet.create_personal", refuse)
    with pytest.raises(IntegrityError):
        create_user(username="ada", password=None)
    assert not User.objects.exists()


def test_people_see_their_own_workspaces_and_operators_all():
    ada, bob = create_user(username="ada", password=None), create_user(username="bob", password=None)
    operator = create_user(username="operator", password=None, is_superuser=True)
    assert list(Workspace.objects.visible_to(ada)) == [personal_workspace(ada)]
    assert list(Workspace.objects.visible_to(bob)) == [personal_workspace(bob)]
    assert Workspace.objects.visible_to(operator).count() == 3
