"""The credential types as JSON: what a form is made of."""

import inspect
from typing import Any

from apps.credentials.types import CredentialType, registered


def credential_types() -> list[dict[str, Any]]:
    """What `GET /credential-types` answers, sorted by name."""
    return [described(each) for each in registered().values()]


def described(credential_type: CredentialType[Any]) -> dict[str, Any]:
    """{"name", "title", "description", "icon", "is_for_http", "secret_fields": [name], "schema": JSON Schema of the fields}"""
    return {
        "name": credential_type.name,
        "title": credential_type.title,
        "description": (inspect.getdoc(type(credential_type)) or "").partition("\n")[0],
        "icon": credential_type.icon,
        "is_for_http": credential_type.is_for_http,
        "secret_fields": sorted(credential_type.secret_names),
        "schema": credential_type.schema,
    }
