"""Shapes of tasks and of what hangs on them."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.serializers import AnyJson, InputSerializer, JsonObject
from apps.tasks.bulk import MAX_TASKS
from apps.tasks.models import Absence, Attachment, Comment, Decision, HumanTask
from apps.tasks.queries import ANY, MAX_COUNTED, ME

PRIORITIES = [each.name.lower() for each in HumanTask.Priority]
STATUSES = [*HumanTask.Status.values, ANY]
BULK_ACTIONS = ["complete", "claim", "release", "delegate"]


class TasksQuery(InputSerializer):
    status = serializers.ChoiceField(choices=STATUSES, required=False, default=HumanTask.Status.OPEN)
    assignee = serializers.CharField(max_length=254, required=False, help_text="Whose it is: `current_user`, a username or an id.")
    candidate = serializers.ChoiceField(choices=[ME], required=False, help_text="Offered to the caller, and claimed by nobody.")
    mine = serializers.BooleanField(
        required=False, default=False, help_text="All that awaits the caller: their own, what is offered, and what they do as a substitute."
    )
    workspace = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    execution = serializers.UUIDField(required=False)
    priority = serializers.ChoiceField(choices=PRIORITIES, required=False)
    overdue = serializers.BooleanField(required=False, default=False)
    due_before = serializers.DateTimeField(required=False)
    ordering = serializers.ChoiceField(
        choices=["newest", "due"], required=False, default="newest", help_text="`due` has those with a due date alone, the soonest first."
    )


class CandidateOutput(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["user", "team", "role"])
    name = serializers.CharField()


class TaskOutput(serializers.ModelSerializer[HumanTask]):
    workspace = serializers.UUIDField(source="workspace_id")
    execution = serializers.UUIDField(source="execution_id")
    workflow = serializers.UUIDField(source="execution.workflow_id")
    workflow_name = serializers.CharField(source="execution.workflow.name")
    business_key = serializers.CharField(source="execution.business_key")
    node = serializers.CharField(source="key", help_text="Key of the node.")
    path = serializers.CharField(help_text="Which item of which loop; empty outside loops.")
    priority = serializers.SerializerMethodField()
    assignee = serializers.CharField(source="assignee.username", default=None, allow_null=True, help_text="Username.")
    in_place_of = serializers.CharField(
        source="in_place_of.username", default=None, allow_null=True, help_text="Whom the assignee stands for."
    )
    delegated_by = serializers.CharField(source="delegated_by.username", default=None, allow_null=True, help_text="Username.")
    candidates = CandidateOutput(many=True, help_text="To whom it is offered.")
    quorum = AnyJson(help_text='"first", "unanimous" or {"at_least": int}.')
    approved = serializers.BooleanField(allow_null=True, help_text="Null while it is not decided.")

    class Meta:
        model = HumanTask
        fields = [
            "id",
            "title",
            "description",
            "status",
            "priority",
            "assignee",
            "in_place_of",
            "delegated_by",
            "candidates",
            "quorum",
            "four_eyes",
            "approved",
            "workspace",
            "workflow",
            "workflow_name",
            "execution",
            "business_key",
            "node",
            "path",
            "created_at",
            "claimed_at",
            "due_at",
            "closed_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=PRIORITIES))
    def get_priority(self, task: HumanTask) -> str:
        return HumanTask.Priority(task.priority).name.lower()


class DecisionOutput(serializers.ModelSerializer[Decision]):
    by = serializers.CharField(source="user.username", default=None, allow_null=True, help_text="Username.")
    in_place_of = serializers.SerializerMethodField(help_text="Whom they stood for.")
    variables = JsonObject(help_text="The answers.")

    class Meta:
        model = Decision
        fields = ["by", "in_place_of", "approved", "variables", "created_at"]
        read_only_fields = fields

    def get_in_place_of(self, decision: Decision) -> str | None:
        return decision.voter.username if decision.voter and decision.voter_id != decision.user_id else None


class OneTaskOutput(TaskOutput):
    form = JsonObject(help_text="JSON Schema of the answers; empty: any.")
    decision = serializers.CharField(help_text="Name of the answer that says yes or no.")
    decisions = serializers.SerializerMethodField()

    class Meta(TaskOutput.Meta):
        fields = [*TaskOutput.Meta.fields, "form", "decision", "decisions"]
        read_only_fields = fields

    @extend_schema_field(DecisionOutput(many=True))
    def get_decisions(self, task: HumanTask) -> Any:
        return DecisionOutput(task.decisions.select_related("user", "voter").order_by("created_at", "id"), many=True).data


class CountsOutput(serializers.Serializer[Any]):
    total = serializers.IntegerField(help_text=f"Tasks that await the caller. All four count no further than {MAX_COUNTED} of the newest.")
    assigned = serializers.IntegerField()
    offered = serializers.IntegerField()
    overdue = serializers.IntegerField()


class CompleteInput(InputSerializer):
    variables = JsonObject(required=False, default=dict, help_text="The answers, as the form of the task asks.")


class DelegateInput(InputSerializer):
    to = serializers.CharField(max_length=254, help_text="Username or id of a member of the workspace.")


class BulkInput(InputSerializer):
    action = serializers.ChoiceField(choices=BULK_ACTIONS)
    tasks = serializers.ListField(child=serializers.IntegerField(min_value=1), min_length=1, max_length=MAX_TASKS)
    variables = JsonObject(required=False, default=dict, help_text="Of `complete`: the answers, the same to each.")
    to = serializers.CharField(max_length=254, required=False, default="", help_text="Of `delegate`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name, action in (("variables", "complete"), ("to", "delegate")):
            if attrs[name] and attrs["action"] != action:
                raise serializers.ValidationError({name: [f"Not for the action '{attrs['action']}'."]})
        if attrs["action"] == "delegate" and not attrs["to"]:
            raise serializers.ValidationError({"to": ["Expected one for the action 'delegate'."]})
        return attrs


class BulkOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    done = serializers.BooleanField()
    code = serializers.CharField(allow_null=True, help_text="Why it was not done.")
    message = serializers.CharField(allow_null=True)


class CommentInput(InputSerializer):
    text = serializers.CharField(max_length=10_000)


class CommentOutput(serializers.ModelSerializer[Comment]):
    by = serializers.CharField(source="user.username", default=None, allow_null=True, help_text="Username.")

    class Meta:
        model = Comment
        fields = ["id", "by", "text", "created_at"]
        read_only_fields = fields


class AttachmentQuery(InputSerializer):
    name = serializers.RegexField(
        r'^[^/\\\x00-\x1f\x7f"]+$',
        max_length=255,
        help_text="Name of the file, without a folder.",
        error_messages={"invalid": "Expected the name of a file."},
    )


class AttachmentOutput(serializers.ModelSerializer[Attachment]):
    by = serializers.CharField(source="user.username", default=None, allow_null=True, help_text="Username.")
    size_bytes = serializers.IntegerField(help_text=f"Up to {settings.TASK_ATTACHMENT_BYTES}.")

    class Meta:
        model = Attachment
        fields = ["id", "name", "content_type", "size_bytes", "by", "created_at"]
        read_only_fields = fields


class AbsenceInput(InputSerializer):
    workspace = serializers.UUIDField(required=False, default=None, help_text="Without it your own.")
    user = serializers.CharField(max_length=254, required=False, default=None, help_text="Who is away: username or id; without it you.")
    substitute = serializers.CharField(max_length=254, help_text="Username or id of another member.")
    starts_at = serializers.DateTimeField(required=False, default=None, help_text="Without it now.")
    ends_at = serializers.DateTimeField()


class AbsenceOutput(serializers.ModelSerializer[Absence]):
    workspace = serializers.UUIDField(source="workspace_id")
    user = serializers.CharField(source="user.username", help_text="Username.")
    substitute = serializers.CharField(source="substitute.username", help_text="Username.")

    class Meta:
        model = Absence
        fields = ["id", "workspace", "user", "substitute", "starts_at", "ends_at", "created_at"]
        read_only_fields = fields
