"""Where one is logged in, and what one says of oneself."""

from datetime import datetime

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache

from apps.accounts.actions import create_user
from apps.accounts.models import LoginSession
from tests.api.people import PASSWORD, key_in_mail, logged_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return create_user(username="ada", password=PASSWORD, email="ada@example.com")


@pytest.fixture
def client(user):
    return logged_in(**{"User-Agent": "test browser"})


def sessions(client):
    return client.get_json("/users/me/sessions")["results"]


def test_sessions_are_listed_with_where_they_are_from_and_which_is_this_one(client):
    logged_in(**{"User-Agent": "x" * 1000})
    other, own = sessions(client)
    assert (own["user_agent"], own["address"], own["is_current"]) == ("test browser", "127.0.0.1", True)
    assert (len(other["user_agent"]), other["is_current"]) == (200, False)
    assert datetime.fromisoformat(own["created_at"]) <= datetime.fromisoformat(own["last_used_at"])


def test_a_refresh_counts_as_a_use(anonymous, user):
    tokens = anonymous.post_json("/auth/login", {"username": "ada", "password": PASSWORD})
    later = logged_in()
    anonymous.post_json("/auth/refresh", {"refresh": tokens["refresh"]})
    assert [each["is_current"] for each in sessions(later)] == [False, True]


def test_one_session_is_ended_and_its_tokens_stop_at_once(client):
    other = logged_in()
    [session_id] = [each["id"] for each in sessions(client) if not each["is_current"]]
    client.delete_json(f"/users/me/sessions/{session_id}", 204)
    other.get_json("/users/me", 401)
    assert len(sessions(client)) == 1
    assert client.delete_json(f"/users/me/sessions/{session_id}", 404)["code"] == "session_not_found"


def test_all_other_sessions_are_ended(client):
    others = [logged_in() for _ in range(3)]
    assert client.delete_json("/users/me/sessions", 200) == {"ended": 3}
    for other in others:
        other.get_json("/users/me", 401)
    assert len(sessions(client)) == 1


def test_nobody_sees_or_ends_sessions_of_another(client, bob):
    [own] = sessions(client)
    assert sessions(bob) == []
    bob.delete_json(f"/users/me/sessions/{own['id']}", 404)
    assert bob.delete_json("/users/me/sessions", 200) == {"ended": 0}
    client.get_json("/users/me")


def test_a_list_of_sessions_names_no_secret(client):
    key = LoginSession.objects.get(user__username="ada").session_key
    assert key not in client.get("/api/v1/users/me/sessions").content.decode()


def test_sessions_of_a_former_password_are_no_sessions(user, client):
    user.set_password("another long password")
    user.save()
    fresh = logged_in(password="another long password")
    assert [each["is_current"] for each in sessions(fresh)] == [True]


def test_a_list_takes_the_same_queries_for_few_sessions_and_for_many(client, django_assert_num_queries):
    for count in (1, 30):
        while len(sessions(client)) < count:
            logged_in()
            cache.clear()
        with django_assert_num_queries(2):
            sessions(client)


def test_people_say_who_they_are_in_which_language_and_where(client):
    changes = {"first_name": "Ada", "last_name": "Lovelace", "language": "zh", "time_zone": "Asia/Shanghai"}
    answer = client.patch_json("/users/me", changes)
    assert {name: answer[name] for name in changes} == changes
    assert {name: client.get_json("/users/me")[name] for name in changes} == changes


@pytest.mark.parametrize(
    "change", [{"language": "fr"}, {"time_zone": "Mars/Base"}, {"username": "root"}, {"is_superuser": True}, {"email": "x"}], ids=str
)
def test_what_cannot_be_is_refused(client, change):
    client.patch_json("/users/me", change, 422)


def test_a_new_address_counts_once_it_is_confirmed(client, user, anonymous):
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.patch_json("/users/me", {"email": "new@example.com"}, 403)
    client.post_json("/auth/reauthenticate", {"password": PASSWORD}, 204)
    answer = client.patch_json("/users/me", {"email": "New@Example.com"})
    assert (answer["email"], answer["pending_email"]) == ("ada@example.com", "new@example.com")
    assert mail.outbox[-1].to == ["new@example.com"]

    anonymous.post_json("/auth/email/verify", {"key": key_in_mail()}, 204)

    assert client.get_json("/users/me")["email"] == "new@example.com"
    assert mail.outbox[-1].to == ["ada@example.com"]  # told that it is no longer theirs
    assert client.patch_json("/users/me", {})["pending_email"] is None


def test_an_address_that_waits_gets_its_mail_anew(client, user):
    client.post_json("/auth/reauthenticate", {"password": PASSWORD}, 204)
    client.patch_json("/users/me", {"email": "ada@example.com"})
    cache.clear()
    client.patch_json("/users/me", {"email": "ada@example.com"})
    assert [message.to for message in mail.outbox] == [["ada@example.com"]] * 2


def test_an_address_of_another_cannot_be_taken_over(client, anonymous):
    create_user(username="bob", password=PASSWORD, email="bob@example.com")
    client.post_json("/auth/reauthenticate", {"password": PASSWORD}, 204)
    client.patch_json("/users/me", {"email": "bob@example.com"})
    assert client.get_json("/users/me")["email"] == "ada@example.com"
