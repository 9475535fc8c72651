"""Shapes of workspaces, members, roles, teams and invitations; input apart from output."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.models import Invitation, Membership, Role, Team, TeamMember, User, Workspace
from apps.accounts.permissions import Permission, permissions_of
from apps.core.api.serializers import InputSerializer

PERMISSIONS = [permission.value for permission in Permission]
ROLE_HELP = "owner, admin, builder, operator, viewer, or the id of one of the workspace's own roles."


class RoleField(serializers.CharField):
    """A role as it is named from outside."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, help_text=ROLE_HELP, **options)


class WorkspaceInput(InputSerializer):
    name = serializers.CharField(max_length=128)
    description = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)


class WorkspaceChangeInput(InputSerializer):
    name = serializers.CharField(max_length=128, required=False, default=None)
    description = serializers.CharField(max_length=10_000, required=False, default=None, allow_blank=True)


class ConfirmQuery(InputSerializer):
    confirm = serializers.CharField(max_length=128, required=False, default=None, help_text="The name of the workspace.")


class RoleInput(InputSerializer):
    name = serializers.CharField(max_length=64)
    description = serializers.CharField(max_length=1_000, required=False, default="", allow_blank=True)
    permissions = serializers.ListField(child=serializers.ChoiceField(choices=PERMISSIONS), max_length=100)


class RoleChangeInput(InputSerializer):
    name = serializers.CharField(max_length=64, required=False, default=None)
    description = serializers.CharField(max_length=1_000, required=False, default=None, allow_blank=True)
    permissions = serializers.ListField(child=serializers.ChoiceField(choices=PERMISSIONS), max_length=100, required=False, default=None)


class MemberChangeInput(InputSerializer):
    role = RoleField()


class TeamInput(InputSerializer):
    name = serializers.CharField(max_length=64)
    description = serializers.CharField(max_length=1_000, required=False, default="", allow_blank=True)


class TeamChangeInput(InputSerializer):
    name = serializers.CharField(max_length=64, required=False, default=None)
    description = serializers.CharField(max_length=1_000, required=False, default=None, allow_blank=True)


class InvitationInput(InputSerializer):
    email = serializers.EmailField(max_length=254, required=False, default="", help_text="This or `username`.")
    username = serializers.CharField(max_length=150, required=False, default="", help_text="This or `email`.")
    role = RoleField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if bool(attrs["email"]) == bool(attrs["username"]):
            raise serializers.ValidationError("Expected either an email or a username.", code="one_party")
        return attrs


class AcceptInput(InputSerializer):
    token = serializers.CharField(max_length=128, required=False, default="", help_text="Out of the mail. This or `invitation`.")
    invitation = serializers.UUIDField(required=False, default=None, help_text="The id of one that GET /invitations lists.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if bool(attrs["token"]) == (attrs["invitation"] is not None):
            raise serializers.ValidationError("Expected either a token or an invitation.", code="one_way")
        return attrs


class PermissionOutput(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=PERMISSIONS)
    description = serializers.CharField()


class WorkspaceDetailOutput(serializers.ModelSerializer[Workspace]):
    """The reader's role and rights are part of it, so that a client knows which buttons to show."""

    role = serializers.SerializerMethodField(help_text=f"The caller's: {ROLE_HELP} Null for an operator who is no member.")
    role_name = serializers.SerializerMethodField(help_text="As people read it.")
    permissions = serializers.SerializerMethodField(help_text="What the caller may do here.")

    class Meta:
        model = Workspace
        fields = ["id", "name", "description", "is_personal", "role", "role_name", "permissions", "created_at", "updated_at"]
        read_only_fields = fields

    def get_role(self, workspace: Any) -> str | None:
        return workspace.my_role or (str(workspace.my_own_role) if workspace.my_own_role else None)

    def get_role_name(self, workspace: Any) -> str | None:
        return workspace.my_role or workspace.my_own_role_name

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=PERMISSIONS)))
    def get_permissions(self, workspace: Workspace) -> list[str]:
        return sorted(self.context["user"].access.permissions_in(workspace.pk))


class PersonOutput(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "username", "first_name", "last_name"]
        read_only_fields = fields


class WithRole(serializers.Serializer[Any]):
    """Base of what has a role."""

    role = serializers.SerializerMethodField(help_text=ROLE_HELP)
    role_name = serializers.SerializerMethodField(help_text="As people read it.")

    def get_role(self, row: Membership | Invitation) -> str:
        return row.role or str(row.own_role_id)

    def get_role_name(self, row: Membership | Invitation) -> str:
        return row.role or row.own_role.name  # type: ignore[union-attr]  # it has one of the two


class MemberOutput(WithRole):
    user = PersonOutput()
    email = serializers.SerializerMethodField(help_text="Null unless the caller may manage members.")
    joined_at = serializers.DateTimeField(source="created_at")

    def get_email(self, membership: Membership) -> str | None:
        return membership.user.email if self.context["shows_addresses"] else None


class RoleOutput(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="What members and invitations name it by; its name for a built-in role.")
    name = serializers.CharField()
    description = serializers.CharField()
    is_built_in = serializers.BooleanField(help_text="It is in every workspace, and cannot be changed.")
    permissions = serializers.ListField(child=serializers.ChoiceField(choices=PERMISSIONS))
    member_count = serializers.IntegerField(allow_null=True, help_text="Null for built-in roles.")


class TeamOutput(serializers.ModelSerializer[Team]):
    member_count = serializers.IntegerField()

    class Meta:
        model = Team
        fields = ["id", "name", "description", "member_count", "created_at", "updated_at"]
        read_only_fields = fields


class TeamMemberOutput(serializers.ModelSerializer[TeamMember]):
    user = PersonOutput()
    joined_at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = TeamMember
        fields = ["user", "joined_at"]
        read_only_fields = fields


class InvitationOutput(WithRole):
    id = serializers.UUIDField()
    email = serializers.CharField(help_text="Empty where a username was invited.")
    username = serializers.CharField(help_text="Empty where an address was invited. It need not be anybody's.")
    status = serializers.ChoiceField(choices=Invitation.Status.choices)
    invited_by = serializers.CharField(source="invited_by.username", default=None, allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class WorkspaceNameOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class OwnInvitationOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    workspace = WorkspaceNameOutput()
    role_name = serializers.SerializerMethodField()
    invited_by = serializers.CharField(source="invited_by.username", default=None, allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()

    def get_role_name(self, invitation: Invitation) -> str:
        return invitation.role or invitation.own_role.name  # type: ignore[union-attr]


def own_role_output(role: Role) -> dict[str, Any]:
    """One of the workspace's own roles as RoleOutput has it; `member_count` was annotated, or nobody has it yet."""
    return {
        "id": str(role.pk),
        "name": role.name,
        "description": role.description,
        "is_built_in": False,
        "permissions": sorted(permissions_of("", role.permissions)),
        "member_count": getattr(role, "member_count", 0),
    }
