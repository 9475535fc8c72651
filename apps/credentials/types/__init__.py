"""The kinds of credentials: what their fields are, which of them are secret, and how they prove who asks."""

from apps.credentials.types import database, generic, http, oauth2, s3, smtp, webhook  # noqa: F401  # they register themselves
from apps.credentials.types.base import CredentialType, Fields, Tested, registered, tested

__all__ = ["CredentialType", "Fields", "Tested", "registered", "tested"]
