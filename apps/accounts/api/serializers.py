"""Shapes of logging in and of people."""

from typing import Any

from rest_framework import serializers

from apps.accounts.models import User
from apps.core.api.serializers import InputSerializer


class LoginInput(InputSerializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)


class RefreshInput(InputSerializer):
    refresh = serializers.CharField(max_length=4096)


class LogoutInput(InputSerializer):
    refresh = serializers.CharField(max_length=4096, required=False, default=None)


class TokensOutput(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For the header `Authorization: Bearer …`.")
    refresh = serializers.CharField(help_text="For one call of /auth/refresh, which answers with the next one.")
    token_type = serializers.ChoiceField(choices=["Bearer"], default="Bearer")
    expires_in = serializers.IntegerField(help_text="Seconds that the access token lives.")


class UserOutput(serializers.ModelSerializer[User]):
    email = serializers.CharField(help_text="Empty where none is known.")

    class Meta:
        model = User
        fields = ["id", "username", "email", "first_name", "last_name", "is_superuser", "date_joined"]
        read_only_fields = fields


class WorkspaceOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class MeOutput(UserOutput):
    workspace = WorkspaceOutput(help_text="The personal workspace: it owns what this person makes.")

    class Meta(UserOutput.Meta):
        fields = [*UserOutput.Meta.fields, "workspace"]
        read_only_fields = fields
