"""Logging in by an OpenID Connect provider, against a stand-in on loopback."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.account.models import EmailAddress
from django.test import Client

from apps.accounts.actions import create_user
from apps.accounts.models import User
from apps.accounts.queries import personal_workspace
from apps.fleet.embedded.ports import free_port
from tests.api.people import PASSWORD, bearer, code_of, logged_in, turn_totp_on
from tests.apps.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider

pytestmark = pytest.mark.django_db

ADA = {"preferred_username": "ada", "email": "ada@example.com", "email_verified": True, "given_name": "Ada", "family_name": "Lovelace"}


def configure(settings, issuer):
    settings.OIDC_ISSUER = issuer
    app = {"provider_id": "oidc", "name": "Stand-in", "client_id": CLIENT_ID, "secret": CLIENT_SECRET, "settings": {"server_url": issuer}}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}


@pytest.fixture
def provider(settings):
    with running_provider(**ADA) as running:
        configure(settings, running.issuer)
        yield running


def to_provider(browser: Client, next_path: str = "/work") -> str:
    """Where the provider sends the browser back to."""
    redirect = browser.get("/api/v1/auth/oidc/login", {"next": next_path})
    assert redirect.status_code == 302, redirect.content
    return requests.get(redirect.headers["Location"], allow_redirects=False, timeout=5).headers["Location"]


def come_back(browser: Client, location: str) -> str:
    """Where our callback sends the browser to."""
    url = urlsplit(location)
    assert (url.netloc, url.path) == ("testserver", "/api/v1/auth/oidc/callback")
    answer = browser.get(url.path, parse_qs(url.query))
    assert answer.status_code == 302, answer.content
    return str(answer.headers["Location"])


def log_in(browser: Client) -> str:
    return come_back(browser, to_provider(browser))


def tokens(browser: Client, status: int = 200):
    answer = browser.post("/api/v1/auth/session")
    assert answer.status_code == status, answer.content
    return answer.json()


def test_who_is_new_gets_an_account_with_a_workspace_and_comes_back_to_where_they_were(provider: Provider):
    browser = Client()
    assert log_in(browser) == "/work"
    me = browser.get("/api/v1/users/me").json()
    assert (me["username"], me["email"], me["first_name"], me["last_name"]) == ("ada", "ada@example.com", "Ada", "Lovelace")
    assert bearer(tokens(browser)).get_json("/users/me")["id"] == me["id"]
    user = User.objects.get(pk=me["id"])
    assert personal_workspace(user).name == "ada"
    assert not user.has_usable_password()
    assert EmailAddress.objects.get(user=user).verified
    assert "/token" in provider.asked


def test_who_comes_again_is_the_same_person(provider):
    log_in(Client())
    browser = Client()
    log_in(browser)
    assert browser.get("/api/v1/users/me").json()["username"] == "ada"
    assert User.objects.count() == 1


def test_an_address_of_an_account_here_does_not_open_it(provider):
    create_user(username="owner", password=PASSWORD, email="ada@example.com")
    browser = Client()
    assert "error=email_taken" in log_in(browser)
    assert browser.get("/api/v1/users/me").status_code == 401
    assert User.objects.count() == 1


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_a_confirmed_address_opens_it_where_the_operator_trusts_the_provider(provider, settings, is_confirmed):
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
    owner = create_user(username="owner", password=PASSWORD, email="ada@example.com")
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    provider.person["email_verified"] = is_confirmed
    browser = Client()
    log_in(browser)
    assert browser.get("/api/v1/users/me").status_code == (200 if is_confirmed else 401)


def test_strangers_can_be_kept_out(provider, settings):
    settings.OIDC_SIGNUP = False
    assert "error=signup_closed" in log_in(Client())
    assert not User.objects.exists()


def test_a_second_factor_is_asked_for_here_too(provider):
    browser = Client()
    log_in(browser)
    user = User.objects.get(username="ada")
    user.set_password(PASSWORD)
    user.save()
    secret, _ = turn_totp_on(logged_in())

    browser = Client()
    log_in(browser)

    assert browser.get("/api/v1/users/me").status_code == 401
    step = tokens(browser, 401)
    assert (step["code"], step["details"]["step"]) == ("further_step", "mfa")
    body = {"session_token": step["details"]["session_token"], "code": code_of(secret)}
    done = Client().post("/api/v1/auth/login/mfa", body, content_type="application/json").json()
    assert bearer(done).get_json("/users/me")["username"] == "ada"


def changed(**query: str | None) -> Callable[[str], str]:
    def change(location: str) -> str:
        url = urlsplit(location)
        now = {name: values[0] for name, values in parse_qs(url.query).items()} | query
        return url._replace(query="&".join(f"{name}={value}" for name, value in now.items() if value is not None)).geturl()

    return change


@pytest.mark.parametrize(
    "change", [changed(state=None), changed(state=""), changed(state="foreign"), changed(code="wrong"), changed(code=None)]
)
def test_a_state_or_code_that_is_missing_empty_or_foreign_logs_nobody_in(provider, change):
    browser = Client()
    assert "error=" in come_back(browser, change(to_provider(browser)))
    assert browser.get("/api/v1/users/me").status_code == 401


def test_a_state_counts_once_and_in_its_own_browser(provider):
    browser, other = Client(), Client()
    location = to_provider(browser)
    assert "error=" in come_back(other, location)
    assert come_back(browser, location) == "/work"
    browser.cookies.clear()
    assert "error=" in come_back(browser, location)


@pytest.mark.parametrize("claims", [{"aud": "another client"}, {"iss": "https://evil.example"}, {"exp": 1}], ids=str)
def test_an_id_token_for_somebody_else_or_from_elsewhere_logs_nobody_in(provider, claims):
    provider.token_claims = claims
    browser = Client()
    assert "error=" in log_in(browser)
    assert browser.get("/api/v1/users/me").status_code == 401


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "work"])
def test_the_way_back_stays_on_this_host(provider, target):
    answer = Client().get("/api/v1/auth/oidc/login", {"next": target})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_next")


def test_a_provider_that_does_not_answer_is_said_to_be_away(settings):
    configure(settings, f"http://127.0.0.1:{free_port()}")
    answer = Client().get("/api/v1/auth/oidc/login")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?error=provider_unavailable")


def test_without_a_provider_there_is_none(anonymous):
    assert anonymous.get_json("/auth/options")["providers"] == []
    anonymous.get_json("/auth/oidc/login", 404)
    anonymous.get_json("/auth/oidc/callback?state=x&code=y", 404)


def test_the_login_page_learns_of_the_provider(anonymous, provider):
    [found] = anonymous.get_json("/auth/options")["providers"]
    assert found["login_url"] == "/api/v1/auth/oidc/login"


def test_tokens_for_a_cookie_need_the_csrf_token(provider):
    browser = Client(enforce_csrf_checks=True)
    log_in(browser)
    assert browser.post("/api/v1/auth/session", content_type="application/json").status_code == 403


def test_who_was_deactivated_here_cannot_come_in_from_there(provider):
    log_in(Client())
    User.objects.update(is_active=False)
    browser = Client()
    assert "error=" in log_in(browser)
    assert browser.get("/api/v1/users/me").status_code == 401
