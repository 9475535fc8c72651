"""One HTTP exchange of a node: the request, its redirects, the response within its limits, and errors with codes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from apps.core import depth
from apps.nodes import egress
from apps.nodes.contract import NodeFailure
from apps.nodes.credentials import Authentication, HeldCredential
from apps.nodes.egress import BlockedAddressError, Call
from apps.nodes.redaction import NO_SECRETS, Redactor

MAX_REDIRECTS = 3
_HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# What another origin may see of the headers of a request: none that could be a credential.
_SAFE_HEADERS = frozenset(("accept", "accept-encoding", "accept-language", "content-type", "user-agent", depth.HEADER))
_OF_CONTENT = frozenset(("content-type", "content-length", "transfer-encoding"))


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response; `content` is decompressed."""

    status: int
    reason: str
    headers: httpx2.Headers
    content: bytes


def exchange(
    request: httpx2.Request, *, call: Call, max_bytes: int, max_redirects: int = MAX_REDIRECTS, credential: HeldCredential | None = None
) -> Reply:
    """Send a request and read the response.

    credential   attached to what goes to the origin of the request, and to nothing after a redirect has left it

    Raises NodeFailure: timeout, connection_failed, blocked_address, response_too_large, bad_response, too_many_redirects, cancelled,
    and, with a credential, credential_not_allowed or what its own authentication raises.
    """
    authentication, origin = _authentication(request.url, credential, call), request.url.origin
    with _failing(request, call, credential.redactor if credential else NO_SECRETS), egress.calling(call):
        for _ in range(max_redirects + 1):
            reply, request = _hop(request, call, max_bytes, follows=max_redirects > 0, authentication=authentication)
            if reply is not None:
                if credential is not None and reply.status == httpx2.codes.UNAUTHORIZED:
                    credential.forget()
                return reply
            if request.url.origin != origin:
                authentication = None
    raise NodeFailure("too_many_redirects", f"Expected at most {max_redirects} redirects, found more.", url=shown_url(request.url))


def _authentication(url: httpx2.URL, credential: HeldCredential | None, call: Call) -> Authentication | None:
    if credential is None:
        return None
    if credential.authenticate is None:
        message = f"A credential of type {credential.type} says nothing to an HTTP server."
        raise NodeFailure("credential_not_allowed", message, is_final=True)
    if not credential.may_go_to(url):
        allowed = ", ".join(map(str, credential.allowed_hosts)) or "none"
        message = f"Credential '{credential.name}' may not be sent to {shown_url(url)}; its allowed hosts: {allowed}."
        raise NodeFailure("credential_not_allowed", message, is_final=True, url=shown_url(url))
    return credential.authenticate(call)


def _hop(
    request: httpx2.Request, call: Call, max_bytes: int, *, follows: bool, authentication: Authentication | None
) -> tuple[Reply | None, httpx2.Request]:
    sent = request if authentication is None else authentication.applied_to(request)
    sent.extensions["timeout"] = httpx2.Timeout(max(call.seconds_left, 0.001)).as_dict()
    response = egress.shared_transport().handle_request(sent)
    try:
        if follows and response.status_code in _REDIRECTS and "location" in response.headers:
            return None, _redirected(request, response)
        content = b"" if request.method == "HEAD" else _content(response, max_bytes)
        return Reply(response.status_code, response.reason_phrase, response.headers, content), request
    finally:
        response.close()


def _content(response: httpx2.Response, max_bytes: int) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():  # decompressed in bounded pieces, so that a bomb is noticed while it is small
        content += chunk
        if len(content) > max_bytes:
            raise NodeFailure("response_too_large", f"Expected a response of at most {max_bytes} bytes, found more.", is_final=True)
    return bytes(content)


def _redirected(request: httpx2.Request, response: httpx2.Response) -> httpx2.Request:
    url = request.url.join(response.headers["location"])
    if fault := url_fault(url):
        raise NodeFailure("bad_response", f"Redirected to where nodes do not go: {fault}", url=shown_url(url))
    if request.url.scheme == "https" and url.scheme == "http":
        raise NodeFailure("bad_response", "Redirected from https to http, which is not followed.", url=shown_url(url))
    turns_to_get = response.status_code == 303 or (response.status_code in (301, 302) and request.method == "POST")
    method = "GET" if turns_to_get and request.method != "HEAD" else request.method
    is_same_origin = url.origin == request.url.origin
    headers = {
        name: value
        for name, value in request.headers.items()
        if name != "host" and (is_same_origin or name in _SAFE_HEADERS) and not (turns_to_get and name in _OF_CONTENT)
    }
    return httpx2.Request(method, url, headers=headers, content=None if turns_to_get else request.content)


def url_fault(url: httpx2.URL) -> str | None:
    """Say why a node cannot call this URL, None when it can."""
    if url.scheme not in ("http", "https") or not url.host:
        return f"expected a URL that begins with http:// or https://, found '{shown_url(url)}'."
    if not _HOST.fullmatch(url.raw_host) or not 0 < (url.port or 80) <= 65_535:
        return f"expected a URL with the name or address of a host, and a port up to 65535, found '{shown_url(url)}'."
    if url.userinfo:
        return "expected a URL without user name and password; they belong into a header."
    return None


def shown_url(url: httpx2.URL) -> str:
    """A URL for messages: without its query, which may hold a secret."""
    return str(url.copy_with(query=None, fragment=None, username=None, password=None))


@contextmanager
def _failing(request: httpx2.Request, call: Call, redactor: Redactor) -> Iterator[None]:
    url = shown_url(request.url)
    what = f"{request.method} {url}"
    try:
        yield
    except BlockedAddressError as error:
        raise NodeFailure("blocked_address", str(error), is_final=True, url=url) from error
    except httpx2.HTTPError as error:
        if call.is_cancelled:
            raise NodeFailure("cancelled", f"{what} was cancelled.", is_final=True, url=url) from error
        if isinstance(error, httpx2.TimeoutException):
            raise NodeFailure("timeout", f"{what} took longer than its time limit.", url=url) from error
        if isinstance(error, httpx2.NetworkError) or call.saw_end:
            raise NodeFailure("connection_failed", f"{what}: the connection failed: {_sentence(error, redactor)}", url=url) from error
        if isinstance(error, httpx2.LocalProtocolError):
            raise NodeFailure("invalid_request", f"{what} cannot be sent: {_sentence(error, redactor)}", is_final=True, url=url) from error
        raise NodeFailure("bad_response", f"{what}: the response is not HTTP: {_sentence(error, redactor)}", url=url) from error
    except (httpx2.InvalidURL, httpx2.DecodingError) as error:
        raise NodeFailure("bad_response", f"{what}: {_sentence(error, redactor)}", url=url) from error


def _sentence(error: Exception, redactor: Redactor) -> str:
    text = redactor.text(" ".join(str(error).split())) or type(error).__name__
    return (text if len(text) <= 300 else text[:299] + "…").rstrip(".") + "."
