"""Reads of limits and of what is used of them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from apps.accounts.models import User
from apps.core.quotas import QuotaName, Scope, end_of_day, limits_of
from apps.engine.errors import NotFoundError
from apps.quotas.models import OF_USERS, Quota, QuotaQuerySet, StorageUse


class QuotaNotFoundError(NotFoundError):
    code = "quota_not_found"


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one thing there is, and how much there may be.

    limit         None: no limit
    used          None: not measured yet
    measured_at   when, for what is not counted at once
    resets_at     when counting begins anew, for what is counted by the day
    """

    name: QuotaName
    scope: Scope
    limit: int | None
    used: int | None
    measured_at: datetime | None
    resets_at: datetime | None


def list_quotas(user: User) -> QuotaQuerySet:
    return Quota.objects.visible_to(user).select_related("workspace", "user")


def get_quota(user: User, quota_id: UUID) -> Quota:
    """Raises QuotaNotFoundError."""
    quota = list_quotas(user).filter(pk=quota_id).first()
    if quota is None:
        raise QuotaNotFoundError(f"There is no quota {quota_id} that you may see.")
    return quota


def use_of_workspace(workspace_id: UUID) -> list[Use]:
    """All that is counted for a workspace, in two statements."""
    return _uses("workspace", workspace_id, list(QuotaName))


def use_of_user(user_id: UUID) -> list[Use]:
    """All that is counted for a person over all workspaces."""
    return _uses("user", user_id, [QuotaName(name) for name in OF_USERS])


def used_of(quotas: list[Quota]) -> dict[UUID, int | None]:
    """{id of a quota: what is used of it} of those with an owner, in one statement."""
    owned = [quota for quota in quotas if quota.workspace_id or quota.user_id]
    counts = _used([(quota.name, quota.scope, quota.workspace_id or quota.user_id) for quota in owned])
    return {quota.pk: used for quota, used in zip(owned, counts, strict=True)}


def _uses(scope: Scope, owner: UUID, names: list[QuotaName]) -> list[Use]:
    counts = _used([(name.value, scope, owner) for name in names])
    measured_at = StorageUse.objects.filter(workspace=owner).values_list("measured_at", flat=True).first() if scope == "workspace" else None
    return [
        Use(
            name,
            scope,
            limit=_limit(name, scope, owner),
            used=used,
            measured_at=measured_at if name == QuotaName.STORED_BYTES else None,
            resets_at=end_of_day() if name == QuotaName.EXECUTIONS_PER_DAY else None,
        )
        for name, used in zip(names, counts, strict=True)
    ]


def _limit(name: QuotaName, scope: Scope, owner: UUID) -> int | None:
    found = limits_of(name, workspace_id=owner) if scope == "workspace" else limits_of(name, user_id=owner)
    return found[0].limit if found else None


def _used(asked: list[tuple[str, str, UUID | None]]) -> list[int | None]:
    if not asked:
        return []
    names, scopes, owners = (list(column) for column in zip(*asked, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "select quota_used_v1(a.name, a.scope, a.owner, null)"
            " from unnest(%s::text[], %s::text[], %s::uuid[]) with ordinality as a(name, scope, owner, place) order by a.place",
            [names, scopes, owners],
        )
        return [used for (used,) in cursor.fetchall()]
