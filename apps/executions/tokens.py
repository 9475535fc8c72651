"""The addresses that wake node runs: signed, and without a row of their own."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from django.core import signing

from apps.core.redaction import RESUME_TOKEN_PREFIX
from apps.engine.errors import NotFoundError

_SALT = "structforge.resume"
_UUID_BYTES = 16
MAX_TOKEN_LENGTH = 400


class ResumeTokenNotFoundError(NotFoundError):
    """No node run has such an address, or somebody changed it."""

    code = "resume_token_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such address to resume by.")


@dataclass(frozen=True, slots=True)
class Place:
    """Which node run of which execution."""

    execution_id: UUID
    key: str
    path: str


def resume_token(place: Place) -> str:
    """The token of a node run: the same for all of its attempts."""
    content = urlsafe_b64encode(place.execution_id.bytes + f"{place.key}/{place.path}".encode()).decode().rstrip("=")
    return RESUME_TOKEN_PREFIX + _signer().sign(content)


def read_token(token: str) -> Place:
    """The node run of a token. Raises ResumeTokenNotFoundError where we have not signed it."""
    try:
        if len(token) > MAX_TOKEN_LENGTH or not token.startswith(RESUME_TOKEN_PREFIX):
            raise ResumeTokenNotFoundError
        content = _signer().unsign(token.removeprefix(RESUME_TOKEN_PREFIX))
    except signing.BadSignature as error:
        raise ResumeTokenNotFoundError from error
    raw = urlsafe_b64decode(content + "=" * (-len(content) % 4))
    key, _, path = raw[_UUID_BYTES:].decode().partition("/")
    return Place(UUID(bytes=raw[:_UUID_BYTES]), key, path)


def _signer() -> signing.Signer:
    return signing.Signer(sep=".", salt=_SALT)
