"""Credentials that stand in an HTTP request as they are."""

import base64
import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from apps.core import depth
from apps.credentials.types.base import HttpCredentialType, HttpFields, register
from apps.nodes.credentials import Authentication
from apps.nodes.egress import Call
from apps.nodes.secret import Secret

_LINE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_BUILT_BY_US = frozenset(("connection", "content-length", "host", "transfer-encoding", depth.HEADER))


def _one_line(secret: Secret) -> Secret:
    if not _LINE.fullmatch(secret.reveal()):
        raise ValueError("Expected ASCII on one line, without spaces around it.")
    return secret


def _name(name: str) -> str:
    if name.lower() in _BUILT_BY_US:
        raise ValueError(f"Expected a name other than {', '.join(sorted(_BUILT_BY_US))}, found '{name}'.")
    return name


Line = Annotated[Secret, AfterValidator(_one_line)]


class ApiKeyFields(HttpFields):
    placement: Literal["header", "query"] = Field(default="header", title="Where")
    """Whether the key is a header or a parameter in the address."""
    name: Annotated[str, Field(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$"), AfterValidator(_name)] = Field(
        default="X-API-Key", title="Name"
    )
    """Name of the header or parameter."""
    value: Line = Field(title="Key")
    """The key itself."""


@register
class ApiKey(HttpCredentialType[ApiKeyFields]):
    """A key that stands in a header or in the address."""

    name = "api_key"
    title = "API key"
    Fields: ClassVar = ApiKeyFields

    def authenticate(self, fields: ApiKeyFields, call: Call) -> Authentication:
        if fields.placement == "query":
            return Authentication(query={fields.name: fields.value})
        return Authentication(headers={fields.name: fields.value})


class BasicFields(HttpFields):
    username: str = Field(title="User name", max_length=256, pattern=r"^[^:\x00-\x1f\x7f]*$")
    """Without a colon, which would end it."""
    password: Secret = Field(title="Password")
    """The password; UTF-8 where it is not ASCII."""


@register
class Basic(HttpCredentialType[BasicFields]):
    """User name and password, by HTTP's Basic authentication."""

    name = "basic"
    title = "User name and password"
    icon = "person"
    Fields: ClassVar = BasicFields

    def authenticate(self, fields: BasicFields, call: Call) -> Authentication:
        return Authentication(headers={"authorization": basic(fields.username, fields.password)})


def basic(username: str, password: Secret) -> Secret:
    """The value of an Authorization header.

    Source: RFC 7617.
    """
    return Secret("Basic " + base64.b64encode(f"{username}:{password.reveal()}".encode()).decode())


class BearerFields(HttpFields):
    token: Line = Field(title="Token")
    """What stands after `Bearer` in the Authorization header."""


@register
class Bearer(HttpCredentialType[BearerFields]):
    """A token in the Authorization header."""

    name = "bearer"
    title = "Bearer token"
    icon = "token"
    Fields: ClassVar = BearerFields

    def authenticate(self, fields: BearerFields, call: Call) -> Authentication:
        return Authentication(headers={"authorization": Secret(f"Bearer {fields.token.reveal()}")})
