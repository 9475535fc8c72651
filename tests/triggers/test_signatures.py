"""Signatures of webhooks against example vectors: two that their inventors publish, and one of each made by OpenSSL.

printf '%s' "$signed" | openssl dgst -sha256 -hmac "$secret"
"""

import base64
import subprocess

import pytest

from apps.credentials.types.webhook import WebhookSecretFields
from apps.nodes.secret import Secret
from apps.triggers.webhooks.signatures import Letter, is_proved, message_id

STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_AT = 1614265330
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(STANDARD_AT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_BODY = b'{"test": 2432232314}'
GITHUB_SECRET = "It's a Secret to Everybody"
GITHUB = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
GITHUB_BODY = b"Hello, World!"
STRIPE_SECRET = "whsec_of_an_endpoint"
STRIPE_AT = 1492774577
STRIPE_BODY = b'{"id": "evt_1", "object": "event"}'


def fields(style, secret, **more):
    former = more.pop("former_secret", None)
    return WebhookSecretFields(style=style, secret=Secret(secret), former_secret=former and Secret(former), **more)


def by_openssl(secret: str, signed: bytes) -> str:
    """HMAC-SHA256 in hexadecimal, by a program that is not ours."""
    made = subprocess.run(["openssl", "dgst", "-sha256", "-hmac", secret], input=signed, capture_output=True, check=True)
    return made.stdout.decode().rpartition("= ")[2].strip()


def stripe(at=STRIPE_AT, body=STRIPE_BODY, secret=STRIPE_SECRET, scheme="v1"):
    return {"stripe-signature": f"t={at},{scheme}={by_openssl(secret, f'{at}.'.encode() + body)}"}


def test_the_published_vector_of_standard_webhooks():
    assert is_proved(fields("standard", STANDARD_SECRET), Letter(STANDARD, STANDARD_BODY, STANDARD_AT))
    assert message_id("standard", STANDARD, None) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_the_published_vector_of_github():
    assert is_proved(fields("github", GITHUB_SECRET), Letter(GITHUB, GITHUB_BODY, 0))
    assert GITHUB["x-hub-signature-256"] == f"sha256={by_openssl(GITHUB_SECRET, GITHUB_BODY)}"


def test_a_signature_of_stripe_as_openssl_makes_it():
    assert is_proved(fields("stripe", STRIPE_SECRET), Letter(stripe(), STRIPE_BODY, STRIPE_AT))
    assert message_id("stripe", stripe(), {"id": "evt_1"}) == "evt_1"
    assert message_id("stripe", stripe(), {"id": 1}) is message_id("stripe", stripe(), []) is None


@pytest.mark.parametrize("seconds", [-301, 301, 10**6])
def test_a_signature_that_is_too_old_or_too_young_proves_nothing(seconds):
    assert not is_proved(fields("standard", STANDARD_SECRET), Letter(STANDARD, STANDARD_BODY, STANDARD_AT + seconds))
    assert not is_proved(fields("stripe", STRIPE_SECRET), Letter(stripe(), STRIPE_BODY, STRIPE_AT + seconds))


@pytest.mark.parametrize("seconds", [-300, 300])
def test_the_tolerance_is_five_minutes_to_both_sides(seconds):
    assert is_proved(fields("standard", STANDARD_SECRET), Letter(STANDARD, STANDARD_BODY, STANDARD_AT + seconds))
    assert is_proved(fields("stripe", STRIPE_SECRET), Letter(stripe(), STRIPE_BODY, STRIPE_AT + seconds))
    assert not is_proved(fields("stripe", STRIPE_SECRET, tolerance_seconds=299), Letter(stripe(), STRIPE_BODY, STRIPE_AT + seconds))


ALTERED = [
    ({**STANDARD, "webhook-id": "msg_other"}, STANDARD_BODY),
    ({**STANDARD, "webhook-timestamp": str(STANDARD_AT + 1)}, STANDARD_BODY),
    ({**STANDARD, "webhook-timestamp": f"+{STANDARD_AT}"}, STANDARD_BODY),
    ({**STANDARD, "webhook-timestamp": "٣"}, STANDARD_BODY),
    ({**STANDARD, "webhook-signature": ""}, STANDARD_BODY),
    ({**STANDARD, "webhook-signature": STANDARD["webhook-signature"].replace("v1,", "v2,")}, STANDARD_BODY),
    ({**STANDARD, "webhook-signature": "v1,\u00e9"}, STANDARD_BODY),
    ({name: value for name, value in STANDARD.items() if name != "webhook-id"}, STANDARD_BODY),
    (STANDARD, STANDARD_BODY + b" "),
]


@pytest.mark.parametrize(("headers", "body"), ALTERED)
def test_what_was_altered_proves_nothing(headers, body):
    assert not is_proved(fields("standard", STANDARD_SECRET), Letter(headers, body, STANDARD_AT))


@pytest.mark.parametrize(
    "headers", [stripe(scheme="v0"), {"stripe-signature": f"{stripe()['stripe-signature']},t=1"}, {"stripe-signature": "t"}, {}]
)
def test_other_forms_of_a_stripe_signature_prove_nothing(headers):
    assert not is_proved(fields("stripe", STRIPE_SECRET), Letter(headers, STRIPE_BODY, STRIPE_AT))


def test_several_signatures_and_several_secrets_fit_where_one_pair_does():
    several = {**STANDARD, "webhook-signature": f"v1,{base64.b64encode(bytes(32)).decode()} v1a,x {STANDARD['webhook-signature']}"}
    newer = "whsec_" + base64.b64encode(b"another secret of the sender").decode()
    assert is_proved(fields("standard", newer, former_secret=STANDARD_SECRET), Letter(several, STANDARD_BODY, STANDARD_AT))
    assert not is_proved(fields("standard", newer), Letter(several, STANDARD_BODY, STANDARD_AT))
    rolled = {"stripe-signature": f"{stripe(secret='a former one')['stripe-signature']},{stripe()['stripe-signature'].partition(',')[2]}"}
    assert is_proved(fields("stripe", STRIPE_SECRET), Letter(rolled, STRIPE_BODY, STRIPE_AT))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"secret": "short"}, "8 characters"),
        ({"style": "standard", "secret": "whsec_ no base64"}, "base64"),
        ({"style": "basic", "secret": "long enough"}, "username"),
    ],
)
def test_a_secret_that_could_never_fit_is_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        WebhookSecretFields(**{"style": "bearer", **wrong, "secret": Secret(wrong["secret"])})
