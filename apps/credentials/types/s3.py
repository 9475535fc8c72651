"""Object stores."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Annotated, ClassVar
from urllib.parse import quote

import httpx2
from pydantic import AfterValidator, Field

from apps.credentials.types.base import MAX_TEST_BYTES, TEST_SECONDS, CredentialType, Fields, Tested, register
from apps.nodes.credentials import HeldCredential
from apps.nodes.egress import Call
from apps.nodes.http_exchange import exchange, url_fault
from apps.nodes.secret import Secret

_ALGORITHM = "AWS4-HMAC-SHA256"
_NO_BODY = hashlib.sha256(b"").hexdigest()


def _endpoint(text: str) -> str:
    try:
        url = httpx2.URL(text)
        fault = url_fault(url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"Expected a URL, found none: {error}.") from None
    if fault or url.query or url.fragment or url.path != "/":
        raise ValueError(f"E{fault[1:]}" if fault else "Expected a URL without a path.")
    return text.rstrip("/")


class S3Fields(Fields):
    endpoint_url: Annotated[str, Field(max_length=2000), AfterValidator(_endpoint)] | None = Field(default=None, title="Endpoint")
    """Address of the store; without it, that of Amazon in the region."""
    region: str = Field(default="us-east-1", title="Region", pattern=r"^[a-z0-9-]{1,64}$")
    """Where the store is."""
    bucket: str = Field(title="Bucket", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """Where objects are kept."""
    access_key_id: str = Field(title="Access key id", pattern=r"^[\x21-\x7e]{1,128}$")
    """Name of the key."""
    secret_access_key: Secret = Field(title="Secret access key")
    """The key, which signs requests and is never sent."""
    session_token: Secret | None = Field(default=None, title="Session token")
    """Goes with keys that are given for a while."""


@register
class S3(CredentialType[S3Fields]):
    """A bucket of Amazon S3, or of a store that speaks like it."""

    name = "s3"
    title = "S3 bucket"
    icon = "inventory_2"
    destinations = frozenset(("endpoint_url", "region"))
    Fields: ClassVar = S3Fields

    def test(self, fields: S3Fields, held: HeldCredential) -> Tested:
        endpoint = fields.endpoint_url or f"https://s3.{fields.region}.amazonaws.com"
        url = httpx2.URL(f"{endpoint}/{quote(fields.bucket)}?list-type=2&max-keys=1")
        request = httpx2.Request("GET", url, headers=signed(fields, url, datetime.now(UTC)))
        reply = exchange(request, call=Call(TEST_SECONDS), max_bytes=MAX_TEST_BYTES, max_redirects=0)
        return Tested(reply.status == httpx2.codes.OK, f"The store answered {reply.status} {reply.reason}.".replace(" .", "."))


def signed(fields: S3Fields, url: httpx2.URL, now: datetime) -> dict[str, str]:
    """Headers of a GET without a body.

    Source: AWS Signature Version 4.
    """
    instant, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": url.netloc.decode("ascii"), "x-amz-content-sha256": _NO_BODY, "x-amz-date": instant}
    if fields.session_token is not None:
        headers["x-amz-security-token"] = fields.session_token.reveal()
    names, scope = ";".join(sorted(headers)), f"{day}/{fields.region}/s3/aws4_request"
    query = "&".join(sorted(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in url.params.multi_items()))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = "\n".join(("GET", url.raw_path.partition(b"?")[0].decode(), query, lines, names, _NO_BODY))
    to_sign = "\n".join((_ALGORITHM, instant, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{fields.secret_access_key.reveal()}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return {
        **{name: value for name, value in headers.items() if name != "host"},
        "authorization": f"{_ALGORITHM} Credential={fields.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}",
    }
