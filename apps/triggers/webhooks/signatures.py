"""Whether a request was made by somebody who knows a secret: the six styles of `webhook_secret`. No clock and no database.

Sources: Standard Webhooks 1.0, https://www.standardwebhooks.com; GitHub, "Validating webhook deliveries"; Stripe, "Verify webhook
signatures manually"; RFC 7617 and RFC 6750 for user name and password, and for tokens.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from apps.credentials.types.webhook import STANDARD_PREFIX, WebhookSecretFields

MAX_SIGNATURES = 20  # of one request


@dataclass(frozen=True, slots=True)
class Letter:
    """A request, as far as it proves something.

    headers   {name in small letters: value}
    now       seconds since 1970, on the database's clock
    """

    headers: Mapping[str, str]
    body: bytes
    now: float

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")


def is_proved(fields: WebhookSecretFields, letter: Letter) -> bool:
    """Whether the sender knows the secret, or the former one, and signed just now. Compares in constant time."""
    secrets = [secret.reveal() for secret in (fields.secret, fields.former_secret) if secret is not None]
    return _STYLES[fields.style](fields, letter, secrets)


def secret_headers(fields: WebhookSecretFields | None) -> frozenset[str]:
    """Headers that hold a secret, and are kept nowhere."""
    own = {fields.header.lower()} if fields is not None and fields.style == "header" else set()
    return frozenset({"authorization", "proxy-authorization", "cookie", *own})


def message_id(style: str, headers: Mapping[str, str], body: object) -> str | None:
    """What tells one message of this style from another; None where the style, or the message, has nothing of the kind."""
    if style == "standard":
        return headers.get("webhook-id")
    if style == "github":
        return headers.get("x-github-delivery")
    if style == "stripe" and isinstance(body, Mapping):
        return found if isinstance(found := body.get("id"), str) else None
    return None


def _basic(fields: WebhookSecretFields, letter: Letter, secrets: Iterable[str]) -> bool:
    expected = (base64.b64encode(f"{fields.username}:{secret}".encode()).decode() for secret in secrets)
    scheme, _, given = letter.header("authorization").partition(" ")
    return _is_one_of(given.strip(), expected) and scheme.lower() == "basic"


def _bearer(fields: WebhookSecretFields, letter: Letter, secrets: Iterable[str]) -> bool:
    scheme, _, given = letter.header("authorization").partition(" ")
    return _is_one_of(given.strip(), secrets) and scheme.lower() == "bearer"


def _header(fields: WebhookSecretFields, letter: Letter, secrets: Iterable[str]) -> bool:
    return _is_one_of(letter.header(fields.header), secrets)


def _standard(fields: WebhookSecretFields, letter: Letter, secrets: Iterable[str]) -> bool:
    sent_id, sent_at = letter.header("webhook-id"), letter.header("webhook-timestamp")
    if not sent_id or not _is_now(sent_at, letter.now, fields.tolerance_seconds):
        return False
    signed = b".".join((sent_id.encode(), sent_at.encode(), letter.body))
    expected = [base64.b64encode(_hmac(key, signed)).decode() for secret in secrets if (key := _standard_key(secret)) is not None]
    given = [text.removeprefix("v1,") for text in letter.header("webhook-signature").split() if text.startswith("v1,")]
    return _is_any(given, expected)


def _github(fields: WebhookSecretFields, letter: Letter, secrets: Iterable[str]) -> bool:
    expected = [f"sha256={_hmac(secret.encode(), letter.body).hex()}" for secret in secrets]
    return _is_one_of(letter.header("x-hub-signature-256").lower(), expected)


def _stripe(fields: WebhookSecretFields, letter: Letter, secrets: Iterable[str]) -> bool:
    parts = [part.strip().partition("=")[::2] for part in letter.header("stripe-signature").split(",")]
    times = [value for name, value in parts if name == "t"]
    if len(times) != 1 or not _is_now(times[0], letter.now, fields.tolerance_seconds):
        return False
    expected = [_hmac(secret.encode(), times[0].encode() + b"." + letter.body).hex() for secret in secrets]
    return _is_any([value for name, value in parts if name == "v1"], expected)


_STYLES: Mapping[str, Callable[[WebhookSecretFields, Letter, list[str]], bool]] = {
    "basic": _basic,
    "bearer": _bearer,
    "header": _header,
    "standard": _standard,
    "github": _github,
    "stripe": _stripe,
}


def _standard_key(secret: str) -> bytes | None:
    try:
        return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_now(text: str, now: float, tolerance_seconds: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16 and abs(now - int(text)) <= tolerance_seconds


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _is_any(given: list[str], expected: list[str]) -> bool:
    return sum(_is_one_of(one, expected) for one in given[:MAX_SIGNATURES]) > 0


def _is_one_of(given: str, expected: Iterable[str]) -> bool:
    """Compared with all of them, in a time that tells nothing of where they differ."""
    text = given.encode("utf-8", "surrogateescape")
    return sum(hmac.compare_digest(text, one.encode()) for one in expected) > 0  # not `any`: all of them are compared
