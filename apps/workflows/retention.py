"""How many versions a workspace keeps."""

from contextlib import suppress

from django.db import IntegrityError, connection, transaction
from django.db.models import PROTECT, RESTRICT, Exists, ForeignObjectRel, OuterRef, Subquery

from apps.accounts.models import Workspace
from apps.core import audit
from apps.core.audit import Verb
from apps.workflows.models import VersionRetention, Workflow, WorkflowVersion, WorkflowVersionQuerySet

_DELETE = """
    with old as (select unnest(%s::uuid[]) as id),
         nodes as (delete from workflow_node where version_id in (select id from old)),
         edges as (delete from workflow_edge where version_id in (select id from old))
    delete from workflow_version where id in (select id from old)
"""


def find_retention(workspace: Workspace) -> int | None:
    """How many versions of each workflow the workspace keeps; None: all."""
    return VersionRetention.objects.filter(workspace=workspace).values_list("keep", flat=True).first()


@transaction.atomic
def set_retention(*, workspace: Workspace, keep: int | None) -> None:
    """Keep this many versions of each workflow, from the next save of each on; None: all."""
    before = find_retention(workspace)
    VersionRetention.objects.update_or_create(workspace=workspace, defaults={"keep": keep})
    if before != keep:
        audit.record(Verb.VERSION_RETENTION_SET, workspace, before={"keep": before}, after={"keep": keep})


def prune_versions(workflow: Workflow) -> None:
    """Drop the oldest versions of a workflow beyond those that its workspace keeps; in the transaction of a save.

    Versions that were ever published, that something refers to (an execution, a draft), and the newest stay in any case.
    """
    keep = VersionRetention.objects.filter(workspace_id=workflow.workspace_id).values_list("keep", flat=True).first()
    old = list(_unused_beyond(workflow, keep).values_list("pk", flat=True)) if keep else []
    if not old:
        return
    # An execution of an old version may start at this moment: then they stay until the next save.
    with suppress(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DELETE, [old])
        cursor.execute("set constraints all immediate")
        cursor.execute("set constraints all deferred")


def _unused_beyond(workflow: Workflow, keep: int) -> WorkflowVersionQuerySet:
    versions = WorkflowVersion.objects.filter(workflow=workflow)
    oldest_kept = Subquery(versions.order_by("-number").values("number")[keep - 1 : keep])
    old = versions.filter(number__lt=oldest_kept, published_at__isnull=True)
    if workflow.published_version_id is not None:
        old = old.exclude(pk=workflow.published_version_id)
    # Whatever says that a version must not go, now and later, without being named here.
    for relation in WorkflowVersion._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel) and relation.on_delete in (PROTECT, RESTRICT):
            references = relation.related_model._base_manager.filter(**{relation.field.name: OuterRef("pk")})
            old = old.filter(~Exists(references))
    return old
