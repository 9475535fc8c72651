"""Shapes of the step vocabulary. The forms of templates are read by `steps.form`, which names places; their serializers describe them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.serializers import AnyJson, InputSerializer, JsonObject
from apps.dialects.models import ON_FAILURE, RUN_MODES, Step, StepTemplate, TemplateStep
from apps.dialects.steps.actions import ACTIVE, INACTIVE
from apps.dialects.steps.form import MAX_SECONDS
from apps.dialects.steps.translation import MAX_ATTEMPTS
from apps.engine.statuses import ExecutionStatus
from apps.executions.models import Execution

EXECUTOR_CONFIG = (
    "shell: {command, env, stdin}. http: config of the node http.request, and {credential: id}. function: {function, arguments}."
)
STATUSES = [status.value for status in ExecutionStatus]


class StepsQuery(InputSerializer):
    workspace = serializers.UUIDField(required=False)
    executor_type = serializers.ChoiceField(choices=Step.ExecutorType.choices, required=False)
    name = serializers.CharField(max_length=128, required=False)


class LibraryStepChangeInput(InputSerializer):
    name = serializers.CharField(max_length=128, required=False)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    executor_type = serializers.ChoiceField(choices=Step.ExecutorType.choices, required=False)
    executor_config = JsonObject(required=False, help_text=EXECUTOR_CONFIG)
    timeout = serializers.IntegerField(min_value=1, max_value=MAX_SECONDS, required=False, help_text="Seconds of one attempt.")
    retry_count = serializers.IntegerField(min_value=0, max_value=MAX_ATTEMPTS - 1, required=False, help_text="Further attempts.")


class LibraryStepInput(LibraryStepChangeInput):
    name = serializers.CharField(max_length=128)
    executor_type = serializers.ChoiceField(choices=Step.ExecutorType.choices)
    timeout = serializers.IntegerField(min_value=1, max_value=MAX_SECONDS, required=False, default=300, help_text="Seconds of one attempt.")
    retry_count = serializers.IntegerField(
        min_value=0, max_value=MAX_ATTEMPTS - 1, required=False, default=0, help_text="Further attempts."
    )
    workspace = serializers.UUIDField(required=False, default=None, help_text="The caller's personal one where it is missing.")


class StepOutput(serializers.ModelSerializer[Step]):
    workspace = serializers.UUIDField(source="workspace_id")
    executor_config = JsonObject(help_text=EXECUTOR_CONFIG)

    class Meta:
        model = Step
        fields = [
            "id",
            "name",
            "description",
            "executor_type",
            "executor_config",
            "timeout",
            "retry_count",
            "workspace",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class TemplateStepInput(serializers.Serializer[Any]):
    step_id = serializers.IntegerField()
    key = serializers.CharField(required=False, help_text="What others may name it by, where the same step stands twice.")
    dependencies = serializers.ListField(child=AnyJson(), required=False, help_text="Numbers or names of steps, or keys.")
    run_mode = serializers.ChoiceField(choices=RUN_MODES, required=False, default="serial")
    on_failure = serializers.ChoiceField(choices=ON_FAILURE, required=False, default="abort")
    order_num = serializers.IntegerField(required=False, help_text="Its place in the list where it is missing.")


class StepTemplateInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=128)
    description = serializers.CharField(max_length=10_000, required=False)
    status = serializers.ChoiceField(choices=[ACTIVE, INACTIVE], required=False, default=ACTIVE)
    steps = TemplateStepInput(many=True)


class StepTemplateStatusInput(InputSerializer):
    status = serializers.ChoiceField(choices=[ACTIVE, INACTIVE])


class StepTemplatesQuery(InputSerializer):
    workspace = serializers.UUIDField(required=False)
    status = serializers.ChoiceField(choices=[ACTIVE, INACTIVE], required=False)
    name = serializers.CharField(max_length=128, required=False)


class TemplateStepOutput(serializers.ModelSerializer[TemplateStep]):
    step_id = serializers.IntegerField()
    step_name = serializers.CharField(source="step.name")
    dependencies = serializers.ListField(child=AnyJson())

    class Meta:
        model = TemplateStep
        fields = ["id", "step_id", "step_name", "key", "dependencies", "run_mode", "on_failure", "order_num"]
        read_only_fields = fields


class StepTemplateOutput(serializers.ModelSerializer[StepTemplate]):
    name = serializers.CharField(source="workflow.name")
    description = serializers.CharField(source="workflow.description")
    status = serializers.SerializerMethodField()
    workflow = serializers.UUIDField(source="workflow_id", help_text="The workflow that it is.")
    workspace = serializers.UUIDField(source="workflow.workspace_id")
    steps = TemplateStepOutput(source="placed", many=True)

    class Meta:
        model = StepTemplate
        fields = ["id", "name", "description", "status", "steps", "workflow", "workspace", "created_at", "updated_at"]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=[ACTIVE, INACTIVE]))
    def get_status(self, template: StepTemplate) -> str:
        return ACTIVE if template.workflow.published_version_id else INACTIVE


class TemplateStartInput(InputSerializer):
    input = JsonObject(required=False, default=dict)
    executed_by = serializers.CharField(
        max_length=64, required=False, default=None, help_text="Who has it done, in your own words; the username where it is missing."
    )
    remarks = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)


class ExecutionOfTemplateInput(TemplateStartInput):
    template_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class TemplateExecutionsQuery(InputSerializer):
    status = serializers.ChoiceField(choices=STATUSES, required=False)


class ExecutionsOfTemplateQuery(TemplateExecutionsQuery):
    template_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class TemplateExecutionOutput(serializers.ModelSerializer[Execution]):
    template_id = serializers.IntegerField()
    template_name = serializers.CharField()
    executed_by = serializers.SerializerMethodField(help_text="Who has it done.")
    remarks = serializers.SerializerMethodField()
    completed_at = serializers.DateTimeField(source="finished_at", allow_null=True)
    error = AnyJson(help_text="Why it failed.")

    class Meta:
        model = Execution
        fields = [
            "id",
            "template_id",
            "template_name",
            "status",
            "executed_by",
            "remarks",
            "error",
            "started_at",
            "completed_at",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_executed_by(self, execution: Any) -> str | None:
        return execution.executed_by or execution.starter

    def get_remarks(self, execution: Any) -> str:
        return execution.remarks or ""


class StepExecutionOutput(serializers.Serializer[Any]):
    step_id = serializers.IntegerField(allow_null=True, help_text="Null where the template has it no more.")
    step_name = serializers.CharField(allow_null=True)
    key = serializers.CharField()
    status = serializers.CharField()
    attempt = serializers.IntegerField()
    output = AnyJson(help_text="Null where it is large.")
    error = AnyJson()
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)


class OneTemplateExecutionOutput(TemplateExecutionOutput):
    """context   {"steps": [(node run, its place in the template)]}"""

    steps = serializers.SerializerMethodField(help_text="At most a thousand.")

    class Meta(TemplateExecutionOutput.Meta):
        fields = [*TemplateExecutionOutput.Meta.fields, "steps"]
        read_only_fields = fields

    @extend_schema_field(StepExecutionOutput(many=True))
    def get_steps(self, execution: Execution) -> list[Any]:
        return [
            {
                "step_id": place.step_id if place else None,
                "step_name": place.step.name if place else None,
                "key": run.key,
                "status": run.status,
                "attempt": run.attempt,
                "output": run.shown_output,
                "error": run.error,
                "started_at": run.started_at,
                "completed_at": run.finished_at,
            }
            for run, place in self.context["steps"]
        ]
