"""Shapes of templates; input apart from output."""

from typing import Any

from rest_framework import serializers

from apps.accounts.models import User
from apps.core.api.serializers import AnyJson, InputSerializer, JsonObject
from apps.templates.categories import TITLES, Category
from apps.templates.models import MAX_STARS, NodeTemplate, Status, Visibility, WorkflowTemplate
from apps.templates.queries import may_manage

MAX_TAGS = 20
MAX_SHARES = 200
SORTS = ("popular", "newest", "rating")


class LanguageInput(InputSerializer):
    lang = serializers.CharField(
        max_length=35, required=False, default=None, help_text="`en` or `zh`; that of the header Accept-Language where it is missing."
    )


class PictureInput(LanguageInput):
    theme = serializers.ChoiceField(choices=["light", "dark"], required=False, default="light")


class GalleryInput(LanguageInput):
    category = serializers.ChoiceField(choices=Category.choices, required=False, default=None)
    tag = serializers.CharField(max_length=32, required=False, default=None)
    search = serializers.CharField(
        max_length=200, required=False, default="", allow_blank=True, help_text="Words that all occur, in any language."
    )
    sort = serializers.ChoiceField(choices=SORTS, required=False, default="popular")
    status = serializers.ChoiceField(choices=Status.choices, required=False, default=Status.ACTIVE.value)
    workspace = serializers.UUIDField(required=False, default=None, help_text="Only templates of this workspace.")


def _tags() -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField(max_length=32), max_length=MAX_TAGS, required=False)


class TemplateChangeInput(InputSerializer):
    name = serializers.CharField(max_length=128, required=False)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    category = serializers.ChoiceField(choices=Category.choices, required=False)
    tags = _tags()
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    sample_input = JsonObject(required=False, help_text="An input to try it with.")
    definition = AnyJson(required=False)


class TemplateInput(InputSerializer):
    """Either a definition, or a workflow with a version of it."""

    definition = AnyJson(required=False, help_text="The document of nodes and edges.")
    workflow = serializers.UUIDField(required=False, help_text="A workflow to take the definition of.")
    version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Its number; the published one where it is missing, else the newest."
    )
    name = serializers.CharField(max_length=128, required=False, help_text="That of the workflow or definition where it is missing.")
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    category = serializers.ChoiceField(choices=Category.choices, required=False)
    tags = _tags()
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)
    sample_input = JsonObject(required=False, help_text="An input to try it with.")
    workspace = serializers.UUIDField(required=False, default=None, help_text="That of the workflow, else the caller's personal one.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("definition" in attrs) == ("workflow" in attrs):
            found = "both" if "definition" in attrs else "neither"
            raise serializers.ValidationError(f"Expected either 'definition' or 'workflow', found {found}.")
        if "version" in attrs and "workflow" not in attrs:
            raise serializers.ValidationError({"version": ["A version needs the workflow that it is of."]})
        return attrs


class UseInput(InputSerializer):
    name = serializers.CharField(
        max_length=128, required=False, default=None, help_text="That of the template where it is missing, with a number where it is taken."
    )
    description = serializers.CharField(max_length=10_000, required=False, default=None, allow_blank=True)
    workspace = serializers.UUIDField(required=False, default=None, help_text="The caller's personal one where it is missing.")
    parameters = JsonObject(required=False, default=dict, help_text="{variable of the definition: its first value}")
    credentials = JsonObject(required=False, default=dict, help_text="{node key: {slot: credential id}}; the template itself has none.")
    publish = serializers.BooleanField(required=False, default=False, help_text="Publish version 1 at once.")


class RatingInput(InputSerializer):
    stars = serializers.IntegerField(min_value=1, max_value=MAX_STARS)


class SharesInput(InputSerializer):
    users = serializers.ListField(child=serializers.UUIDField(), max_length=MAX_SHARES, required=False, default=list)
    teams = serializers.ListField(child=serializers.UUIDField(), max_length=MAX_SHARES, required=False, default=list)


class TemplateSharesOutput(serializers.Serializer[Any]):
    users = serializers.ListField(child=serializers.UUIDField())
    teams = serializers.ListField(child=serializers.UUIDField())


class RatingOutput(serializers.Serializer[Any]):
    my_stars = serializers.IntegerField(allow_null=True, help_text="What the caller gave, 1 to 5; null: nothing.")
    rating_average = serializers.FloatField(allow_null=True, help_text="Null where nobody has rated it.")
    rating_count = serializers.IntegerField()


class CategoryOutput(serializers.Serializer[Any]):
    category = serializers.ChoiceField(choices=Category.choices)
    title = serializers.CharField(help_text="In the language of the caller.")
    count = serializers.IntegerField(help_text="Templates of it that the caller may see.")


class TemplateOutput(serializers.ModelSerializer[WorkflowTemplate]):
    """One card of the gallery.

    context   {"language": str, "user": User}
    """

    name = serializers.SerializerMethodField(help_text="In the language of the caller, where it is translated.")
    description = serializers.SerializerMethodField()
    tags = serializers.SerializerMethodField()
    category_title = serializers.SerializerMethodField()
    is_system = serializers.BooleanField(help_text="It comes with StructForge.")
    workspace = serializers.SerializerMethodField(help_text="Null where the caller is not in it.")
    may_manage = serializers.SerializerMethodField(help_text="The caller may change it.")
    my_stars = serializers.IntegerField(allow_null=True, help_text="What the caller gave, 1 to 5; null: nothing.")
    rating_average = serializers.FloatField(allow_null=True, help_text="Null where nobody has rated it.")
    picture = serializers.SerializerMethodField(help_text="Address of the graph as SVG.")

    class Meta:
        model = WorkflowTemplate
        fields = [
            "id",
            "name",
            "description",
            "category",
            "category_title",
            "tags",
            "is_system",
            "workspace",
            "may_manage",
            "visibility",
            "status",
            "node_count",
            "node_types",
            "use_count",
            "rating_average",
            "rating_count",
            "my_stars",
            "picture",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    def get_name(self, template: WorkflowTemplate) -> str:
        return template.words(self._language).name

    def get_description(self, template: WorkflowTemplate) -> str:
        return template.words(self._language).description

    def get_tags(self, template: WorkflowTemplate) -> list[str]:
        return list(template.words(self._language).tags)

    def get_category_title(self, template: WorkflowTemplate) -> str:
        return TITLES[self._language][template.category]

    def get_workspace(self, template: WorkflowTemplate) -> str | None:
        access = self._user.access
        is_known = template.workspace_id and (access.is_operator or access.is_member(template.workspace_id))
        return str(template.workspace_id) if is_known else None

    def get_may_manage(self, template: WorkflowTemplate) -> bool:
        return may_manage(self._user, template)

    def get_picture(self, template: WorkflowTemplate) -> str:
        return f"/api/v1/workflow-templates/{template.id}/picture.svg?lang={self._language}"

    @property
    def _language(self) -> str:
        return self.context["language"]

    @property
    def _user(self) -> User:
        return self.context["user"]


class TemplateDetailOutput(TemplateOutput):
    definition = serializers.SerializerMethodField()
    sample_input = JsonObject(help_text="An input to try it with.")
    sample_output = AnyJson(help_text="What an execution of the sample gives; null where it is not known.")

    class Meta(TemplateOutput.Meta):
        fields = [*TemplateOutput.Meta.fields, "definition", "sample_input", "sample_output"]
        read_only_fields = fields

    def get_definition(self, template: WorkflowTemplate) -> dict[str, Any]:
        return template.definition_in(self._language)


class NodeTemplatesInput(InputSerializer):
    type = serializers.CharField(max_length=128, required=False, default=None, help_text="Name of a node type.")
    search = serializers.CharField(max_length=128, required=False, default="", allow_blank=True)
    workspace = serializers.UUIDField(required=False, default=None)


_ICON = {"regex": r"^[a-z0-9][a-z0-9_-]{0,63}$", "allow_blank": True, "required": False}


class NodeTemplateInput(InputSerializer):
    name = serializers.CharField(max_length=128)
    type = serializers.CharField(max_length=128, help_text="Name of a node type.")
    config = JsonObject(required=False, default=dict, help_text="As of a node of this type.")
    description = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)
    icon = serializers.RegexField(**_ICON, default="", help_text="That of the node type where it is empty.")
    workspace = serializers.UUIDField(required=False, default=None, help_text="The caller's personal one where it is missing.")


class NodeTemplateChangeInput(InputSerializer):
    name = serializers.CharField(max_length=128, required=False)
    type = serializers.CharField(max_length=128, required=False)
    config = JsonObject(required=False)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    icon = serializers.RegexField(**_ICON)


class NodeTemplateOutput(serializers.ModelSerializer[NodeTemplate]):
    workspace = serializers.UUIDField(source="workspace_id")
    config = JsonObject()

    class Meta:
        model = NodeTemplate
        fields = ["id", "workspace", "name", "description", "type", "config", "icon", "created_at", "updated_at"]
        read_only_fields = fields
