"""Making an account, confirming its address, and getting back in."""

import pytest
from django.core import mail
from django.core.cache import cache

from apps.accounts.actions import create_user
from apps.accounts.models import User
from apps.accounts.queries import personal_workspace
from structforge.settings.base import frontend_urls
from tests.api.people import PASSWORD, bearer, key_in_mail, logged_in

pytestmark = pytest.mark.django_db

ADA = {"username": "ada", "email": "Ada@Example.com", "password": PASSWORD}


@pytest.fixture
def mandatory(settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


def test_who_registers_is_logged_in_and_has_a_workspace(anonymous):
    made = anonymous.post_json("/auth/register", ADA, 201)
    assert made["step"] is None
    me = bearer(made["tokens"]).get_json("/users/me")
    assert (me["username"], me["email"], me["workspace"]["name"]) == ("ada", "ada@example.com", "ada")
    assert personal_workspace(User.objects.get(username="ada")).memberships.get().role == "owner"
    assert "example.com" in mail.outbox[0].to[0]


def test_an_address_that_must_be_confirmed_is_confirmed_before_a_login(anonymous, mandatory):
    assert anonymous.post_json("/auth/register", ADA, 201) == {"step": "verify_email", "tokens": None}
    refused = anonymous.post_json("/auth/login", {"username": "ada", "password": PASSWORD}, 401)
    assert refused["code"] == "further_step"
    assert refused["details"] == {"step": "verify_email"}

    anonymous.post_json("/auth/email/verify", {"key": key_in_mail()}, 204)

    assert logged_in().get_json("/users/me")["username"] == "ada"


def test_a_key_out_of_a_mail_counts_once_and_a_wrong_one_never(anonymous, mandatory):
    anonymous.post_json("/auth/register", ADA, 201)
    key = key_in_mail()
    anonymous.post_json("/auth/email/verify", {"key": key}, 204)
    for wrong in (key, key[:-1] + ("A" if key[-1] != "A" else "B"), "x"):
        assert anonymous.post_json("/auth/email/verify", {"key": wrong}, 422)["code"] == "invalid_key"


def test_an_operator_without_an_address_logs_in_where_addresses_must_be_confirmed(anonymous, mandatory):
    create_user(username="boss", password=PASSWORD, is_superuser=True)
    assert logged_in("boss").get_json("/users/me")["is_superuser"]


def test_an_address_that_is_taken_is_not_told_where_mail_can_tell_it(anonymous, mandatory):
    anonymous.post_json("/auth/register", ADA, 201)
    cache.clear()  # a mail to one address goes out every three minutes
    again = anonymous.post_json("/auth/register", {**ADA, "username": "mallory"}, 201)
    assert again == {"step": "verify_email", "tokens": None}
    assert not User.objects.filter(username="mallory").exists()
    assert "already" in mail.outbox[-1].body


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"username": "ADA2"}, "/username"),
        ({"username": "a b"}, "/username"),
        ({"email": "taken@example.com"}, "/email"),
        ({"email": "no address"}, "/email"),
        ({"password": "password12"}, "/password"),
        ({"password": "short"}, "/password"),
        ({"username": "ada.lovelace", "password": "ada.lovelace"}, "/password"),
        ({"is_superuser": True}, "/is_superuser"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_registration_is_said_where_it_is(anonymous, change, pointer):
    create_user(username="ada2", password=None, email="taken@example.com")
    body = anonymous.post_json("/auth/register", {**ADA, **change}, 422)
    assert [fault["pointer"] for fault in body["details"]["errors"]] == [pointer]
    assert not User.objects.filter(username__in=["ada", "ada.lovelace"]).exists()


def test_registration_can_be_closed(anonymous, settings):
    settings.REGISTRATION_OPEN = False
    assert anonymous.get_json("/auth/options")["is_registration_open"] is False
    assert anonymous.post_json("/auth/register", ADA, 403)["code"] == "registration_closed"


def test_links_in_mails_go_where_the_operator_says(anonymous, ada_with_mail, settings):
    """And not where the Host header of a stranger's request says."""
    settings.HEADLESS_FRONTEND_URLS = frontend_urls("https://flows.example.com")
    anonymous.post_json("/auth/password/reset", {"email": "ada@example.com"}, 204, Host="localhost")
    assert "https://flows.example.com/reset-password?key=" in mail.outbox[-1].body


def test_a_mail_that_cannot_be_sent_undoes_nothing(anonymous, settings, caplog):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1  # nobody listens there
    assert anonymous.post_json("/auth/register", ADA, 201)["tokens"]
    assert "could not be sent" in caplog.text
    assert PASSWORD not in caplog.text


@pytest.fixture
def ada_with_mail(db):
    return create_user(username="ada", password=PASSWORD, email="ada@example.com")


def test_a_forgotten_password_is_set_anew_by_mail_and_all_sessions_end(anonymous, ada_with_mail):
    before = logged_in()
    anonymous.post_json("/auth/password/reset", {"email": "ada@example.com"}, 204)
    key = key_in_mail()

    anonymous.post_json("/auth/password/reset/confirm", {"key": key, "password": "a wholly new password"}, 204)

    before.get_json("/users/me", 401)
    anonymous.post_json("/auth/login", {"username": "ada", "password": PASSWORD}, 401)
    logged_in(password="a wholly new password").get_json("/users/me")
    again = anonymous.post_json("/auth/password/reset/confirm", {"key": key, "password": "yet another password"}, 422)
    assert again["code"] == "invalid_key"


def test_a_reset_does_not_tell_who_has_an_account(anonymous, ada_with_mail):
    assert anonymous.post_json("/auth/password/reset", {"email": "nobody@example.com"}, 204) is None
    assert mail.outbox[-1].to == ["nobody@example.com"]
    assert "key=" not in mail.outbox[-1].body


def test_a_reset_refuses_a_weak_password_and_keeps_the_key(anonymous, ada_with_mail):
    anonymous.post_json("/auth/password/reset", {"email": "ada@example.com"}, 204)
    body = anonymous.post_json("/auth/password/reset/confirm", {"key": key_in_mail(), "password": "short"}, 422)
    assert body["details"]["errors"][0]["pointer"] == "/password"
    anonymous.post_json("/auth/password/reset/confirm", {"key": key_in_mail(), "password": "a wholly new password"}, 204)


def test_a_changed_password_ends_all_other_sessions_and_answers_with_new_tokens(ada_with_mail):
    here, there = logged_in(), logged_in()
    tokens = here.post_json("/auth/password/change", {"current": PASSWORD, "new": "a wholly new password"})
    here.get_json("/users/me", 401)
    there.get_json("/users/me", 401)
    bearer(tokens).get_json("/users/me")
    assert here.post_json("/auth/refresh", {"refresh": tokens["refresh"]})["access"]
    assert "changed" in mail.outbox[-1].body


def test_a_changed_password_needs_the_current_one(ada_with_mail):
    body = logged_in().post_json("/auth/password/change", {"current": "wrong", "new": "a wholly new password"}, 422)
    assert body["details"]["errors"][0]["pointer"] == "/current_password"
    logged_in()


def test_mails_are_in_the_language_of_their_reader(anonymous, ada_with_mail):
    ada_with_mail.language = "zh"
    ada_with_mail.save()
    anonymous.post_json("/auth/password/reset", {"email": "ada@example.com"}, 204)
    assert "密码" in mail.outbox[-1].body + mail.outbox[-1].subject
