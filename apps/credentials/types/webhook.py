"""What senders of webhooks prove that they know."""

import base64
import binascii
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from apps.credentials.types.base import CredentialType, Fields, Tested, register
from apps.nodes.credentials import HeldCredential
from apps.nodes.secret import Secret

STANDARD_PREFIX = "whsec_"
MIN_SECRET = 8  # characters


class WebhookSecretFields(Fields):
    style: Literal["basic", "bearer", "header", "standard", "github", "stripe"] = Field(default="standard", title="Style")
    """How it is proved: user name and password, a bearer token, a key in a header; or a signature as Standard Webhooks, GitHub or Stripe
    make it."""
    secret: Secret = Field(title="Secret")
    """The password, token, key, or secret that signs. Of Standard Webhooks: `whsec_` and base64."""
    former_secret: Secret | None = Field(default=None, title="Former secret")
    """Good beside the new one, until the sender has changed too."""
    username: str = Field(default="", max_length=256, pattern=r"^[^:\x00-\x1f\x7f]*$", title="User name")
    """Of the style `basic`."""
    header: Annotated[str, Field(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$")] = Field(default="X-API-Key", title="Header")
    """Of the style `header`: where the key stands."""
    tolerance_seconds: int = Field(default=300, ge=1, le=3600, title="Tolerance")
    """How far the time of a signature may be from ours, for the styles `standard` and `stripe`."""

    @model_validator(mode="after")
    def _fits(self) -> "WebhookSecretFields":
        for secret in filter(None, (self.secret, self.former_secret)):
            if len(secret.reveal()) < MIN_SECRET:
                raise ValueError(f"Expected a secret of at least {MIN_SECRET} characters.")
            if self.style == "standard" and not is_standard(secret.reveal()):
                raise ValueError(f"Expected '{STANDARD_PREFIX}' and base64 as secret of Standard Webhooks.")
        if self.style == "basic" and not self.username:
            raise ValueError("Expected a username for the style 'basic'.")
        return self


def is_standard(secret: str) -> bool:
    """Whether it can be a secret of Standard Webhooks."""
    try:
        return bool(base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        return False


@register
class WebhookSecret(CredentialType[WebhookSecretFields]):
    """What senders prove that they know when they call a webhook."""

    name = "webhook_secret"
    title = "Secret of a webhook"
    icon = "webhook"
    Fields: ClassVar = WebhookSecretFields

    def test(self, fields: WebhookSecretFields, held: HeldCredential) -> Tested:
        return Tested(False, "There is nobody to ask: the next call of the sender tells whether it fits.")
