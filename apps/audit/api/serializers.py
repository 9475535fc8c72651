"""Shapes of the audit log."""

from typing import Any

from rest_framework import serializers

from apps.audit.export import COLUMNS
from apps.audit.models import VIAS, AuditEntry
from apps.audit.queries import MAX_VERIFIED
from apps.core.api.serializers import AnyJson, InputSerializer


class EntryOutput(serializers.ModelSerializer[AuditEntry]):
    workspace = serializers.UUIDField(source="workspace_id", allow_null=True)
    actor = serializers.UUIDField(source="actor_id", allow_null=True)
    before = AnyJson(help_text="Fields before the change; null where there was nothing.")
    after = AnyJson(help_text="Fields after it; where both are given, those that differ. Secrets are left out.")

    class Meta:
        model = AuditEntry
        fields = list(COLUMNS)
        read_only_fields = fields


class EntriesQuery(InputSerializer):
    workspace = serializers.UUIDField(required=False)
    actor = serializers.UUIDField(required=False)
    verb = serializers.CharField(max_length=64, required=False, help_text="One, such as workflow.published, or all of a kind: workflow.")
    object_type = serializers.CharField(max_length=64, required=False)
    object_id = serializers.CharField(max_length=64, required=False)
    via = serializers.ChoiceField(choices=VIAS, required=False)
    at_after = serializers.DateTimeField(required=False, help_text="Included.")
    at_before = serializers.DateTimeField(required=False, help_text="Not included.")
    search = serializers.CharField(max_length=100, required=False, help_text="A part of a name of object or actor, or a whole id.")


class ExportQuery(EntriesQuery):
    format = serializers.ChoiceField(choices=["csv", "jsonl"], required=False, default="csv")


class VerifyQuery(InputSerializer):
    workspace = serializers.UUIDField(
        required=False,
        default=None,
        help_text="The personal one where it is missing; for operators then what belongs to no workspace. Operators may name "
        "one that was deleted.",
    )
    after = serializers.IntegerField(required=False, default=0, min_value=0, help_text="From `next` of the answer before.")


class VerifiedOutput(serializers.Serializer[Any]):
    workspace = serializers.UUIDField(allow_null=True)
    is_intact = serializers.BooleanField()
    checked = serializers.IntegerField(help_text=f"Entries that were looked at, at most {MAX_VERIFIED}.")
    next = serializers.IntegerField(allow_null=True, help_text="Go on with this as `after`; null at the end of the chain.")
    broken_id = serializers.IntegerField(allow_null=True, help_text="The first entry that is wrong.")
    fault = serializers.ChoiceField(
        choices=["changed", "cut", "ends_early"],
        allow_null=True,
        help_text="changed: the entry is not what was recorded. cut: what stood before it is missing or changed. "
        "ends_early: entries after it are missing.",
    )
