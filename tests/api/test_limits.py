"""How often one may try, and that it holds whatever becomes of Redis."""

import pytest
import redis
from allauth.account.models import EmailAddress

from apps.accounts.actions import create_user
from tests.api.clients import ApiClient
from tests.api.people import PASSWORD

pytestmark = pytest.mark.django_db

RIGHT = {"username": "ada", "password": PASSWORD}
WRONG = {"username": "ada", "password": "wrong"}


@pytest.fixture
def user():
    return create_user(username="ada", password=PASSWORD, email="ada@example.com")


@pytest.fixture
def no_redis(monkeypatch):
    def refuse(*_, **__):
        raise redis.ConnectionError("Redis is away.")

    monkeypatch.setattr(redis.connection.AbstractConnection, "connect", refuse)


def until_refused(call, *, most: int):
    """How many calls were answered before the first 429, and the 429."""
    for count in range(most + 1):
        response = call()
        if response.status_code == 429:
            return count, response
    raise AssertionError(f"{most} calls were not limited")


def says_when(response, *, within: int) -> None:
    body = response.json()
    assert body["code"] == "too_many_attempts"
    assert 1 <= int(response.headers["Retry-After"]) == body["details"]["retry_after_seconds"] <= within


def post(path, body):
    return lambda: ApiClient().post(f"/api/v1/auth/{path}", body, format="json")


def test_failed_logins_of_a_name_are_limited_and_the_answer_says_when_to_come_back(user):
    count, response = until_refused(post("login", WRONG), most=10)
    assert count == 5
    says_when(response, within=300)
    says_when(post("login", RIGHT)(), within=300)


def test_failed_logins_are_limited_while_redis_is_away(user, no_redis):
    assert post("login", RIGHT)().status_code == 200
    count, response = until_refused(post("login", WRONG), most=10)
    assert count == 5
    says_when(response, within=300)


def test_logins_of_many_names_from_one_address_are_limited(user):
    names = iter(range(100))

    def try_the_next():
        return post("login", {"username": f"n{next(names)}", "password": "wrong"})()

    count, response = until_refused(try_the_next, most=40)
    assert count == 10
    says_when(response, within=60)


def test_right_logins_are_limited_by_address_too(user):
    count, response = until_refused(post("login", RIGHT), most=40)
    assert count == 30
    says_when(response, within=60)


def test_a_name_in_other_letters_is_the_same_name(user):
    for name in ("ada", "ADA", "Ada", "aDa", "adA"):
        assert post("login", {"username": name, "password": "wrong"})().status_code == 401
    assert post("login", RIGHT)().status_code == 429


@pytest.mark.parametrize(
    ("path", "body", "most"),
    [
        ("register", {"username": "x", "email": "no", "password": "y"}, 10),
        ("password/reset", {"email": "ada@example.com"}, 3),
        ("password/reset/confirm", {"key": "x-y", "password": PASSWORD}, 20),
        ("email/verify", {"key": "x"}, 20),
        ("login/passkey/options", {}, 30),
    ],
)
def test_what_strangers_may_do_is_limited(user, no_redis, path, body, most):
    if path == "register":
        body = {**body, "email": "x@example.com"}
    count, response = until_refused(post(path, body), most=most + 5)
    assert count == most
    says_when(response, within=60)


def test_refreshes_are_limited_by_address(user, settings, no_redis):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "refresh": "3/m/ip"}
    count, response = until_refused(post("refresh", {"refresh": "x"}), most=10)
    assert count == 3
    says_when(response, within=60)


def test_a_mail_to_one_address_goes_out_every_few_minutes_only(user, settings, mailoutbox):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    EmailAddress.objects.create(user=user, email=user.email, primary=True)
    for _ in range(3):
        assert post("login", RIGHT)().status_code == 401
    assert len(mailoutbox) == 1


def test_another_host_name_gives_no_further_tries(user):
    for host in ("localhost", "127.0.0.1", "testserver", "localhost", "127.0.0.1"):
        assert ApiClient(headers={"Host": host}).post("/api/v1/auth/login", WRONG, format="json").status_code == 401
    assert post("login", RIGHT)().status_code == 429


def test_behind_a_proxy_the_address_of_the_visitor_counts(user, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1

    def login_from(address):
        return ApiClient(headers={"X-Forwarded-For": address}).post("/api/v1/auth/login", RIGHT, format="json")

    until_refused(lambda: login_from("192.0.2.1"), most=40)
    assert login_from("192.0.2.2").status_code == 200
    # What a visitor writes there himself stands before what the proxy adds.
    assert login_from("192.0.2.3, 192.0.2.1").status_code == 429
