"""What operators do to limits, and the measuring of what is stored."""

import logging
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.core import object_store
from apps.core.audit import Verb, record
from apps.core.object_store import ObjectStoreError
from apps.core.quotas import QuotaName, forget_limits
from apps.engine.errors import InvalidError
from apps.quotas.models import OF_USERS, Quota, QuotaDay, StorageUse

log = logging.getLogger(__name__)

# A measurement that took a second is repeated after some minutes, one that took a minute after two hours: it never takes over one per cent.
MEASURED_EVERY = timedelta(minutes=10)
REST_FACTOR = 100
MAX_MEASURING = "120s"
AFTER_FAILURE = timedelta(hours=6)
KEPT_DAYS = 7


class InvalidQuotaError(InvalidError):
    """A quota of what is not counted for people, or of both a workspace and a person."""

    code = "invalid_quota"


@transaction.atomic
def set_quota(
    *, name: QuotaName, limit: int | None, workspace: Workspace | None = None, user: User | None = None, scope: str = Quota.Scope.WORKSPACE
) -> Quota:
    """Set a limit for a workspace or a person, or the default of all in a scope. It holds within seconds.

    limit   None: none, whatever the default is
    scope   counts where neither a workspace nor a person is named
    Raises InvalidQuotaError.
    """
    if workspace is not None and user is not None:
        raise InvalidQuotaError("Expected a workspace or a person, found both.", pointer="/user")
    scope = Quota.Scope.USER if user is not None else Quota.Scope.WORKSPACE if workspace is not None else scope
    if scope == Quota.Scope.USER and name.value not in OF_USERS:
        raise InvalidQuotaError(f"For people only {' and '.join(OF_USERS)} are counted, not {name.value}.", pointer="/name")
    quota = Quota.objects.select_for_update(of=("self",)).filter(scope=scope, workspace=workspace, user=user, name=name.value).first()
    before = None if quota is None else {"limit": quota.limit}
    if quota is None:
        quota = Quota(scope=scope, workspace=workspace, user=user, name=name.value)
    quota.limit = limit
    quota.save()
    note_change(quota, verb=Verb.QUOTA_SET, before=before)
    return quota


@transaction.atomic
def remove_quota(*, quota: Quota) -> None:
    """Let the default count again; without one, nothing is limited."""
    note_change(quota, verb=Verb.QUOTA_REMOVED, before={"limit": quota.limit})
    quota.delete()


def note_change(quota: Quota, *, verb: Verb, before: dict[str, int | None] | None) -> None:
    """Count today's executions anew, since without a limit nobody did, tell this process, and record who changed it."""
    owner = quota.workspace_id or quota.user_id
    days = QuotaDay.objects.filter(scope=quota.scope)
    (days.filter(owner=owner) if owner else days).delete()
    after = None if verb is Verb.QUOTA_REMOVED else {"limit": quota.limit}
    record(verb, quota, before=before, after=after, object_id=owner or "")
    transaction.on_commit(forget_limits)


def measure_due() -> int:
    """Measure one workspace whose time has come, else one that never was. Returns how many were measured, 0 or 1."""
    due = (
        Workspace.objects.filter(pk__in=StorageUse.objects.filter(next_at__lte=timezone.now()).order_by("next_at").values("pk")[:1]).first()
        or Workspace.objects.exclude(pk__in=StorageUse.objects.values("pk")).order_by("pk").first()
    )
    if due is None:
        return 0
    try:
        measure(workspace_id=due.pk)
    except (OperationalError, ObjectStoreError) as error:
        log.warning("Workspace %s could not be measured: %s", due.pk, error)
        StorageUse.objects.update_or_create(workspace=due, defaults={"next_at": timezone.now() + AFTER_FAILURE})
    return 1


def measure(*, workspace_id: UUID) -> StorageUse:
    """Add up the bytes that a workspace keeps in the database and in the object store."""
    began = time.monotonic()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select set_config('statement_timeout', %s, true)", [MAX_MEASURING])
        cursor.execute("select stored_bytes_v1(%s)", [workspace_id])
        (in_database,) = cursor.fetchone()
    in_objects = object_store.size_of(workspace_id)
    now = datetime.now(UTC)
    rest = max(MEASURED_EVERY, REST_FACTOR * timedelta(seconds=time.monotonic() - began))
    use, _ = StorageUse.objects.update_or_create(
        workspace_id=workspace_id, defaults={"bytes": in_database + in_objects, "measured_at": now, "next_at": now + rest}
    )
    return use


def forget_old_days() -> None:
    """Drop the counts of days that are over."""
    QuotaDay.objects.filter(day__lt=timezone.now().date() - timedelta(days=KEPT_DAYS)).delete()
