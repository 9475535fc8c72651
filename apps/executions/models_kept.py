"""What executions leave behind for later ones."""

from django.db import models
from django.db.models import Func, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.ids import uuid7
from apps.executions.models_executions import Execution
from apps.workflows.models import Workflow
from apps.workflows.shares import shared_with


class WorkflowVariableQuerySet(models.QuerySet["WorkflowVariable"]):
    def visible_to(self, user: User) -> "WorkflowVariableQuerySet":
        """Those of workflows whose executions `user` may see."""
        if user.access.is_operator:
            return self
        mine = Q(workspace_id__in=user.access.workspaces_with(Permission.EXECUTION_VIEW))
        of_viewed = shared_with(user).where(workflow="workflow_id", folder="workflow__folder_id", permission=Permission.EXECUTION_VIEW)
        return self.filter(mine | of_viewed) if shared_with(user) else self.filter(mine)


class WorkflowVariable(models.Model):
    """A value that executions of a workflow leave behind for later ones. Where several write it, the last to settle wins."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=Func(function="gen_random_uuid"), editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="variables", db_index=False)
    name = models.CharField(max_length=64)
    value = models.JSONField(null=True)
    execution = models.ForeignKey(
        Execution, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="That wrote it; null: a person did."
    )
    updated_at = models.DateTimeField(db_default=Now())

    objects = WorkflowVariableQuerySet.as_manager()

    class Meta:
        db_table = "workflow_variable"
        constraints = [models.UniqueConstraint(fields=["workflow", "name"], name="workflow_variable_once")]

    def __str__(self) -> str:
        return self.name


class CachedResult(models.Model):
    """What a node run returned, for runs of the same type with the same config in the same workspace, until it expires."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    digest = models.CharField(max_length=64, help_text="Keyed hash of all that the output depends on; the config itself is not kept.")
    port = models.CharField(max_length=64)
    output = models.JSONField(null=True, blank=True)
    output_ref = models.CharField(max_length=128, null=True, blank=True, help_text="Where an output over the inline limit is stored.")
    variables = models.JSONField(default=dict)
    execution_id = models.UUIDField(help_text="Where it ran. That execution may be gone.")
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "cached_result"
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="cached_result_unique")]

    def __str__(self) -> str:
        return self.digest
