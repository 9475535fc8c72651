"""Shapes of the process vocabulary. Forms are read by `processes.form`, which names places; their serializers describe them."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.serializers import AnyJson, InputSerializer, JsonObject
from apps.dialects.models import ProcessDefinition
from apps.dialects.processes.queries import ACTIVE, SUSPENDED, UNSETTLED, StepRun
from apps.dialects.processes.work import INITIATOR
from apps.engine.statuses import ExecutionStatus, NodeRunStatus
from apps.executions.models import Execution
from apps.workflows.api.serializers import ProblemOutput

STATUSES = [status.value for status in ExecutionStatus]
STEP_STATUSES = [status.value for status in NodeRunStatus]


class ProcessStepInput(serializers.Serializer[Any]):
    id = serializers.CharField(max_length=64, required=False, help_text="What others name it by; its type where it is missing.")
    name = serializers.CharField(max_length=128, required=False)
    type = serializers.CharField(max_length=128, help_text="service_task, user_task, exclusive_gateway … or a node type.")
    config = JsonObject(required=False)
    next = serializers.ListField(child=serializers.CharField(), required=False, help_text="Ids of the steps that come next.")
    ports = JsonObject(required=False, help_text="{port: [ids]} for other ways out, such as `error`.")


class ProcessFormInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=128)
    description = serializers.CharField(max_length=10_000, required=False)
    version = serializers.CharField(max_length=64, required=False, help_text="The author's own label, such as 1.0.0.")
    variables = JsonObject(required=False, help_text='{name: "string" | "number" | …}; with a "?" it may be missing at the start.')
    steps = ProcessStepInput(many=True)


class ProcessDefinitionsQuery(InputSerializer):
    status = serializers.ChoiceField(choices=[ACTIVE, SUSPENDED], required=False)
    name = serializers.CharField(max_length=128, required=False)
    workspace = serializers.UUIDField(required=False)


class ProcessDefinitionOutput(serializers.ModelSerializer[ProcessDefinition]):
    name = serializers.CharField(source="workflow.name")
    description = serializers.CharField(source="workflow.description")
    version = serializers.SerializerMethodField(help_text="The author's own label.")
    version_number = serializers.SerializerMethodField(help_text="Number of the newest version, from 1.")
    status = serializers.SerializerMethodField()
    workflow = serializers.UUIDField(source="workflow_id", help_text="The workflow that it is.")
    workspace = serializers.UUIDField(source="workflow.workspace_id")

    class Meta:
        model = ProcessDefinition
        fields = ["id", "name", "description", "version", "version_number", "status", "workflow", "workspace", "created_at", "updated_at"]
        read_only_fields = fields

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_version(self, definition: ProcessDefinition) -> str | None:
        return (definition.version.label or None) if definition.version else None

    def get_version_number(self, definition: ProcessDefinition) -> int:
        return int(definition.latest_number)  # type: ignore[attr-defined]  # an annotation of the query

    @extend_schema_field(serializers.ChoiceField(choices=[ACTIVE, SUSPENDED]))
    def get_status(self, definition: ProcessDefinition) -> str:
        return ACTIVE if definition.workflow.published_version_id else SUSPENDED


class OneProcessDefinitionOutput(ProcessDefinitionOutput):
    """context   {"form": the form, "is_form": whether it was saved as one, "warnings": problems}"""

    variables = serializers.SerializerMethodField(help_text="{name: type}")
    steps = serializers.SerializerMethodField(help_text="As they were sent.")
    is_form = serializers.SerializerMethodField(help_text="False where the newest version was saved elsewhere: its nodes stand as steps.")
    warnings = serializers.SerializerMethodField(help_text="What may be meant otherwise; of a save alone.")

    class Meta(ProcessDefinitionOutput.Meta):
        fields = [*ProcessDefinitionOutput.Meta.fields, "variables", "steps", "is_form", "warnings"]
        read_only_fields = fields

    @extend_schema_field(JsonObject)
    def get_variables(self, definition: ProcessDefinition) -> dict[str, Any]:
        return {name: word for name, word in self.context["form"].get("variables", {}).items() if name != INITIATOR}

    @extend_schema_field(serializers.ListField(child=JsonObject()))
    def get_steps(self, definition: ProcessDefinition) -> list[Any]:
        return list(self.context["form"]["steps"])

    def get_is_form(self, definition: ProcessDefinition) -> bool:
        return bool(self.context["is_form"])

    @extend_schema_field(ProblemOutput(many=True))
    def get_warnings(self, definition: ProcessDefinition) -> list[Any]:
        return [each.as_json() for each in self.context.get("warnings", ())]


class CheckedFormOutput(serializers.Serializer[Any]):
    is_valid = serializers.BooleanField()
    errors = ProblemOutput(many=True)
    warnings = ProblemOutput(many=True)


class InstanceInput(InputSerializer):
    process_definition_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    business_key = serializers.CharField(max_length=255, required=False, default="", allow_blank=True, help_text="Your own name for it.")
    variables = JsonObject(required=False, default=dict)


class InstancesQuery(InputSerializer):
    process_definition_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
    business_key = serializers.CharField(max_length=255, required=False)
    status = serializers.ChoiceField(choices=STATUSES, required=False)


class InstanceOutput(serializers.ModelSerializer[Execution]):
    process_definition_id = serializers.IntegerField()
    process_definition_name = serializers.CharField(source="definition_name")
    version = serializers.CharField(source="version_label", help_text="The author's own label of the version that runs.")
    version_number = serializers.IntegerField()
    started_by = serializers.CharField(source="starter", allow_null=True, help_text="Username.")
    error = AnyJson(help_text="Why it failed.")

    class Meta:
        model = Execution
        fields = [
            "id",
            "process_definition_id",
            "process_definition_name",
            "version",
            "version_number",
            "business_key",
            "status",
            "error",
            "started_by",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class OneInstanceOutput(InstanceOutput):
    """context   {"runs": runs of its steps}"""

    variables = serializers.SerializerMethodField(help_text="What the start brought, and what steps have written since.")
    output = AnyJson(help_text="Null until it has ended.")
    current_steps = serializers.SerializerMethodField(help_text="Ids of the steps that have begun and not ended.")

    class Meta(InstanceOutput.Meta):
        fields = [*InstanceOutput.Meta.fields, "variables", "output", "current_steps"]
        read_only_fields = fields

    @extend_schema_field(JsonObject)
    def get_variables(self, instance: Execution) -> dict[str, Any]:
        given = instance.input if isinstance(instance.input, dict) else {}
        return {**given, **(instance.variables or {})}

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_current_steps(self, instance: Execution) -> list[str]:
        runs: Sequence[StepRun] = self.context["runs"]
        return list(dict.fromkeys(each.step for each in runs if each.run.status in UNSETTLED))


class InstanceStatusOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=STATUSES)


class StepRunOutput(serializers.Serializer[Any]):
    step_id = serializers.CharField(source="step")
    part = serializers.CharField(help_text="What of the step it is, such as `join` of a parallel gateway; empty: the step itself.")
    path = serializers.CharField(source="run.path", help_text="Which item of which loop; empty outside loops.")
    status = serializers.ChoiceField(choices=STEP_STATUSES, source="run.status")
    attempt = serializers.IntegerField(source="run.attempt")
    output = AnyJson(source="run.shown_output", help_text="Null where it is large.")
    error = AnyJson(source="run.error")
    started_at = serializers.DateTimeField(source="run.started_at", allow_null=True)
    finished_at = serializers.DateTimeField(source="run.finished_at", allow_null=True)


class HistoryOutput(serializers.Serializer[Any]):
    results = StepRunOutput(many=True)
