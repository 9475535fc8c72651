"""What the two vocabularies have beside workflows, versions and executions: numbers, forms, a library of steps, registered services."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.models import BaseModel
from apps.credentials.models import Credential
from apps.executions.models import Execution
from apps.workflows.models import Workflow, WorkflowVersion

RUN_MODES = [("serial", "after what stands before it"), ("parallel", "beside the parallel steps around it")]
ON_FAILURE = [("abort", "the execution fails"), ("continue", "go on"), ("retry", "try again, then fail")]


class Numbered(models.Model):
    """A row with a number as its public identifier, as these vocabularies have it."""

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class OfWorkspaceQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: User) -> "OfWorkspaceQuerySet":
        """Those of workspaces whose workflows `user` may see."""
        access = user.access
        return self if access.is_operator else self.filter(workspace__in=access.workspaces_with(Permission.WORKFLOW_VIEW))


class OfWorkflowQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: User) -> "OfWorkflowQuerySet":
        """Those of workflows that `user` may see or run."""
        return self if user.access.is_operator else self.filter(workflow__in=Workflow.objects.visible_to(user))


class Service(BaseModel):
    """Something that steps of type `service_task` call by name: an address, or Python functions that a package registers."""

    class Kind(models.TextChoices):
        HTTP = "http", "called over HTTP"
        FUNCTION = "function", "Python functions"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=128)
    description = models.TextField(blank=True, default="")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.HTTP)
    base_url = models.CharField(max_length=2000, blank=True, default="", help_text="Of `http`: what the path of a method is added to.")
    credential = models.ForeignKey(
        Credential, on_delete=models.RESTRICT, null=True, blank=True, related_name="+", help_text="Of `http`: goes with every call."
    )
    methods = models.JSONField(
        default=dict,
        blank=True,
        help_text='Of `http`: {method: {"path", "http_method"}}; empty: POST to <base_url>/<method>. Of `function`: {method: function}.',
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = OfWorkspaceQuerySet.as_manager()

    class Meta:
        db_table = "service"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="service_name_unique_in_workspace"),
            models.CheckConstraint(
                condition=Q(kind="http") & ~Q(base_url="") | Q(kind="function", base_url="", credential__isnull=True),
                name="service_is_of_one_kind",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "-created_at", "-id"], name="service_newest")]

    def __str__(self) -> str:
        return self.name


class OfWorkflow(Numbered):
    """A number for a workflow, and the version that was made here."""

    workflow = models.OneToOneField(Workflow, on_delete=models.CASCADE, related_name="%(class)s")
    version = models.ForeignKey(
        WorkflowVersion, on_delete=models.SET_NULL, null=True, related_name="+", help_text="What the form became when it was saved last."
    )

    objects = OfWorkflowQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.pk}: {self.workflow}"


class ProcessDefinition(OfWorkflow):
    """A workflow in the words of the process vocabulary."""

    form = models.JSONField(help_text="As it was sent.")

    class Meta:
        db_table = "process_definition"


class StepTemplate(OfWorkflow):
    """A workflow in the words of the step vocabulary."""

    class Meta:
        db_table = "step_template"


class Step(Numbered):
    """One thing to do, kept for templates to place."""

    class ExecutorType(models.TextChoices):
        SHELL = "shell"
        HTTP = "http"
        FUNCTION = "function"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=128)
    description = models.TextField(blank=True, default="")
    executor_type = models.CharField(max_length=8, choices=ExecutorType.choices)
    executor_config = models.JSONField(default=dict)
    timeout = models.IntegerField(default=300, help_text="Seconds that one attempt may take.")
    retry_count = models.IntegerField(default=0, help_text="Further attempts after a failure.")

    objects = OfWorkspaceQuerySet.as_manager()

    class Meta:
        db_table = "step"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="step_name_unique_in_workspace"),
            models.CheckConstraint(condition=Q(timeout__gt=0, retry_count__gte=0), name="step_numbers"),
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="step_newest")]

    def __str__(self) -> str:
        return self.name


class TemplateStep(models.Model):
    """A step, placed in a template."""

    id = models.BigAutoField(primary_key=True)
    template = models.ForeignKey(StepTemplate, on_delete=models.CASCADE, related_name="steps", db_index=False)
    step = models.ForeignKey(Step, on_delete=models.RESTRICT, related_name="placed")
    key = models.CharField(max_length=64, help_text="Of the node that it became.")
    dependencies = models.JSONField(default=list, help_text="As they were sent: ids, names or keys of steps.")
    run_mode = models.CharField(max_length=8, choices=RUN_MODES, default="serial")
    on_failure = models.CharField(max_length=8, choices=ON_FAILURE, default="abort")
    order_num = models.IntegerField()

    class Meta:
        db_table = "template_step"
        constraints = [models.UniqueConstraint(fields=["template", "key"], name="template_step_key_unique")]

    def __str__(self) -> str:
        return self.key


class ExecutionRemark(models.Model):
    """What whoever started an execution by the step vocabulary said about it."""

    execution = models.OneToOneField(Execution, on_delete=models.CASCADE, primary_key=True, related_name="remark")
    executed_by = models.CharField(max_length=64, blank=True, default="")
    remarks = models.TextField(blank=True, default="")

    class Meta:
        db_table = "execution_remark"

    def __str__(self) -> str:
        return self.executed_by
