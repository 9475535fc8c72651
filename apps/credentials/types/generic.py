"""Secrets of any names."""

from typing import ClassVar

from pydantic import ConfigDict, model_validator

from apps.credentials.types.base import CredentialType, Fields, Tested, register
from apps.nodes.credentials import HeldCredential
from apps.nodes.secret import Secret

MAX_FIELDS = 50
MAX_NAME_LENGTH = 64


class GenericFields(Fields):
    model_config = ConfigDict(extra="allow", json_schema_extra={"maxProperties": MAX_FIELDS})
    __pydantic_extra__: dict[str, Secret]

    @model_validator(mode="after")
    def _names(self) -> "GenericFields":
        names = list(self.__pydantic_extra__)
        if not 0 < len(names) <= MAX_FIELDS:
            raise ValueError(f"Expected 1 to {MAX_FIELDS} fields, found {len(names)}.")
        if wrong := [name for name in names if not (name.isidentifier() and name.isascii() and len(name) <= MAX_NAME_LENGTH)]:
            raise ValueError(f"Expected names of letters, digits and '_', found '{wrong[0][:MAX_NAME_LENGTH]}'.")
        return self


@register
class Generic(CredentialType[GenericFields]):
    """Secret fields of any names, for nodes that know what to do with them."""

    name = "generic"
    title = "Secret fields"
    icon = "password"
    Fields: ClassVar = GenericFields

    def is_secret(self, name: str) -> bool:
        return True

    def test(self, fields: GenericFields, held: HeldCredential) -> Tested:
        return Tested(False, "Secret fields of one's own cannot be tested: only their node knows what they are for.")
