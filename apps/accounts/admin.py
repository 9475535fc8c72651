"""People and workspaces in the admin."""

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.actions import create_personal_workspace
from apps.accounts.models import Invitation, Membership, Role, Team, TeamMember, User, Workspace
from apps.core.admin import IdSearch, ReadOnlyAdmin, ReadOnlyInline

SHOWN_NAMES = 20

admin.site.unregister(Group)
admin.site.unregister(EmailAddress)  # addresses stand in the account itself


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # unfold has no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    ordering = ("username",)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            create_personal_workspace(user=obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A person's work and history name the account: it is made inactive instead."""
        return False


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    pass


class _WorkspaceInline(ReadOnlyInline):
    """What belongs to a workspace, on its page."""

    per_page = 20
    tab = True


class MembershipInline(_WorkspaceInline):
    model = Membership
    fields = ("user", "role", "own_role", "created_at")
    page_select_related = ("workspace", "user", "own_role")
    verbose_name_plural = "members"


class RoleInline(_WorkspaceInline):
    model = Role
    fields = ("name", "description", "permissions")


class TeamInline(_WorkspaceInline):
    model = Team
    fields = ("name", "description", "member_names")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        people = TeamMember.objects.select_related("user").order_by("user__username")
        return super().get_queryset(request).prefetch_related(Prefetch("members", people))

    @admin.display(description="members")
    def member_names(self, team: Team) -> str:
        names = [member.user.get_username() for member in team.members.all()]
        more = len(names) - SHOWN_NAMES
        return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


class InvitationInline(_WorkspaceInline):
    model = Invitation
    fk_name = "workspace"
    fields = ("party", "role", "own_role", "status_name", "invited_by", "created_at", "expires_at")
    page_select_related = ("workspace", "own_role", "invited_by")

    @admin.display(description="for")
    def party(self, invitation: Invitation) -> str:
        return invitation.email or invitation.username

    @admin.display(description="status")
    def status_name(self, invitation: Invitation) -> str:
        return invitation.status.label


@admin.register(Workspace)
class WorkspaceAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("name", "owner", "is_personal", "member_count", "open_invitations", "created_at")
    list_filter = ("is_personal", ("owner", AutocompleteSelectFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("owner",)
    page_select_related = ("owner",)
    search_fields = ("name", "description", "owner__username", "owner__email")
    search_help_text = "Name, description, owner, or id"
    ordering = ("-created_at",)
    fields = ("name", "description", "owner", "is_personal", "created_at", "updated_at")
    inlines = (MembershipInline, RoleInline, TeamInline, InvitationInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        # Counted for the rows of the page alone; joins would multiply members by invitations.
        members = Membership.objects.filter(workspace=OuterRef("pk"))
        invited = Invitation.objects.open().filter(workspace=OuterRef("pk"))
        return super().get_queryset(request).annotate(members=_count(members), invited=_count(invited))

    @admin.display(description="members", ordering="members")
    def member_count(self, workspace: Workspace) -> int:
        return workspace.members  # type: ignore[attr-defined]  # annotated above

    @admin.display(description="open invitations", ordering="invited")
    def open_invitations(self, workspace: Workspace) -> int:
        return workspace.invited  # type: ignore[attr-defined]


def _count(rows: QuerySet[Any]) -> Coalesce:
    counted = rows.order_by().values("workspace").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), 0)
