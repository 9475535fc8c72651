"""From a sealed row to a credential that a node may hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from apps.credentials import sealing
from apps.credentials.keys import key_ring
from apps.credentials.types import CredentialType, Fields, registered
from apps.engine.errors import StructForgeError
from apps.nodes.credentials import Authentication, HeldCredential
from apps.nodes.egress import Call
from apps.nodes.host_patterns import parse_pattern
from apps.nodes.redaction import Redactor
from apps.nodes.secret import Secret


class UnusableCredentialError(StructForgeError):
    """The row is of a type that this installation does not have, or has with other fields."""

    code = "unusable_credential"


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """What a row says, its secrets still sealed."""

    id: UUID
    workspace_id: UUID
    name: str
    type: str
    fields: Mapping[str, Any]
    sealed: bytes = field(repr=False)
    allowed_hosts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A credential with what its type can do with it."""

    type: CredentialType[Any]
    fields: Fields
    held: HeldCredential


def seal_secrets(secrets: Mapping[str, Secret], *, workspace_id: UUID, credential_id: UUID) -> bytes:
    """Seal {name: secret} for one row, with the key that seals at present."""
    data = orjson.dumps({name: secret.reveal() for name, secret in secrets.items()})
    return sealing.seal(key_ring(), data, workspace_id=workspace_id, credential_id=credential_id)


def open_secrets(row: SealedCredential) -> dict[str, Secret]:
    """{name: secret}. Raises SealError."""
    data = sealing.open_sealed(key_ring(), row.sealed, workspace_id=row.workspace_id, credential_id=row.id)
    return {name: Secret(text) for name, text in orjson.loads(data).items()}


def open_credential(row: SealedCredential, redactor: Redactor) -> Opened:
    """Open a row for a node, or for a test. Raises SealError, UnusableCredentialError.

    redactor   learns the secrets
    """
    credential_type = registered().get(row.type)
    if credential_type is None:
        raise UnusableCredentialError(f"There is no credential type '{row.type}' in this installation.", type=row.type)
    secrets = open_secrets(row)
    for secret in secrets.values():
        redactor.add(secret)
    values = {**row.fields, **secrets}
    try:
        fields = credential_type.Fields.model_validate(values)
    except ValidationError as error:
        wrong = ", ".join(sorted({str(each["loc"][0]) for each in error.errors(include_input=False) if each["loc"]}))
        raise UnusableCredentialError(f"Its fields do not fit the type '{row.type}' any more: {wrong}.", type=row.type) from None

    def authenticate(call: Call) -> Authentication:
        made = credential_type.authenticate(fields, call)
        for value in (*made.headers.values(), *made.query.values()):
            redactor.add(Secret(value.reveal().rpartition(" ")[2]))  # the scheme before it is no secret
        return made

    held = HeldCredential(
        id=str(row.id),
        name=row.name,
        type=row.type,
        fields=values,
        allowed_hosts=tuple(map(parse_pattern, row.allowed_hosts)),
        redactor=redactor,
        authenticate=authenticate if credential_type.is_for_http else None,
        forget=lambda: credential_type.forget(fields),
    )
    return Opened(credential_type, fields, held)
