"""Logging in, staying logged in, and being thrown out."""

import hmac
import time
from base64 import urlsafe_b64encode
from hashlib import sha256

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.test import Client

from apps.accounts.actions import create_user

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


@pytest.fixture
def user():
    return create_user(username="ada", password=PASSWORD)


@pytest.fixture
def tokens(anonymous, user):
    return anonymous.post_json("/auth/login", {"username": "ada", "password": PASSWORD})


def me(client, access, status=200):
    return client.get_json("/users/me", status, Authorization=f"Bearer {access}")


def test_a_login_gives_tokens_that_say_who_one_is(anonymous, user, tokens):
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN
    found = me(anonymous, tokens["access"])
    assert found["username"] == "ada"
    assert found["workspace"]["id"] == str(user.workspaces.get().id)


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_look_the_same(anonymous, user, name, password):
    body = anonymous.post_json("/auth/login", {"username": name, "password": password}, 401)
    assert body["code"] == "wrong_credentials"
    assert body["message"] == "The username or the password is wrong."


def test_failed_logins_are_limited_even_with_the_right_password_at_last(anonymous, user):
    for _ in range(5):
        anonymous.post_json("/auth/login", {"username": "ada", "password": "wrong"}, 401)
    body = anonymous.post_json("/auth/login", {"username": "ada", "password": PASSWORD}, 429)
    assert body["code"] == "too_many_attempts"


def test_an_inactive_person_cannot_log_in_and_is_out_at_once(anonymous, user, tokens):
    user.is_active = False
    user.save()
    me(anonymous, tokens["access"], 401)
    anonymous.post_json("/auth/login", {"username": "ada", "password": PASSWORD}, 401)
    anonymous.post_json("/auth/refresh", {"refresh": tokens["refresh"]}, 401)


def test_a_refresh_rotates_and_its_reuse_ends_the_session(anonymous, tokens):
    second = anonymous.post_json("/auth/refresh", {"refresh": tokens["refresh"]})
    third = anonymous.post_json("/auth/refresh", {"refresh": second["refresh"]})
    me(anonymous, third["access"])

    body = anonymous.post_json("/auth/refresh", {"refresh": second["refresh"]}, 401)

    assert body["code"] == "refresh_refused"
    me(anonymous, third["access"], 401)
    anonymous.post_json("/auth/refresh", {"refresh": third["refresh"]}, 401)


@pytest.mark.parametrize("by", ["access", "refresh"])
def test_a_logout_stops_both_tokens(anonymous, tokens, by):
    headers = {"Authorization": f"Bearer {tokens['access']}"} if by == "access" else {}
    anonymous.post_json("/auth/logout", {"refresh": tokens["refresh"]} if by == "refresh" else {}, 204, **headers)
    me(anonymous, tokens["access"], 401)
    anonymous.post_json("/auth/refresh", {"refresh": tokens["refresh"]}, 401)


def test_a_new_password_stops_the_tokens_of_the_old_one(anonymous, user, tokens):
    user.set_password("another long password")
    user.save()
    me(anonymous, tokens["access"], 401)
    anonymous.post_json("/auth/refresh", {"refresh": tokens["refresh"]}, 401)


def forged(access, *, key=settings.SECRET_KEY, algorithm="HS256", **claims):
    payload = jwt.decode(access, options={"verify_signature": False})
    return jwt.encode({**payload, **claims}, key if algorithm != "none" else None, algorithm=algorithm)


def test_a_token_signed_again_with_the_same_key_counts(anonymous, tokens):
    """Without this, the test below could pass for the wrong reason."""
    me(anonymous, forged(tokens["access"]))


@pytest.mark.parametrize(
    "change",
    [
        {"key": "another key, of the same length as the one of the tests"},
        {"algorithm": "none"},
        {"algorithm": "HS512"},
        {"exp": 1},
        {"sub": "not an id"},
        {"sub": "018f0000-0000-7000-8000-000000000000"},
        {"sid": "AAAA"},
        {"token_use": "refresh"},
        {"pwd": "0" * 16},
        {"pwd": None},
        {"iss": "https://evil.example"},
        {"aud": "another service"},
        {"aud": ["structforge-api", "another service"]},
        {"aud": None},
    ],
    ids=str,
)
def test_a_forged_token_is_refused(anonymous, tokens, change):
    me(anonymous, forged(tokens["access"], **change), 401)


def test_a_token_signed_by_a_public_key_is_refused(anonymous, tokens):
    """HS and RS confused: the attacker signs with a key of their own, or by HMAC with a public key, which everybody may know."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    payload = jwt.decode(tokens["access"], options={"verify_signature": False})
    me(anonymous, jwt.encode(payload, key, algorithm="RS256"), 401)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = tokens["access"].rpartition(".")[0]
    signature = hmac.new(public, signed.encode(), sha256).digest()
    me(anonymous, f"{signed}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}", 401)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_a_token_without_a_signature_is_refused(anonymous, tokens, algorithm):
    _, payload, _ = tokens["access"].split(".")
    header = urlsafe_b64encode(f'{{"alg":"{algorithm}","typ":"JWT"}}'.encode()).rstrip(b"=").decode()
    for signature in ("", tokens["access"].split(".")[2]):
        me(anonymous, f"{header}.{payload}.{signature}", 401)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\u00e9", "x" * 5000, "eyJhbGciOiJIUzI1NiJ9.e30."])
def test_what_is_no_token_is_refused(anonymous, token):
    me(anonymous, token, 401)


def test_a_replayed_refresh_token_ends_what_came_of_it(anonymous, tokens):
    new = anonymous.post_json("/auth/refresh", {"refresh": tokens["refresh"]})
    anonymous.post_json("/auth/refresh", {"refresh": tokens["refresh"]}, 401)
    me(anonymous, new["access"], 401)
    anonymous.post_json("/auth/refresh", {"refresh": new["refresh"]}, 401)


def test_an_access_token_expires(anonymous, tokens, settings):
    me(anonymous, forged(tokens["access"], exp=int(time.time()) + 60))
    me(anonymous, forged(tokens["access"], exp=int(time.time()) - 1), 401)


def test_a_token_does_not_open_the_session_of_another_person(anonymous, user, tokens):
    bob = create_user(username="bob", password=None)
    me(anonymous, forged(tokens["access"], sub=str(bob.pk), pwd=bob.get_session_auth_hash()[:16]), 401)


def test_a_refresh_token_is_no_access_token(anonymous, tokens):
    me(anonymous, tokens["refresh"], 401)
    anonymous.post_json("/auth/refresh", {"refresh": tokens["access"]}, 401)


def test_without_a_token_the_answer_says_how_to_bring_one(anonymous):
    response = anonymous.get("/api/v1/users/me")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json()["code"] == "not_authenticated"


def test_a_session_cookie_counts_and_writes_need_the_csrf_token(user):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/api/v1/users/me").json()["username"] == "ada"
    refused = browser.post("/api/v1/workflows/validate", {"definition": {}}, content_type="application/json")
    assert refused.status_code == 403
    browser.get("/admin/login/")
    browser.cookies["csrftoken"] = "a" * 32
    headers = {"X-CSRFToken": "a" * 32}
    assert (
        browser.post("/api/v1/workflows/validate", {"definition": {}}, content_type="application/json", headers=headers).status_code == 200
    )


def test_a_check_of_a_token_is_one_query(anonymous, tokens, django_assert_num_queries):
    with django_assert_num_queries(1):
        anonymous.get_json("/definition-schema", Authorization=f"Bearer {tokens['access']}")
