"""Shapes of limits and of what is used."""

from typing import Any

from rest_framework import serializers

from apps.core.api.serializers import InputSerializer
from apps.quotas.models import NAMES, Quota

MAX_LIMIT = 2**62


class UseOutput(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=NAMES)
    scope = serializers.ChoiceField(choices=Quota.Scope.choices)
    limit = serializers.IntegerField(allow_null=True, help_text="null: none.")
    used = serializers.IntegerField(
        allow_null=True, help_text="null: not measured yet. Of versions_per_workflow: in the workflow that has most."
    )
    measured_at = serializers.DateTimeField(allow_null=True, help_text="When, for stored_bytes; the others are counted at once.")
    resets_at = serializers.DateTimeField(allow_null=True, help_text="When counting begins anew.")


class UsesOutput(serializers.Serializer[Any]):
    results = UseOutput(many=True)


class QuotaOutput(serializers.ModelSerializer[Quota]):
    workspace = serializers.UUIDField(source="workspace_id", allow_null=True)
    user = serializers.UUIDField(source="user_id", allow_null=True)

    class Meta:
        model = Quota
        fields = ["id", "scope", "workspace", "user", "name", "limit", "created_at", "updated_at"]
        read_only_fields = fields


class QuotaInput(InputSerializer):
    name = serializers.ChoiceField(choices=NAMES)
    limit = serializers.IntegerField(allow_null=True, min_value=0, max_value=MAX_LIMIT, help_text="null: none, whatever the default is.")
    workspace = serializers.UUIDField(required=False, default=None, help_text="Missing, and `user` too: the default of all in `scope`.")
    user = serializers.UUIDField(required=False, default=None)
    scope = serializers.ChoiceField(choices=Quota.Scope.choices, required=False, default=Quota.Scope.WORKSPACE.value)
