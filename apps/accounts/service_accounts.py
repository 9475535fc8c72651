"""Accounts of programs: they belong to a workspace, have a role in it, and come in by API keys alone."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from apps.accounts.models import ApiKey, Membership, User, Workspace
from apps.accounts.permissions import BUILT_IN_ROLES
from apps.core import audit, quotas
from apps.core.audit import Verb
from apps.core.ids import uuid7
from apps.core.quotas import QuotaName
from apps.engine.errors import ForbiddenError, NotFoundError


class ServiceAccountNotFoundError(NotFoundError):
    code = "service_account_not_found"


class RoleTooHighError(ForbiddenError):
    """Nobody makes an account that may do more than its maker; details: {"permissions": [str]}, which are missing."""

    code = "role_too_high"


def list_service_accounts(workspace: Workspace) -> QuerySet[User]:
    """Those that are in use, with `created_at` as lists want it."""
    return User.objects.filter(service_of=workspace, is_active=True).annotate(created_at=F("date_joined"))


def get_service_account(workspace: Workspace, account_id: UUID) -> User:
    account = list_service_accounts(workspace).filter(pk=account_id).first()
    if account is None:
        raise ServiceAccountNotFoundError(f"There is no service account {account_id} in workspace '{workspace.name}'.")
    return account


@transaction.atomic
def create_service_account(*, workspace: Workspace, name: str, role: str, created_by: User) -> User:
    """Make an account for a program, with a built-in role. Raises RoleTooHighError, QuotaExceededError."""
    if missing := sorted(right for right in BUILT_IN_ROLES[role] if not created_by.access.allows(workspace.pk, right)):
        raise RoleTooHighError(f"Role '{role}' allows what you may not do: {', '.join(missing)}.", permissions=missing)
    quotas.check(QuotaName.MEMBERS, workspace_id=workspace.pk)
    account_id = uuid7()
    account = User(id=account_id, username=f"service-{account_id.hex}", first_name=name, kind=User.Kind.SERVICE, service_of=workspace)
    account.set_unusable_password()
    account.save(force_insert=True)
    Membership.objects.create(workspace=workspace, user=account, role=role)
    _record(Verb.SERVICE_ACCOUNT_CREATED, account, after={"name": name, "role": role})
    return account


@transaction.atomic
def delete_service_account(*, account: User) -> None:
    """End an account and its keys. The row stays, since what the program did names it."""
    revoked = ApiKey.objects.filter(user=account, revoked_at__isnull=True).update(revoked_at=timezone.now())
    Membership.objects.filter(user=account).delete()
    User.objects.filter(pk=account.pk).update(is_active=False)
    _record(Verb.SERVICE_ACCOUNT_DELETED, account, before={"name": account.first_name}, after={"keys_revoked": revoked})


def _record(verb: Verb, account: User, **sides: Any) -> None:
    audit.record(verb, account, workspace_id=account.service_of_id, object_type="service_account", object_name=account.first_name, **sides)
