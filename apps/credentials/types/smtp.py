"""Mail servers."""

import smtplib
import socket
import ssl
from typing import Any, ClassVar, Literal

from pydantic import Field

from apps.credentials.types.base import TEST_SECONDS, CredentialType, Fields, Tested, reachable_address, register
from apps.credentials.types.database import Host, Port
from apps.nodes.credentials import HeldCredential
from apps.nodes.secret import Secret

_WORD = r"^[^\x00-\x1f\x7f]+$"


class SmtpFields(Fields):
    host: Host = Field(title="Host")
    """Name or address of the mail server."""
    port: Port = Field(default=587, title="Port")
    """587 for STARTTLS, 465 for TLS from the start."""
    username: str = Field(title="User name", min_length=1, max_length=256, pattern=_WORD)
    """Who logs in."""
    password: Secret = Field(title="Password")
    """That user's password."""
    security: Literal["starttls", "tls", "none"] = Field(default="starttls", title="Encryption")
    """TLS after a greeting, TLS from the start, or none."""
    sender: str | None = Field(default=None, title="Sender", max_length=256, pattern=_WORD)
    """From whom mail comes where a node does not say."""


@register
class Smtp(CredentialType[SmtpFields]):
    """A mail server that sends for us."""

    name = "smtp"
    title = "Mail server (SMTP)"
    icon = "mail"
    destinations = frozenset(("host", "port", "security"))
    Fields: ClassVar = SmtpFields

    def test(self, fields: SmtpFields, held: HeldCredential) -> Tested:
        address = reachable_address(fields.host, fields.port)
        try:
            with _connected(fields, address) as mail:
                mail.login(fields.username, fields.password.reveal())
        except smtplib.SMTPResponseException as error:
            return Tested(False, f"The mail server refused with code {error.smtp_code}.")
        except (smtplib.SMTPException, ValueError, OSError) as error:
            said = " ".join(held.redactor.text(str(error)).split())[:300]
            return Tested(False, f"The mail server could not be used: {said or type(error).__name__}")
        return Tested(True, "The mail server let us in.")


def _connected(fields: SmtpFields, address: str) -> smtplib.SMTP:
    """A connection to the address that was checked; the name still counts for TLS."""
    context = ssl.create_default_context()

    class Pinned(smtplib.SMTP):
        def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
            plain = socket.create_connection((address, port), TEST_SECONDS)
            return context.wrap_socket(plain, server_hostname=host) if fields.security == "tls" else plain

    mail = Pinned(fields.host, fields.port, timeout=TEST_SECONDS)
    if fields.security == "starttls":
        mail.starttls(context=context)
    return mail
