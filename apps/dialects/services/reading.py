"""Registered services as workers and translations read them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.core import fence
from apps.credentials.models import Credential
from apps.credentials.usage import Use, Uses
from apps.dialects.models import Service
from apps.dialects.processes.drafting import Service as Known
from apps.executions.connection import fetch_repeating
from apps.nodes.functions import find_function

_READ = """
select kind, base_url, credential_id, methods from service where workspace_id = %(workspace)s and name = %(name)s
"""


def find_row(workspace_id: UUID, name: str) -> Mapping[str, Any] | None:
    """{"kind", "base_url", "credential_id", "methods"} as it is now."""
    return next(iter(fetch_repeating(_READ, {"workspace": workspace_id, "name": name})), None)


def known_services(workspace_id: UUID) -> list[Known]:
    """What a translation has to know of the services of a workspace."""
    return [known(each) for each in Service.objects.filter(workspace_id=workspace_id).order_by("name")]


def known(service: Service) -> Known:
    methods = frozenset(service.methods) or None
    if service.kind == Service.Kind.HTTP:
        return Known(service.name, methods)
    functions = {method: find_function(name) for method, name in service.methods.items()}
    parameters = {method: frozenset(function.parameters) for method, function in functions.items() if function is not None}
    return Known(service.name, methods, is_function=True, parameters=parameters)


def uses_by_services(credential: Credential, user: User | None) -> Uses:
    """Services whose calls carry the credential."""
    using = Service.objects.filter(credential=credential)
    seen = using if user is None else using.visible_to(user)
    uses = tuple(Use(str(pk), name) for pk, name in seen.order_by("name", "pk").values_list("pk", "name"))
    with fence.lifted():  # that there is more is told, and nothing of what it is
        return Uses(uses, has_hidden=using.count() > len(uses))
