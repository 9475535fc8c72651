"""What a node gets to know of a credential: the worker opens it and hands it over; the HTTP client attaches it where it belongs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from apps.nodes.egress import Call
from apps.nodes.host_patterns import HostPattern
from apps.nodes.redaction import Redactor
from apps.nodes.secret import Secret

DEFAULT_SLOT = "default"


@dataclass(frozen=True, slots=True)
class CredentialSlot:
    """A place of a node type for a credential.

    types         names of the credential types that fit
    is_required   a definition without one is refused
    """

    types: tuple[str, ...]
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Authentication:
    """What proves to the other side who asks: headers and parameters of a request."""

    headers: Mapping[str, Secret] = field(default_factory=dict)
    query: Mapping[str, Secret] = field(default_factory=dict)

    def applied_to(self, request: httpx2.Request) -> httpx2.Request:
        """A copy of the request that carries it."""
        headers = httpx2.Headers(request.headers)
        headers.update({name: value.reveal() for name, value in self.headers.items()})
        query = {name: value.reveal() for name, value in self.query.items()}
        url = request.url.copy_merge_params(query) if query else request.url
        return httpx2.Request(request.method, url, headers=headers, content=request.content)


@dataclass(frozen=True, slots=True, eq=False)
class HeldCredential:
    """A credential that is open for one node run.

    fields          {name: value}; the secret ones are `Secret`
    allowed_hosts   where it may be sent
    redactor        knows its secrets, and those made from them
    authenticate    makes the proof for an HTTP request, within the time of the call; None where the type has none for HTTP.
                    Raises NodeFailure when a token cannot be had
    forget          called when the other side refused the proof: one that was kept is dropped
    """

    id: str
    name: str
    type: str
    fields: Mapping[str, Any]
    allowed_hosts: tuple[HostPattern, ...]
    redactor: Redactor
    authenticate: Callable[[Call], Authentication] | None = None
    forget: Callable[[], None] = lambda: None

    def may_go_to(self, url: httpx2.URL) -> bool:
        """Whether the host of this URL, as it is connected to, is one of those allowed."""
        port = url.port or {"https": 443, "http": 80}.get(url.scheme, 0)
        host = url.raw_host.decode("ascii")
        return not url.userinfo and any(pattern.matches(url.scheme, host, port) for pattern in self.allowed_hosts)
