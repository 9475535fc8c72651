"""Registered services: one function a verb, and their reads."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx2
from django.db import IntegrityError, transaction

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.audit import Verb, record
from apps.credentials.queries import get_usable
from apps.dialects.models import OfWorkspaceQuerySet, Service
from apps.engine.errors import ConflictError, InvalidError, NotFoundError
from apps.engine.pointers import pointer_to
from apps.engine.problems import listed, nearest, shown
from apps.nodes.functions import all_functions
from apps.nodes.http_exchange import url_fault
from apps.workflows.access import NotAllowedError

MAX_SERVICES = 1000
MAX_METHODS = 200
HTTP_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HOW = frozenset(("path", "http_method"))


class ServiceNotFoundError(NotFoundError):
    code = "service_not_found"


class ServiceNameTakenError(ConflictError):
    code = "service_name_taken"


class TooManyServicesError(ConflictError):
    code = "too_many_services"


class InvalidServiceError(InvalidError):
    """What is said of a service cannot be; details: {"pointer": str}."""

    code = "invalid_service"


@transaction.atomic
def create_service(*, workspace: Workspace, created_by: User, credential: UUID | None = None, **fields: Any) -> Service:
    """Raises InvalidServiceError, ServiceNameTakenError, TooManyServicesError, CredentialNotFoundError, CredentialForbiddenError."""
    if Service.objects.filter(workspace=workspace).count() >= MAX_SERVICES:
        raise TooManyServicesError(f"A workspace has at most {MAX_SERVICES} services.", limit=MAX_SERVICES)
    service = Service(workspace=workspace, created_by=created_by, **fields)
    _name_credential(service, credential, created_by)
    _check(service)
    _save(service)
    record(Verb.SERVICE_CREATED, service, after=_shown(service))
    return service


@transaction.atomic
def update_service(*, service: Service, changed_by: User, **fields: Any) -> Service:
    """Nodes that run from now on call it as it is then. Its kind stays. Raises as `create_service` does."""
    before = _shown(service)
    if "credential" in fields:
        _name_credential(service, fields.pop("credential"), changed_by)
    for name, value in fields.items():
        setattr(service, name, value)
    _check(service)
    _save(service)
    record(Verb.SERVICE_UPDATED, service, before=before, after=_shown(service))
    return service


@transaction.atomic
def delete_service(*, service: Service) -> None:
    """Steps that still name it fail from now on."""
    record(Verb.SERVICE_DELETED, service, before=_shown(service))
    service.delete()


def list_services(user: User, *, workspace_id: UUID | None = None) -> OfWorkspaceQuerySet:
    found = Service.objects.visible_to(user)
    return found if workspace_id is None else found.filter(workspace_id=workspace_id)


def get_service(user: User, service_id: UUID, permission: Permission | None = None) -> Service:
    """Raises ServiceNotFoundError, and NotAllowedError where the person's role does not allow what `permission` names."""
    found: Service | None = list_services(user).filter(pk=service_id).first()
    if found is None:
        raise ServiceNotFoundError(f"There is no service {service_id} that you may see.")
    if permission is not None and not user.access.allows(found.workspace_id, permission):
        raise NotAllowedError(f"You may see service '{found.name}', but this needs the right {permission}.", permission=permission)
    return found


def _name_credential(service: Service, credential_id: UUID | None, user: User) -> None:
    if credential_id is None:
        service.credential = None
        return
    credential = get_usable(user, credential_id)
    if credential.workspace_id != service.workspace.pk:
        raise InvalidServiceError("The credential belongs to another workspace.", pointer="/credential")
    service.credential = credential


def _check(service: Service) -> None:
    if len(service.methods) > MAX_METHODS:
        raise InvalidServiceError(f"A service has at most {MAX_METHODS} methods, found {len(service.methods)}.", pointer="/methods")
    (_check_http if service.kind == Service.Kind.HTTP else _check_functions)(service)


def _check_http(service: Service) -> None:
    try:
        fault = url_fault(httpx2.URL(service.base_url))
    except httpx2.InvalidURL as error:
        fault = f"expected a URL, found none: {error}"
    if fault:
        raise InvalidServiceError(fault[:1].upper() + fault[1:], pointer="/base_url")
    for method, how in service.methods.items():
        _check_how(method, how)


def _check_how(method: str, how: object) -> None:
    pointer = pointer_to("methods", method)
    if not isinstance(how, Mapping) or not how.keys() <= _HOW or not isinstance(how.get("path", ""), str):
        raise InvalidServiceError(f'Expected {{"path": text, "http_method": text}}, found {shown(how)}.', pointer=pointer)
    if how.get("http_method", "POST") not in HTTP_METHODS:
        message = f"Expected one of {', '.join(HTTP_METHODS)}, found {shown(how['http_method'])}."
        raise InvalidServiceError(message, pointer=f"{pointer}/http_method")


def _check_functions(service: Service) -> None:
    if service.base_url or service.credential:
        field = "base_url" if service.base_url else "credential"
        raise InvalidServiceError("A service of Python functions has none.", pointer=f"/{field}")
    if not service.methods:
        raise InvalidServiceError("Expected {method: name of a function}, found none.", pointer="/methods")
    known = all_functions()
    for method, name in service.methods.items():
        if name not in known:
            near = nearest(name, known)
            hint = f"Is '{near}' meant?" if near else f"Known are: {listed(known) or 'none'}."
            raise InvalidServiceError(f"There is no function {shown(name)}. {hint}", pointer=pointer_to("methods", method))


def _save(service: Service) -> None:
    try:
        with transaction.atomic():
            service.save()
    except IntegrityError as error:
        if "service_name_unique_in_workspace" not in str(error):
            raise
        raise ServiceNameTakenError(f"The workspace has a service '{service.name}' already.", name=service.name) from error


def _shown(service: Service) -> dict[str, Any]:
    credential = None if service.credential_id is None else str(service.credential_id)
    names = ("name", "description", "kind", "base_url", "methods")
    return {**{name: getattr(service, name) for name in names}, "credential": credential}
