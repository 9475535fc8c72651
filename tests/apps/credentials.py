"""What the tests of credentials share."""

from typing import Any
from uuid import uuid4

from apps.accounts.models import User
from apps.accounts.queries import personal_workspace
from apps.credentials.actions import create_credential
from apps.credentials.models import Credential
from apps.credentials.opening import SealedCredential, open_credential, seal_secrets
from apps.credentials.types import registered
from apps.nodes.credentials import HeldCredential
from apps.nodes.redaction import Redactor
from apps.nodes.secret import Secret
from tests.factories import make_workspace

# Its signs are written differently by every encoding.
CANARY = "cn4ry/+&=\"s'3cr3t <42>"


def person(username: str) -> User:
    """A person as a new request reads them, with a personal workspace."""
    return User.objects.get(pk=make_workspace(username).owner_id)


def make_credential(
    owner: str = "ada", /, *, name: str = "key", type_name: str = "bearer", hosts: list[str] | None = None, **fields: Any
) -> Credential:
    """A credential in somebody's personal workspace."""
    return create_credential(
        workspace=personal_workspace(person(owner)),
        name=name,
        type_name=type_name,
        fields=fields or {"token": "a-secret-token"},
        allowed_hosts=["api.example.com"] if hosts is None else hosts,
        created_by=person(owner),
    )


def held(type_name: str, *, hosts: list[str], **fields: Any) -> HeldCredential:
    """An open credential as the worker hands it to a node; no row is needed."""
    credential_type, row_id, workspace_id = registered()[type_name], uuid4(), uuid4()
    values = dict(credential_type.Fields.model_validate(fields))
    secrets = {name: value for name, value in values.items() if isinstance(value, Secret)}
    public = {name: value for name, value in values.items() if name not in secrets}
    row = SealedCredential(
        id=row_id,
        workspace_id=workspace_id,
        name="the key",
        type=type_name,
        fields=public,
        sealed=seal_secrets(secrets, workspace_id=workspace_id, credential_id=row_id),
        allowed_hosts=hosts,
    )
    return open_credential(row, Redactor()).held
