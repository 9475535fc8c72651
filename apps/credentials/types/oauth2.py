"""OAuth 2.0 for programs: a token fetched with id and secret of a client, and kept until it expires."""

import hashlib
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote_plus

import httpx2
from pydantic import AfterValidator, Field

from apps.credentials.types.base import HttpCredentialType, HttpFields, Tested, ask, register
from apps.credentials.types.http import Line, basic
from apps.engine.json_values import InvalidJsonError, loads
from apps.nodes.contract import NodeFailure
from apps.nodes.credentials import Authentication, HeldCredential
from apps.nodes.egress import Call
from apps.nodes.http_exchange import Reply, exchange, shown_url, url_fault
from apps.nodes.secret import Secret

MAX_TOKENS = 1000
MAX_ANSWER_BYTES = 256 * 1024
# A token that is about to expire may be refused by the time it arrives.
EARLIER_SECONDS = 30.0
# Where the server does not say how long its token is good.
ASSUMED_SECONDS = 300.0
LONGEST_SECONDS = 24 * 3600.0


def _token_url(text: str) -> str:
    try:
        url = httpx2.URL(text)
        fault = url_fault(url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"Expected a URL, found none: {error}.") from None
    if fault or url.fragment:
        raise ValueError(f"E{fault[1:]}" if fault else "Expected a URL without a fragment.")
    return text


class ClientCredentialsFields(HttpFields):
    token_url: Annotated[str, Field(max_length=2000), AfterValidator(_token_url)] = Field(title="Token URL")
    """Where tokens are given out."""
    client_id: str = Field(title="Client id", min_length=1, max_length=512, pattern=r"^[\x20-\x7e]+$")
    """Name of the client at that server."""
    client_secret: Line = Field(title="Client secret")
    """Its secret."""
    scopes: tuple[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,256}$")], ...] = Field(
        default=(), title="Scopes", max_length=100, strict=False
    )
    """What the token is to allow."""
    audience: str | None = Field(default=None, title="Audience", max_length=512)
    """For whom the token is, where the server wants to know."""
    client_authentication: Literal["basic", "body"] = Field(default="basic", title="How the client logs in")
    """By HTTP's Basic authentication, or by fields in the body."""


@register
class ClientCredentials(HttpCredentialType[ClientCredentialsFields]):
    """OAuth 2.0 with client id and secret; tokens are fetched when they are needed and kept until they expire."""

    name = "oauth2_client_credentials"
    title = "OAuth 2.0 client credentials"
    icon = "verified_user"
    destinations = frozenset(("token_url",))
    Fields: ClassVar = ClientCredentialsFields

    def authenticate(self, fields: ClientCredentialsFields, call: Call) -> Authentication:
        return Authentication(headers={"authorization": Secret(f"Bearer {_tokens.get(fields, call).reveal()}")})

    def forget(self, fields: ClientCredentialsFields) -> None:
        _tokens.forget(fields)

    def test(self, fields: ClientCredentialsFields, held: HeldCredential) -> Tested:
        if fields.test_url is not None:
            return ask(fields.test_url, held)
        _tokens.forget(fields)
        _tokens.get(fields, Call(10.0))
        return Tested(True, "The token server gave a token.")


@dataclass(frozen=True, slots=True)
class _Token:
    value: Secret
    good_until: float


class _Tokens:
    """Tokens of this process by what they were asked with, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, _Token] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, fields: ClientCredentialsFields, call: Call) -> Secret:
        key = _key(fields)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and time.monotonic() < kept.good_until:
                self._kept.move_to_end(key)
                return kept.value
        token = _fetch(fields, call)
        with self._lock:
            self._kept[key] = token
            while len(self._kept) > MAX_TOKENS:
                self._kept.popitem(last=False)
        return token.value

    def forget(self, fields: ClientCredentialsFields) -> None:
        with self._lock:
            self._kept.pop(_key(fields), None)


_tokens = _Tokens()


def _start_empty() -> None:
    global _tokens  # noqa: PLW0603  # a fork may have happened while another thread held the lock
    _tokens = _Tokens()


os.register_at_fork(after_in_child=_start_empty)


def _key(fields: ClientCredentialsFields) -> bytes:
    """The same for the same client at the same server with the same secret, and for nothing else."""
    parts = (fields.token_url, fields.client_id, fields.client_secret.reveal(), " ".join(fields.scopes), fields.audience or "")
    return hashlib.sha256("\0".join((*parts, fields.client_authentication)).encode()).digest()


def _fetch(fields: ClientCredentialsFields, call: Call) -> _Token:
    """Ask for a token. Raises NodeFailure.

    Source: RFC 6749 §4.4.
    """
    began = time.monotonic()
    reply = exchange(_request(fields), call=call, max_bytes=MAX_ANSWER_BYTES, max_redirects=0)
    answer = _answer(reply)
    value, seconds = answer.get("access_token"), answer.get("expires_in")
    if reply.status != httpx2.codes.OK or not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
        raise _refused(fields, reply, answer)
    seconds = float(seconds) if isinstance(seconds, int | float) and not isinstance(seconds, bool) else ASSUMED_SECONDS
    return _Token(Secret(value), began + min(seconds, LONGEST_SECONDS) - EARLIER_SECONDS)


def _request(fields: ClientCredentialsFields) -> httpx2.Request:
    headers = {"accept": "application/json", "accept-encoding": "gzip, deflate", "user-agent": "StructForge"}
    form = {"grant_type": "client_credentials"}
    if fields.scopes:
        form["scope"] = " ".join(fields.scopes)
    if fields.audience:
        form["audience"] = fields.audience
    if fields.client_authentication == "basic":
        secret = Secret(quote_plus(fields.client_secret.reveal()))
        headers["authorization"] = basic(quote_plus(fields.client_id), secret).reveal()
    else:
        form |= {"client_id": fields.client_id, "client_secret": fields.client_secret.reveal()}
    return httpx2.Request("POST", fields.token_url, headers=headers, data=form)


def _answer(reply: Reply) -> dict[str, Any]:
    try:
        answer = loads(reply.content, max_bytes=MAX_ANSWER_BYTES)
    except InvalidJsonError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _refused(fields: ClientCredentialsFields, reply: Reply, answer: dict[str, Any]) -> NodeFailure:
    """Only the error code of the answer is shown: the rest is the other side's, and may hold what was sent."""
    error = answer.get("error")
    said = f", error '{error}'" if isinstance(error, str) and error.isidentifier() and len(error) <= 64 else ""
    where = shown_url(httpx2.URL(fields.token_url))
    message = f"The token server {where} gave no token: it answered {reply.status}{said}."
    return NodeFailure("token_refused", message, is_final=400 <= reply.status < 500 and reply.status != 429, status=reply.status)
