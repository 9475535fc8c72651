"""Second factors: an authenticator app, recovery codes, passkeys; and that nothing goes around them."""

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from apps.accounts.actions import create_user
from tests.api.people import PASSWORD, SoftwareKey, bearer, code_of, logged_in, turn_totp_on

pytestmark = pytest.mark.django_db

LOGIN = {"username": "ada", "password": PASSWORD}


@pytest.fixture
def user():
    return create_user(username="ada", password=PASSWORD, is_superuser=True)


@pytest.fixture
def client(user):
    return logged_in()


@pytest.fixture
def totp(client):
    """Secret and recovery codes of an authenticator app that is on; the code that turned it on counts no more."""
    return turn_totp_on(client)


def begin(anonymous):
    """The session token of a login that waits for its second factor."""
    refused = anonymous.post_json("/auth/login", LOGIN, 401)
    assert refused["code"] == "further_step"
    assert refused["details"]["step"] == "mfa"
    return refused["details"]["session_token"]


def test_an_authenticator_app_is_offered_with_a_picture_and_counts_once_confirmed(anonymous, client):
    client.post_json("/auth/reauthenticate", {"password": PASSWORD}, 204)
    offer = client.post_json("/users/me/mfa/totp")
    assert offer["secret"] in offer["uri"]
    assert offer["uri"].startswith("otpauth://totp/ada?")
    assert offer["svg"].startswith("<?xml")
    client.post_json("/users/me/mfa/totp/confirm", {"code": "000000"}, 422)
    assert client.get_json("/users/me/mfa")["is_on"] is False

    codes = client.post_json("/users/me/mfa/totp/confirm", {"code": code_of(offer["secret"])})["recovery_codes"]

    assert len(set(codes)) == 10
    factors = client.get_json("/users/me/mfa")
    assert (factors["is_on"], factors["recovery_codes_left"], factors["passkeys"]) == (True, 10, [])
    assert client.post_json("/users/me/mfa/totp", None, 409)["code"] == "mfa_is_on"


def test_its_secret_is_not_in_the_database(totp):
    secret, codes = totp
    kept = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept
    assert not any(code in kept for code in codes)


def test_a_login_then_asks_for_a_code_and_says_how_to_go_on(anonymous, totp):
    refused = anonymous.post_json("/auth/login", LOGIN, 401)
    assert refused["details"]["methods"] == ["recovery_codes", "totp"]
    token = refused["details"]["session_token"]
    assert "tokens" not in refused

    assert anonymous.post_json("/auth/login/mfa", {"session_token": token, "code": "000000"}, 401)["code"] == "wrong_code"
    tokens = anonymous.post_json("/auth/login/mfa", {"session_token": token, "code": code_of(totp[0])})

    assert bearer(tokens).get_json("/users/me")["username"] == "ada"


def test_a_pending_login_is_no_login(anonymous, totp):
    token = begin(anonymous)
    anonymous.get_json("/users/me", 401, Authorization=f"Bearer {token}")
    anonymous.get_json("/users/me", 401, **{"X-Session-Token": token})
    browser = Client()
    browser.cookies["sessionid"] = token
    assert browser.get("/api/v1/users/me").status_code == 401
    assert browser.get("/admin/").status_code == 302
    assert browser.post("/api/v1/auth/session").status_code == 401


def test_a_code_counts_once(anonymous, totp):
    code = code_of(totp[0])
    anonymous.post_json("/auth/login/mfa", {"session_token": begin(anonymous), "code": code})
    again = anonymous.post_json("/auth/login/mfa", {"session_token": begin(anonymous), "code": code}, 401)
    assert again["code"] == "wrong_code"


def test_a_recovery_code_counts_once_and_new_ones_replace_the_old(anonymous, totp):
    codes = totp[1]
    client = bearer(anonymous.post_json("/auth/login/mfa", {"session_token": begin(anonymous), "code": codes[0]}))
    anonymous.post_json("/auth/login/mfa", {"session_token": begin(anonymous), "code": codes[0]}, 401)
    assert client.get_json("/users/me/mfa")["recovery_codes_left"] == 9
    client.post_json("/auth/reauthenticate", {"code": codes[1]}, 204)
    fresh = client.post_json("/users/me/mfa/recovery-codes")["recovery_codes"]
    assert not set(fresh) & set(codes)
    anonymous.post_json("/auth/login/mfa", {"session_token": begin(anonymous), "code": codes[2]}, 401)
    anonymous.post_json("/auth/login/mfa", {"session_token": begin(anonymous), "code": fresh[0]})


def test_guessing_codes_is_limited_also_for_the_right_one_at_last(anonymous, totp):
    token = begin(anonymous)
    for _ in range(5):
        anonymous.post_json("/auth/login/mfa", {"session_token": token, "code": "000000"}, 401)
    response = anonymous.post("/api/v1/auth/login/mfa", {"session_token": token, "code": code_of(totp[0])}, format="json")
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 300


@pytest.mark.parametrize("token", ["", "short", "x" * 32, "0" * 64])
def test_a_session_token_that_waits_for_nothing_is_refused(anonymous, totp, token):
    status = 422 if not token else 401
    assert anonymous.post_json("/auth/login/mfa", {"session_token": token, "code": code_of(totp[0])}, status)["code"] in (
        "step_expired",
        "invalid",
    )


def test_a_session_token_counts_until_the_login_is_finished(anonymous, totp):
    token = begin(anonymous)
    anonymous.post_json("/auth/login/mfa", {"session_token": token, "code": totp[1][0]})
    again = anonymous.post_json("/auth/login/mfa", {"session_token": token, "code": totp[1][1]}, 401)
    assert again["code"] == "step_expired"


def test_changes_need_proof_that_the_person_is_there(client, user):
    refused = client.post_json("/users/me/mfa/totp", None, 403)
    assert refused["code"] == "reauthentication_required"
    assert refused["details"]["methods"] == ["password"]
    assert client.post_json("/auth/reauthenticate", {"password": "wrong"}, 401)["code"] == "wrong_code"
    client.post_json("/users/me/mfa/totp", None, 403)
    logged_in().post_json("/auth/reauthenticate", {"password": PASSWORD}, 204)
    client.post_json("/users/me/mfa/totp", None, 403)  # another session's proof does not count here


def test_the_password_alone_removes_no_second_factor(anonymous, totp):
    client = bearer(anonymous.post_json("/auth/login/mfa", {"session_token": begin(anonymous), "code": totp[1][0]}))
    client.delete_json("/users/me/mfa/totp", 403)
    refused = client.post_json("/auth/reauthenticate", {"password": PASSWORD}, 403)
    assert refused["details"]["methods"] == ["code"]
    client.post_json("/auth/reauthenticate", {"code": totp[1][1]}, 204)
    client.delete_json("/users/me/mfa/totp", 204)
    assert client.get_json("/users/me/mfa") == {"is_on": False, "totp_at": None, "recovery_codes_left": None, "passkeys": []}
    anonymous.post_json("/auth/login", LOGIN)


def test_wrong_passwords_at_a_reauthentication_are_limited(client):
    for _ in range(5):
        client.post_json("/auth/reauthenticate", {"password": "wrong"}, 401)
    client.post_json("/auth/reauthenticate", {"password": PASSWORD}, 429)


def test_there_are_no_recovery_codes_without_a_second_factor(client):
    client.post_json("/auth/reauthenticate", {"password": PASSWORD}, 204)
    assert client.post_json("/users/me/mfa/recovery-codes", None, 409)["code"] == "mfa_is_off"
    assert client.delete_json("/users/me/mfa/totp", 404)["code"] == "factor_not_found"


@pytest.fixture
def passkey(client):
    """A passkey that may also log in alone."""
    key = SoftwareKey()
    client.post_json("/auth/reauthenticate", {"password": PASSWORD}, 204)
    options = client.post_json("/users/me/mfa/passkeys/options", {"passwordless": True})["options"]
    body = {"name": "laptop", "credential": key.create(options), "passwordless": True}
    made = client.post_json("/users/me/mfa/passkeys", body, 201)
    assert made["passkey"]["name"] == "laptop"
    assert len(made["recovery_codes"]) == 10
    return key


def test_a_passkey_is_a_second_factor(anonymous, passkey):
    refused = anonymous.post_json("/auth/login", LOGIN, 401)
    assert refused["details"]["methods"] == ["recovery_codes", "webauthn"]
    offer = anonymous.post_json("/auth/login/passkey/options", {"session_token": refused["details"]["session_token"]})
    body = {"session_token": offer["session_token"], "credential": passkey.get(offer["options"])}
    assert bearer(anonymous.post_json("/auth/login/passkey", body)).get_json("/users/me")["username"] == "ada"


def test_a_passkey_logs_in_alone_and_its_answer_counts_once(anonymous, passkey):
    offer = anonymous.post_json("/auth/login/passkey/options", {})
    body = {"session_token": offer["session_token"], "credential": passkey.get(offer["options"])}
    bearer(anonymous.post_json("/auth/login/passkey", body)).get_json("/users/me")
    anonymous.post_json("/auth/login/passkey", body, 401)


def test_a_passkey_of_another_key_or_page_is_refused(anonymous, passkey):
    stranger = SoftwareKey(credential_id=passkey.credential_id, user_handle=passkey.user_handle)
    elsewhere = SoftwareKey(
        origin="https://evil.example", key=passkey.key, credential_id=passkey.credential_id, user_handle=passkey.user_handle
    )
    for wrong in (stranger, elsewhere):
        offer = anonymous.post_json("/auth/login/passkey/options", {})
        body = {"session_token": offer["session_token"], "credential": wrong.get(offer["options"])}
        assert anonymous.post_json("/auth/login/passkey", body, 401)["code"] == "wrong_code"


@pytest.mark.parametrize(
    "credential", [{}, {"id": "x"}, {"id": "eA", "rawId": "eA", "type": "public-key", "response": {}}, {"response": 5}]
)
def test_what_is_no_credential_is_refused_and_not_stumbled_over(anonymous, client, passkey, credential):
    offer = anonymous.post_json("/auth/login/passkey/options", {})
    body = {"session_token": offer["session_token"], "credential": credential}
    assert anonymous.post("/api/v1/auth/login/passkey", body, format="json").status_code in (401, 422)
    client.post_json("/users/me/mfa/passkeys/options", {})
    client.post_json("/users/me/mfa/passkeys", {"name": "x", "credential": credential}, 422)


def test_a_passkey_proves_that_the_person_is_there_and_is_renamed_and_removed(client, passkey, bob):
    [row] = client.get_json("/users/me/mfa")["passkeys"]
    options = client.post_json("/auth/reauthenticate/options")["options"]
    client.post_json("/auth/reauthenticate", {"credential": passkey.get(options)}, 204)
    assert client.patch_json(f"/users/me/mfa/passkeys/{row['id']}", {"name": "desk"})["name"] == "desk"
    bob.delete_json(f"/users/me/mfa/passkeys/{row['id']}", 404)
    client.delete_json(f"/users/me/mfa/passkeys/{row['id']}", 204)
    assert client.get_json("/users/me/mfa")["is_on"] is False


def test_the_admin_asks_for_the_second_factor_too(totp):
    browser = Client()
    refused = browser.post("/admin/login/?next=/admin/", LOGIN)
    assert "needs a code" in refused.content.decode()
    assert "is wrong" in browser.post("/admin/login/", {**LOGIN, "code": "000000"}).content.decode()
    assert browser.get("/admin/").status_code == 302
    assert browser.post("/admin/login/?next=/admin/", {**LOGIN, "code": code_of(totp[0])}).status_code == 302
    assert browser.get("/admin/").status_code == 200


def test_the_admin_login_has_a_field_for_the_code():
    assert 'name="code"' in Client().get("/admin/login/").content.decode()
