"""Shapes of credentials; input apart from output. No output has a secret."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.serializers import InputSerializer, JsonObject
from apps.credentials.models import Credential, CredentialGrant

_HOSTS = "Where it may be sent: api.example.com, *.example.com, files.internal:8443. Without a port, https on its usual port is meant."


class HostsField(serializers.ListField):
    child = serializers.CharField(max_length=255)


class CredentialQueryInput(InputSerializer):
    workspace = serializers.UUIDField(required=False, default=None, help_text="Only of this workspace.")
    type = serializers.CharField(max_length=64, required=False, default=None, help_text="Only of this type.")
    search = serializers.CharField(max_length=128, required=False, default=None, help_text="A part of the name.")


class CredentialInput(InputSerializer):
    workspace = serializers.UUIDField(required=False, default=None, help_text="The personal one where it is missing.")
    name = serializers.CharField(max_length=128, help_text="Unique in the workspace.")
    type = serializers.CharField(max_length=64, help_text="Name of a credential type; it never changes.")
    fields = JsonObject(help_text="As the JSON Schema of the type says, secret fields in plain text.")
    allowed_hosts = HostsField(required=False, default=list, help_text=_HOSTS)
    expires_at = serializers.DateTimeField(required=False, default=None, allow_null=True, help_text="From then on no node gets it.")


class CredentialChangeInput(InputSerializer):
    name = serializers.CharField(max_length=128, required=False)
    fields = JsonObject(required=False, help_text="What changes: fields that are not named stay, those that are null go.")
    allowed_hosts = HostsField(required=False, help_text=f"All of them anew. {_HOSTS} A further one needs the secrets anew.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class CredentialOutput(serializers.ModelSerializer[Credential]):
    workspace = serializers.UUIDField(source="workspace_id")
    created_by = serializers.UUIDField(source="created_by_id", allow_null=True)
    fields = JsonObject(help_text="The fields that are no secret.")
    secrets_set = serializers.ListField(
        source="secret_names", child=serializers.CharField(), help_text="Names of the secret fields that are set."
    )
    allowed_hosts = HostsField(help_text=_HOSTS)

    class Meta:
        model = Credential
        fields = [
            "id",
            "workspace",
            "name",
            "type",
            "fields",
            "secrets_set",
            "allowed_hosts",
            "expires_at",
            "last_used_at",
            "created_by",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class CredentialTypeOutput(serializers.Serializer[Any]):
    """A kind of credential."""

    name = serializers.CharField(help_text="What `type` of a credential names.")
    title = serializers.CharField()
    description = serializers.CharField()
    icon = serializers.CharField()
    is_for_http = serializers.BooleanField(help_text="It proves who asks to HTTP servers, and needs allowed hosts.")
    secret_fields = serializers.ListField(child=serializers.CharField(), help_text="Fields that are never shown; empty where all are.")
    schema = JsonObject(help_text="JSON Schema of `fields`, for a form.")


class TestedOutput(serializers.Serializer[Any]):
    """What a test came to."""

    is_ok = serializers.BooleanField()
    message = serializers.CharField()


class GrantInput(InputSerializer):
    user = serializers.UUIDField(required=False, default=None, help_text="Either this or `team`.")
    team = serializers.UUIDField(required=False, default=None)
    level = serializers.ChoiceField(choices=CredentialGrant.Level.choices, help_text="`user`: use; `owner`: change and share too.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["user"] is None) == (attrs["team"] is None):
            raise serializers.ValidationError("Expected either a user or a team.")
        return attrs


class PartyOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class GrantOutput(serializers.ModelSerializer[CredentialGrant]):
    user = serializers.SerializerMethodField(help_text="The person; null where it is a team.")
    team = serializers.SerializerMethodField(help_text="The team; null where it is a person.")

    class Meta:
        model = CredentialGrant
        fields = ["id", "user", "team", "level", "created_at"]
        read_only_fields = fields

    @extend_schema_field(PartyOutput(allow_null=True))
    def get_user(self, grant: CredentialGrant) -> dict[str, Any] | None:
        return {"id": grant.user.pk, "name": grant.user.get_username()} if grant.user else None

    @extend_schema_field(PartyOutput(allow_null=True))
    def get_team(self, grant: CredentialGrant) -> dict[str, Any] | None:
        return {"id": grant.team.pk, "name": grant.team.name} if grant.team else None
