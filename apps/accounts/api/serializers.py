"""Shapes of logging in and of people."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from rest_framework import serializers

from apps.accounts.models import ApiKey, User
from apps.accounts.permissions import BUILT_IN_ROLES, OWNER, Permission
from apps.core.api.serializers import InputSerializer, JsonObject

_FROM_STEP = "From `details.session_token` of the answer before."


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
    language = serializers.ChoiceField(
        choices=User.Language.choices, allow_blank=True, read_only=True, help_text="Empty: the person has not chosen."
    )

    class Meta:
        model = User
        fields = [
            "id",
            "username",
            "kind",
            "email",
            "first_name",
            "last_name",
            "language",
            "time_zone",
            "is_superuser",
            "date_joined",
        ]
        read_only_fields = fields


class WorkspaceOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class MeOutput(UserOutput):
    workspace = WorkspaceOutput(help_text="It owns what the caller makes: the personal workspace, or the one of an API key.")

    class Meta(UserOutput.Meta):
        fields = [*UserOutput.Meta.fields, "workspace"]
        read_only_fields = fields


@cache
def _time_zones() -> set[str]:
    return available_timezones()


class ProfileInput(InputSerializer):
    first_name = serializers.CharField(max_length=150, allow_blank=True, required=False)
    last_name = serializers.CharField(max_length=150, allow_blank=True, required=False)
    language = serializers.ChoiceField(
        choices=User.Language.choices,
        allow_blank=True,
        required=False,
        help_text="Of mails and pages; empty: the browser's for pages, the installation's for mails.",
    )
    time_zone = serializers.CharField(max_length=64, required=False, help_text="As in the IANA time zone database: `Asia/Shanghai`.")
    email = serializers.EmailField(
        max_length=254, required=False, help_text="A mail goes there; it counts once its key has come back to /auth/email/verify."
    )

    def validate_time_zone(self, value: str) -> str:
        if value not in _time_zones():
            raise serializers.ValidationError(f"Expected a name such as Europe/Berlin, found '{value}'.", code="unknown_time_zone")
        return value


class ProfileOutput(MeOutput):
    pending_email = serializers.CharField(allow_null=True, help_text="An address that waits for its confirmation.")

    class Meta(MeOutput.Meta):
        fields = [*MeOutput.Meta.fields, "pending_email"]
        read_only_fields = fields


class RegisterInput(InputSerializer):
    username = serializers.CharField(max_length=150)
    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)


class RegisterOutput(serializers.Serializer[Any]):
    step = serializers.ChoiceField(choices=["verify_email"], allow_null=True, help_text="What must be done before one can log in.")
    tokens = TokensOutput(allow_null=True, help_text="Null where a step remains.")


class EmailInput(InputSerializer):
    email = serializers.EmailField(max_length=254)


class KeyInput(InputSerializer):
    key = serializers.CharField(max_length=1024, help_text="From the mail.")


class PasswordResetInput(InputSerializer):
    key = serializers.CharField(max_length=1024, help_text="From the mail.")
    password = serializers.CharField(max_length=1024, trim_whitespace=False)


class PasswordChangeInput(InputSerializer):
    current = serializers.CharField(
        max_length=1024, trim_whitespace=False, allow_blank=True, required=False, default="", help_text="Empty where there is none yet."
    )
    new = serializers.CharField(max_length=1024, trim_whitespace=False)


class ReauthenticateInput(InputSerializer):
    """One of them: a code or a passkey where there is a second factor, else the password."""

    password = serializers.CharField(max_length=1024, trim_whitespace=False, required=False, default=None)
    code = serializers.CharField(max_length=32, required=False, default=None)
    credential = JsonObject(required=False, default=None, help_text="What `navigator.credentials.get` returned.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(value is not None for value in attrs.values()) != 1:
            raise serializers.ValidationError("Expected one of password, code, credential.", code="one_of")
        return attrs


class MfaLoginInput(InputSerializer):
    session_token = serializers.CharField(max_length=64, help_text=_FROM_STEP)
    code = serializers.CharField(max_length=32, help_text="Of the authenticator app, or a recovery code.")


class CodeInput(InputSerializer):
    code = serializers.CharField(max_length=32)


class PasskeyOptionsInput(InputSerializer):
    session_token = serializers.CharField(
        max_length=64, required=False, default=None, help_text=f"{_FROM_STEP} Without it, the passkey alone logs in."
    )


class PasskeyOptionsOutput(serializers.Serializer[Any]):
    options = JsonObject(help_text="For `navigator.credentials.get`.")
    session_token = serializers.CharField(help_text="To be sent with what it returns.")


class PasskeyLoginInput(InputSerializer):
    session_token = serializers.CharField(max_length=64)
    credential = JsonObject(help_text="What `navigator.credentials.get` returned.")


class PasskeyOfferInput(InputSerializer):
    passwordless = serializers.BooleanField(required=False, default=False, help_text="Whether it shall also log in without the password.")


class PasskeyOfferOutput(serializers.Serializer[Any]):
    options = JsonObject(help_text="For `navigator.credentials.create`.")


class PasskeyInput(InputSerializer):
    name = serializers.CharField(max_length=100)
    credential = JsonObject(help_text="What `navigator.credentials.create` returned.")
    passwordless = serializers.BooleanField(required=False, default=False)


class PasskeyNameInput(InputSerializer):
    name = serializers.CharField(max_length=100)


class PasskeyOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField(source="wrap.name")
    is_passwordless = serializers.BooleanField(source="wrap.is_passwordless", allow_null=True, help_text="Null where it did not say.")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class FactorsOutput(serializers.Serializer[Any]):
    is_on = serializers.BooleanField(help_text="Whether a login needs a second factor.")
    totp_at = serializers.DateTimeField(allow_null=True, help_text="When the authenticator app was confirmed.")
    recovery_codes_left = serializers.IntegerField(allow_null=True)
    passkeys = PasskeyOutput(many=True)


class TotpOfferOutput(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="To be typed into an authenticator app.")
    uri = serializers.CharField(help_text="`otpauth://…`, what the picture shows.")
    svg = serializers.CharField(help_text="The picture, as SVG.")


class RecoveryCodesOutput(serializers.Serializer[Any]):
    recovery_codes = serializers.ListField(
        child=serializers.CharField(), help_text="Each counts once. They are not shown again; empty where there were some already."
    )


class NewPasskeyOutput(RecoveryCodesOutput):
    passkey = PasskeyOutput()


class SessionOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(help_text="At log-in, and each time its tokens were refreshed.")
    address = serializers.CharField(help_text="Where it was opened from.")
    user_agent = serializers.CharField()
    is_current = serializers.BooleanField()


class SessionsOutput(serializers.Serializer[Any]):
    results = SessionOutput(many=True)


class EndedOutput(serializers.Serializer[Any]):
    ended = serializers.IntegerField()


_SCOPES = serializers.ListField(
    child=serializers.ChoiceField(choices=[(right.value, right.value) for right in Permission]), min_length=1, max_length=len(Permission)
)


class ApiKeyInput(InputSerializer):
    name = serializers.CharField(max_length=64)
    scopes = _SCOPES
    expires_at = serializers.DateTimeField(required=False, default=None, allow_null=True, help_text="Null: never.")


class OwnApiKeyInput(ApiKeyInput):
    workspace = serializers.UUIDField(required=False, default=None, help_text="Where it counts; without it, in the personal workspace.")


class ApiKeyOutput(serializers.ModelSerializer[ApiKey]):
    workspace = WorkspaceOutput()
    scopes = _SCOPES

    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "workspace", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]
        read_only_fields = fields


class NewApiKeyOutput(ApiKeyOutput):
    key = serializers.CharField(help_text="The key itself. It is not shown again.")

    class Meta(ApiKeyOutput.Meta):
        fields = [*ApiKeyOutput.Meta.fields, "key"]
        read_only_fields = fields


class ServiceAccountInput(InputSerializer):
    name = serializers.CharField(max_length=64)
    role = serializers.ChoiceField(choices=[role for role in BUILT_IN_ROLES if role != OWNER])


class ServiceAccountOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField(source="first_name")
    username = serializers.CharField()
    created_at = serializers.DateTimeField(source="date_joined")


class ProviderOutput(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    login_url = serializers.CharField(help_text="For the browser to go to.")


class LoginOptionsOutput(serializers.Serializer[Any]):
    is_registration_open = serializers.BooleanField()
    providers = ProviderOutput(many=True)
