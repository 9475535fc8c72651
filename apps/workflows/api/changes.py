"""Shapes of what changed between versions."""

from typing import Any

from rest_framework import serializers

from apps.core.api.serializers import AnyJson, InputSerializer, JsonObject
from apps.workflows.api.serializers import VersionOutput

MAX_NUMBER = 2**31 - 1

# A keyword of Python cannot be written as the name of a field.
CompareQuery: type[InputSerializer] = type(
    "CompareQuery",
    (InputSerializer,),
    {
        "from": serializers.IntegerField(min_value=1, max_value=MAX_NUMBER, help_text="Number of the one version."),
        "to": serializers.IntegerField(min_value=1, max_value=MAX_NUMBER, help_text="Number of the other."),
        "format": serializers.ChoiceField(
            choices=["semantic", "json-patch"],
            default="semantic",
            help_text="semantic: nodes, edges and fields that changed. json-patch: operations of RFC 6902 that make the one of the other.",
        ),
    },
)


class FieldChangeOutput(serializers.Serializer[Any]):
    """`old` is left out where there was nothing, `new` where nothing is left."""

    path = serializers.CharField(help_text="JSON pointer, within the node or the definition.")
    old = AnyJson(required=False)
    new = AnyJson(required=False)


class NodeChangeOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    type = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    changes = FieldChangeOutput(many=True)


class MovedOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    old = AnyJson(required=False)
    new = AnyJson(required=False)


class RenamedOutput(serializers.Serializer[Any]):
    old = serializers.CharField()
    new = serializers.CharField()


class NodesDiffOutput(serializers.Serializer[Any]):
    added = serializers.ListField(child=JsonObject())
    removed = serializers.ListField(child=JsonObject())
    changed = NodeChangeOutput(many=True, help_text="Those that do something else now.")
    moved = MovedOutput(many=True, help_text="Those that are drawn elsewhere.")
    renamed = RenamedOutput(many=True, help_text="Those that have another key, and are otherwise the same.")


class EdgesDiffOutput(serializers.Serializer[Any]):
    added = serializers.ListField(child=JsonObject())
    removed = serializers.ListField(child=JsonObject())


class DiffOutput(serializers.Serializer[Any]):
    nodes = NodesDiffOutput()
    edges = EdgesDiffOutput()
    fields = FieldChangeOutput(many=True, help_text="All beside nodes and edges.")  # type: ignore[assignment]  # not DRF's own property


class CompareOutput(serializers.Serializer[Any]):
    old = VersionOutput()
    new = VersionOutput()
    changes = DiffOutput(allow_null=True, help_text="null where a JSON Patch was asked for.")
    patch = serializers.ListField(child=JsonObject(), allow_null=True, help_text="null where it was not asked for.")


class EditConflictOutput(serializers.Serializer[Any]):
    """With the code `edit_conflict`, `details` holds what a merge view needs.

    {"base": number of the version that the edit began at, "theirs": number of the newest, "conflicts": [{"kind": "node" | "edge" | "field",
    "key", "path": JSON pointer, "base", "mine", "theirs"}], at most a thousand, "conflict_count", "errors": why the merged definition is
    not valid, "document": the merge so far, with theirs where there is a conflict}. What is missing in one of the three is left out.
    """

    code = serializers.CharField()
    message = serializers.CharField()
    details = JsonObject()
