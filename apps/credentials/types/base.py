"""What a credential type is: a class with a name, a model of its fields, and what it can prove with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import httpcore2
import httpx2
from pydantic import BaseModel, ConfigDict, Field

from apps.engine.outcomes import Failed
from apps.nodes.contract import NodeFailure
from apps.nodes.credentials import Authentication, HeldCredential
from apps.nodes.egress import BlockedAddressError, Call, allowed_addresses
from apps.nodes.http_exchange import exchange, url_fault
from apps.nodes.secret import Secret

TEST_SECONDS = 10.0
MAX_TEST_BYTES = 1024 * 1024


class Fields(BaseModel):
    """Base of the fields of a type: a field of type `Secret` is sealed, the others are shown. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True, strict=True)


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test came to; the message is a sentence without secrets."""

    is_ok: bool
    message: str


FieldsT = TypeVar("FieldsT", bound=Fields)


class CredentialType(Generic[FieldsT]):
    """A kind of credential. The first line of the docstring is its description in the editor.

    name           stable for ever
    is_for_http    it proves who asks to HTTP servers, at its `allowed_hosts`: such a credential must have some
    destinations   fields that say where secrets go; who changes one, or adds an allowed host, has to give the secrets anew
    """

    name: ClassVar[str]
    title: ClassVar[str]
    icon: ClassVar[str] = "key"
    is_for_http: ClassVar[bool] = False
    destinations: ClassVar[frozenset[str]] = frozenset()
    Fields: ClassVar[type[Fields]]

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the fields, for a form; secret ones have `format: password` and `writeOnly`."""
        return self.Fields.model_json_schema()

    @cached_property
    def secret_names(self) -> frozenset[str]:
        """Names of the fields that are sealed."""
        return frozenset(name for name, field in self.Fields.model_fields.items() if field.annotation in (Secret, Secret | None))

    def is_secret(self, name: str) -> bool:
        return name in self.secret_names

    def authenticate(self, fields: FieldsT, call: Call) -> Authentication:
        """What proves who asks; within the time of the call. Raises NodeFailure. Only for types with `is_for_http`."""
        raise NotImplementedError

    def forget(self, fields: FieldsT) -> None:
        """The other side refused the proof: drop what was kept of it."""

    def test(self, fields: FieldsT, held: HeldCredential) -> Tested:
        """Try it out. Raises NodeFailure where that says why it does not work."""
        raise NotImplementedError


class HttpFields(Fields):
    test_url: Annotated[str, Field(max_length=2000)] | None = Field(default=None, title="Test URL")
    """An address at an allowed host that answers 2xx to whoever has the right credential; the test asks it."""


HttpFieldsT = TypeVar("HttpFieldsT", bound=HttpFields)


class HttpCredentialType(CredentialType[HttpFieldsT], Generic[HttpFieldsT]):
    """Base of the types that prove who asks to HTTP servers."""

    is_for_http = True

    def test(self, fields: HttpFieldsT, held: HeldCredential) -> Tested:
        if fields.test_url is None:
            return Tested(False, "There is nothing to test it with: give it a test_url.")
        return ask(fields.test_url, held)


def ask(address: str, held: HeldCredential) -> Tested:
    """Send a GET with the credential; good is what answers 2xx. Raises NodeFailure."""
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        return Tested(False, f"The test_url is no URL: {error}.")
    if fault := url_fault(url):
        return Tested(False, f"The test_url: {fault}")
    request = httpx2.Request("GET", url, headers={"accept-encoding": "gzip, deflate", "user-agent": "StructForge"})
    reply = exchange(request, call=Call(TEST_SECONDS), max_bytes=MAX_TEST_BYTES, credential=held)
    return Tested(200 <= reply.status < 300, f"{url.host} answered {reply.status} {reply.reason}.".replace(" .", "."))


def reachable_address(host: str, port: int) -> str:
    """An address of a name that may be called. Raises NodeFailure."""
    try:
        return allowed_addresses(host, port, TEST_SECONDS)[0]
    except BlockedAddressError as error:
        raise NodeFailure("blocked_address", str(error), is_final=True) from error
    except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
        raise NodeFailure("connection_failed", str(error)) from error


def tested(test: Callable[[], Tested]) -> Tested:
    """What a test came to, a failure included."""
    try:
        return test()
    except NodeFailure as failure:
        outcome: Failed = failure.outcome
        return Tested(False, outcome.error.message)


_registered: dict[str, CredentialType[Any]] = {}


def register(credential_type: type[CredentialType[Any]]) -> type[CredentialType[Any]]:
    """Class decorator: make a credential type known under its name."""
    _registered[credential_type.name] = credential_type()
    return credential_type


def registered() -> Mapping[str, CredentialType[Any]]:
    """{name: credential type}, sorted by name."""
    return dict(sorted(_registered.items()))
