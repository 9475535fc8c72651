"""Whose a workflow is: one function a verb."""

from django.db import transaction

from apps.accounts.models import User, Workspace
from apps.core import audit, quotas
from apps.core.audit import Verb
from apps.core.quotas import QuotaName
from apps.engine.errors import InvalidError
from apps.workflows.actions import WorkflowInUseError, _save_named
from apps.workflows.levels import Level
from apps.workflows.models import CredentialReference, Workflow
from apps.workflows.sharing import let_own


class NotAMemberError(InvalidError):
    code = "not_a_member"


@transaction.atomic
def change_owner(*, workflow: Workflow, owner: User, granted_by: User) -> Workflow:
    """Hand a workflow over to another member of its workspace.

    The new owner stands as its maker, and may share and delete it, by a share where the role does not allow that. The share that made
    the old one an owner goes. Raises NotAMemberError.
    """
    if not owner.access.is_member(workflow.workspace_id):
        raise NotAMemberError("The new owner must be a member of the workspace; or transfer the workflow to one of theirs.")
    workflow = Workflow.objects.select_for_update(of=("self",)).select_related("created_by").get(pk=workflow.pk)
    before = workflow.created_by
    if before is not None:
        workflow.grants.filter(user=before, level=Level.OWNER).delete()
    workflow.created_by = owner
    workflow.save(update_fields=["created_by", "updated_at"])
    let_own(workflow=workflow, user=owner, granted_by=granted_by)
    # Also where it was theirs before: what their role does not allow, they may again.
    audit.record(
        Verb.WORKFLOW_OWNER_CHANGED, workflow, before={"owner": before.username if before else None}, after={"owner": owner.username}
    )
    return workflow


@transaction.atomic
def transfer_workflow(*, workflow: Workflow, to: Workspace, transferred_by: User) -> Workflow:
    """Move a workflow with its versions to another workspace.

    Only one that never ran: executions are history of the workspace that ran them, and their numbers and outputs are not for the members
    of another. Shares, links, tags and the folder belong to the old workspace and stay behind; favourites stay with people. What the
    definition names of the old workspace, such as credentials, is not found from the new one. A start that is under way at the same
    instant remains in the old workspace.
    Raises WorkflowInUseError, WorkflowNameTakenError, QuotaExceededError.
    """
    workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    if workflow.workspace_id == to.pk:
        return workflow
    if workflow.executions.exists():
        message = f"Workflow '{workflow.name}' has executions, which belong to its workspace. Make a copy there instead."
        raise WorkflowInUseError(message)
    quotas.check(QuotaName.WORKFLOWS, workspace_id=to.pk)
    workflow.grants.all().delete()
    workflow.links.all().delete()
    workflow.tags.clear()
    workflow.versions.update(workspace=to)
    workflow.drafts.update(workspace=to)
    CredentialReference.objects.filter(version__workflow=workflow).update(workspace=to)
    left, workflow.workspace, workflow.folder = workflow.workspace_id, to, None
    _save_named(workflow, update_fields=["workspace", "folder", "updated_at"])
    let_own(workflow=workflow, user=transferred_by, granted_by=transferred_by)
    # Ids: the name of a workspace is not for the admins of another.
    with audit.together():
        for workspace_id in (left, to.pk):
            audit.record(
                Verb.WORKFLOW_TRANSFERRED, workflow, before={"workspace": left}, after={"workspace": to.pk}, workspace_id=workspace_id
            )
    return workflow
