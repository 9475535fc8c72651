"""HTTP requests."""

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, ClassVar, Literal

import httpx2
from django.utils import timezone
from pydantic import AfterValidator, Field

from apps.core import depth
from apps.engine.json_values import InvalidJsonError, loads
from apps.engine.outcomes import Failed, NodeError, Outcome, Succeeded
from apps.engine.pointers import pointer_to
from apps.nodes.contract import Effect, NodeConfig, NodeFailure, NodeType, RunContext, is_constant
from apps.nodes.credentials import DEFAULT_SLOT, CredentialSlot
from apps.nodes.egress import Call
from apps.nodes.http_exchange import MAX_REDIRECTS, Reply, exchange, shown_url, url_fault
from apps.nodes.redaction import Redactor
from apps.nodes.registry import register

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
MAX_RETRY_AFTER_SECONDS = 86_400.0
EXCERPT_LENGTH = 2_000
_BUILT_BY_US = frozenset(("connection", "content-length", "host", "transfer-encoding"))
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
# Python knows codecs that take quadratic time, or do more than decode: the other side does not choose among all of them.
_CHARSET = re.compile(
    r"utf-?(8|16|32)|(us-)?ascii|(iso-8859|latin)-?\d+|(windows-|cp)125\d|gb(k|2312|18030)|big5|euc-(jp|kr)|shift_jis|koi8-[ru]"
)
_CONTENT_TYPES = {"json": "application/json", "text": "text/plain; charset=utf-8", "form": "application/x-www-form-urlencoded"}

Scalar = str | int | float | bool | None
Status = int | Annotated[str, Field(pattern=r"^[1-5](xx|[0-9][0-9])$")]


def _headers(headers: dict[str, Any]) -> dict[str, Any]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _BUILT_BY_US:
            raise ValueError(f"Expected a header name other than {', '.join(sorted(_BUILT_BY_US))}, found '{name}'.")
        if isinstance(value, str) and not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"Expected a value of header '{name}' in ASCII and on one line, found another.")
    return headers


class HttpRequestConfig(NodeConfig):
    url: str = Field(title="URL", min_length=1, max_length=8000)
    """Where to send the request: http or https, without user name and password."""

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = Field(default="GET", title="Method")
    """What to do there."""

    query: dict[str, Scalar | list[Scalar]] = Field(default={}, title="Query")
    """Parameters that are added to the URL; an array gives one several times."""

    headers: Annotated[dict[str, str | int | float], AfterValidator(_headers)] = Field(default={}, title="Headers")
    """Headers of the request. A secret belongs into a credential. On a redirect to another origin all are left out that could be one."""

    body: Any = Field(default=None, title="Body")
    """The body: any JSON value for `json`, an object for `form`, a text for `text`; null sends none."""

    body_format: Literal["json", "form", "text"] = Field(default="json", title="Body format")
    """How the body is written, and which Content-Type it gets if the headers name none."""

    response_format: Literal["auto", "json", "text", "base64"] = Field(default="auto", title="Response format")
    """How the response is read: by its Content-Type, or always as JSON, text or base64."""

    expected: list[Status] = Field(default=["2xx"], title="Expected statuses", min_length=1)
    """Statuses that count as success, such as 204 or `2xx`. Any other fails the node with `http_status`."""

    retryable: list[Status] = Field(default=[408, 425, 429, "5xx"], title="Retryable statuses")
    """Statuses after which another attempt may help, if the node has a retry policy. The others fail at once."""

    timeout_seconds: float = Field(default=30, title="Timeout in seconds", gt=0, le=3600)
    """For the whole of it: name, connection, redirects and response."""

    max_response_mb: int = Field(default=10, title="Largest response in MB", ge=1, le=50)
    """A longer response is cut off, and fails the node with `response_too_large`."""

    follow_redirects: bool = Field(default=True, title="Follow redirects")
    """Follow up to three redirects, each checked like the first address."""

    idempotent: bool = Field(default=False, title="Safe to repeat")
    """The other side takes a repeated request for one, by its Idempotency-Key or by its nature: then it is repeated after a crash."""

    send_idempotency_key: bool = Field(default=True, title="Send Idempotency-Key")
    """Send a header that is the same for every attempt of this node run (not with GET, HEAD and OPTIONS)."""


@register
class HttpRequest(NodeType[HttpRequestConfig]):
    """Send an HTTP request; the output is {"status": int, "headers": {name: text}, "body": any}.

    The body is JSON, text, or base64 text beside "encoding": "base64"; null when there is none.
    Only public addresses are called, and those that the operator allows. A credential of the node is attached to the request where its
    allowed hosts name the host, and is left behind by a redirect to another origin. Each request says in the
    header X-StructForge-Depth how many executions led to it, so that workflows that call themselves over HTTP come to an end.
    """

    name = "http.request"
    title = "HTTP request"
    category = "integration"
    icon = "globe"
    effect = Effect.EXTERNAL
    credentials: ClassVar = {DEFAULT_SLOT: CredentialSlot(types=("api_key", "basic", "bearer", "oauth2_client_credentials"))}
    errors: ClassVar = {
        "http_status": "the response has a status that is not expected; `details.status` says which",
        "timeout": "it took longer than the time limit",
        "connection_failed": "no connection, or it broke",
        "blocked_address": "the address is not public, and the operator does not allow it",
        "response_too_large": "the response is longer than allowed",
        "bad_response": "the response is not HTTP, not of the format asked for, or redirects to where nodes do not go",
        "too_many_redirects": "more than three redirects",
        "invalid_request": "the request cannot be written as HTTP",
        "credential_unavailable": "the credential is gone, may not be used here any more, has expired, or cannot be opened",
        "credential_not_allowed": "the credential may not be sent to this host",
        "token_refused": "the token server of the credential gave no token",
    }
    example: ClassVar = {
        "method": "POST",
        "url": "https://api.example.com/orders",
        "headers": {"Accept": "application/json"},
        "body": {"id": "${input.id}", "total": "${input.total}"},
        "timeout_seconds": 10,
    }
    Config: ClassVar = HttpRequestConfig

    def effect_of(self, config: Mapping[str, Any]) -> Effect:
        is_repeatable = config.get("method", "GET") in SAFE_METHODS or config.get("idempotent") is True
        return Effect.IDEMPOTENT if is_repeatable else Effect.EXTERNAL

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        return list(_faults(config))

    def run(self, config: HttpRequestConfig, context: RunContext) -> Outcome:
        faults = list(_faults(config.model_dump(exclude_unset=True)))
        if faults:
            return Failed(NodeError("invalid_config", faults[0][1], {"pointer": faults[0][0]}), is_final=True)
        seconds = min(config.timeout_seconds, context.timeout_seconds or config.timeout_seconds)
        call = Call(seconds)
        context.on_cancel(call.cancel)
        reply = exchange(
            _request(config, context),
            call=call,
            max_bytes=config.max_response_mb * 1024 * 1024,
            max_redirects=MAX_REDIRECTS if config.follow_redirects else 0,
            credential=context.credential(),
        )
        return _outcome(config, reply, context.redactor)


def _faults(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if is_constant(config["url"]):
        try:
            if fault := url_fault(httpx2.URL(config["url"])):
                yield "/url", fault[:1].upper() + fault[1:]
        except httpx2.InvalidURL as error:
            yield "/url", f"Expected a URL, found none: {error}"
    body, body_format = config.get("body"), config.get("body_format", "json")
    if isinstance(body, str) and not is_constant(body):
        return
    if body_format == "text" and not isinstance(body, str | None):
        yield "/body", f"Expected a text for body_format 'text', found {type(body).__name__}."
    if body_format == "form" and not isinstance(body, Mapping | None):
        yield "/body", f"Expected an object for body_format 'form', found {type(body).__name__}."
    if body_format == "form" and isinstance(body, Mapping):
        for name, value in body.items():
            if isinstance(value, Mapping):
                yield pointer_to("body", name), "Expected a text, number or array in a form, found an object."


def _request(config: HttpRequestConfig, context: RunContext) -> httpx2.Request:
    headers = {"accept-encoding": "gzip, deflate", "user-agent": "StructForge"}
    if config.send_idempotency_key and config.method not in SAFE_METHODS and context.idempotency_key:
        headers["idempotency-key"] = context.idempotency_key
    if config.body is not None:
        headers["content-type"] = _CONTENT_TYPES[config.body_format]
    headers |= {name.lower(): str(value) for name, value in config.headers.items()}
    headers[depth.HEADER] = str(context.depth + 1)  # whatever the node says: a loop must not begin anew at each turn
    url = httpx2.URL(config.url).copy_merge_params(config.query)
    match config.body_format:
        case "json" if config.body is not None:
            return httpx2.Request(config.method, url, headers=headers, json=config.body)
        case "form" if config.body is not None:
            return httpx2.Request(config.method, url, headers=headers, data=config.body)
    return httpx2.Request(config.method, url, headers=headers, content=config.body)


def _outcome(config: HttpRequestConfig, reply: Reply, redactor: Redactor) -> Outcome:
    if _is_among(reply.status, config.expected):
        return Succeeded({"status": reply.status, "headers": dict(reply.headers), **_body(config, reply)})
    # First without secrets, then short: a secret that the cut went through would not be found.
    body = (
        redactor.text(reply.content.decode(errors="replace")) if redactor else reply.content[: EXCERPT_LENGTH * 4].decode(errors="replace")
    )
    excerpt = body.replace("\0", "\ufffd")[:EXCERPT_LENGTH]
    url = shown_url(httpx2.URL(config.url))
    error = NodeError(
        "http_status",
        f"{config.method} {url} answered {reply.status} {reply.reason}, expected {', '.join(map(str, config.expected))}.".replace(
            " ,", ","
        ),
        {"status": reply.status, "url": url, "body": excerpt},
        _retry_after(reply.headers.get("retry-after")),
    )
    return Failed(error, is_final=not _is_among(reply.status, config.retryable))


def _is_among(status: int, statuses: list[Status]) -> bool:
    return any(str(each).replace("xx", "") == str(status)[: 1 if str(each).endswith("xx") else 3] for each in statuses)


def _retry_after(header: str | None) -> float | None:
    """Seconds that the other side asks us to wait: "120", or an HTTP date."""
    if header is None:
        return None
    try:
        seconds = float(header) if header.strip().isdigit() else (_instant(header) - timezone.now()).total_seconds()
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _instant(header: str) -> Any:
    instant = parsedate_to_datetime(header)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _body(config: HttpRequestConfig, reply: Reply) -> dict[str, Any]:
    if not reply.content:
        return {"body": None}
    content_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = content_type == "application/json" or content_type.endswith("+json")
    if config.response_format == "json" or (config.response_format == "auto" and is_json):
        return {"body": _json(reply)}
    if config.response_format != "base64" and (text := _text(reply)) is not None:
        return {"body": text}
    if config.response_format == "text":
        raise NodeFailure("bad_response", "Expected a text as response, found bytes that are none in the encoding that it names.")
    return {"body": base64.b64encode(reply.content).decode(), "encoding": "base64"}


def _json(reply: Reply) -> Any:
    try:
        return loads(reply.content, max_bytes=len(reply.content))
    except InvalidJsonError as error:
        raise NodeFailure("bad_response", f"Expected JSON as response: {error.message}", status=reply.status) from error


def _text(reply: Reply) -> str | None:
    named = re.search(r"charset=\"?([\w.:-]+)", reply.headers.get("content-type", ""), re.IGNORECASE)
    charset = named[1].lower() if named else "utf-8"
    if not _CHARSET.fullmatch(charset):
        return None
    try:
        text = reply.content.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return None
    return None if "\0" in text else text
