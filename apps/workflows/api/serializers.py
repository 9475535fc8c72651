"""Shapes of workflows and versions; input apart from output."""

from typing import Any

from rest_framework import serializers

from apps.core.api.serializers import AnyJson, InputSerializer, JsonObject
from apps.workflows.models import Workflow, WorkflowVersion


class DefinitionInput(InputSerializer):
    definition = AnyJson(help_text="The document of nodes and edges; its JSON Schema is at /definition-schema.")


class WorkflowInput(DefinitionInput):
    name = serializers.CharField(max_length=128, required=False, default=None, help_text="The definition's own where it is missing.")
    description = serializers.CharField(
        max_length=10_000, required=False, default=None, allow_blank=True, help_text="The definition's own where it is missing."
    )
    publish = serializers.BooleanField(required=False, default=False, help_text="Publish version 1 at once.")
    workspace = serializers.UUIDField(required=False, default=None, help_text="The caller's personal one where it is missing.")


class WorkflowChangeInput(InputSerializer):
    name = serializers.CharField(max_length=128, required=False, default=None)
    description = serializers.CharField(max_length=10_000, required=False, default=None, allow_blank=True)
    folder = serializers.UUIDField(required=False, allow_null=True, help_text="The folder to put it into; null: none.")


class VersionInput(DefinitionInput):
    changelog = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)
    publish = serializers.BooleanField(required=False, default=False)
    base_number = serializers.IntegerField(
        required=False,
        default=None,
        min_value=1,
        max_value=2**31 - 1,
        help_text="The version that the definition was made from; what others saved since is merged in. Missing: it is taken as it is.",
    )


class TagOnWorkflowOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    colour = serializers.CharField(help_text="#rrggbb")


class WorkflowOutput(serializers.ModelSerializer[Workflow]):
    """Of a row that `listing.complete` has completed."""

    workspace = serializers.UUIDField(source="workspace_id")
    folder = serializers.UUIDField(source="shown_folder", allow_null=True, help_text="Null also where the caller may not know of it.")
    tags = TagOnWorkflowOutput(source="shown_tags", many=True)
    is_favourite = serializers.BooleanField(help_text="Of the caller.")
    is_archived = serializers.SerializerMethodField(help_text="Put away: it starts nothing.")
    created_by = serializers.UUIDField(source="created_by_id", allow_null=True)
    permissions = serializers.ListField(child=serializers.CharField(), help_text="All that the caller may do with it: workflow.edit …")
    published_number = serializers.SerializerMethodField(help_text="Number of the version that a start by workflow runs; null: none.")
    latest_number = serializers.IntegerField(help_text="Number of the newest version.")

    class Meta:
        model = Workflow
        fields = [
            "id",
            "workspace",
            "name",
            "description",
            "folder",
            "tags",
            "is_favourite",
            "is_archived",
            "published_number",
            "latest_number",
            "permissions",
            "created_by",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    def get_published_number(self, workflow: Workflow) -> int | None:
        return workflow.published_version.number if workflow.published_version else None

    def get_is_archived(self, workflow: Workflow) -> bool:
        return workflow.archived_at is not None


class AuthorOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    username = serializers.CharField()


class VersionOutput(serializers.ModelSerializer[WorkflowVersion]):
    workflow = serializers.UUIDField(source="workflow_id")
    author = AuthorOutput(source="created_by", allow_null=True, help_text="Who saved it; null where the account is gone.")

    class Meta:
        model = WorkflowVersion
        fields = ["id", "workflow", "number", "label", "changelog", "author", "content_hash", "published_at", "created_at"]
        read_only_fields = fields


class VersionDetailOutput(VersionOutput):
    definition = JsonObject()

    class Meta(VersionOutput.Meta):
        fields = [*VersionOutput.Meta.fields, "definition"]
        read_only_fields = fields


class ProblemOutput(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="JSON pointer into the definition.")
    message = serializers.CharField()
    found = serializers.CharField(allow_null=True)
    expected = serializers.CharField(allow_null=True)
    suggestion = serializers.CharField(allow_null=True, help_text="The nearest name that would be right.")


class SavedVersionOutput(VersionOutput):
    created = serializers.BooleanField(help_text="False when the newest version has the same content; it is this one.")
    merged = serializers.BooleanField(help_text="True when others saved meanwhile, and this version has their changes too.")
    warnings = ProblemOutput(many=True)

    class Meta(VersionOutput.Meta):
        fields = [*VersionOutput.Meta.fields, "created", "merged", "warnings"]
        read_only_fields = fields


class SavedWorkflowOutput(WorkflowOutput):
    version = VersionOutput()
    warnings = ProblemOutput(many=True)

    class Meta(WorkflowOutput.Meta):
        fields = [*WorkflowOutput.Meta.fields, "version", "warnings"]
        read_only_fields = fields


class ValidationOutput(serializers.Serializer[Any]):
    is_valid = serializers.BooleanField()
    errors = ProblemOutput(many=True, help_text="At most a hundred.")
    warnings = ProblemOutput(many=True)
