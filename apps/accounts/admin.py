"""People and workspaces in the admin."""

from collections.abc import Callable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Exists, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.actions import create_personal_workspace, deactivate_user
from apps.accounts.api_keys import revoke_key
from apps.accounts.mfa import SECOND_FACTORS, reset_mfa
from apps.accounts.models import ApiKey, Invitation, Membership, Role, Team, TeamMember, User, Workspace
from apps.accounts.profile import end_sessions
from apps.core.admin import Audited, IdSearch, ReadOnlyAdmin, ReadOnlyInline, badge
from apps.core.admin_export import Exported

SHOWN_NAMES = 20

admin.site.unregister(Group)
# Addresses stand in the account itself; secrets of second factors and of providers are for nobody's eyes.
for allauth_model in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(allauth_model)

_SECOND_FACTOR = Exists(Authenticator.objects.filter(user=OuterRef("pk"), type__in=SECOND_FACTORS))


class MfaFilter(admin.SimpleListFilter):
    title = "second factor"
    parameter_name = "mfa"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("on", "On"), ("off", "Off")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset if self.value() is None else queryset.filter(_SECOND_FACTOR if self.value() == "on" else ~_SECOND_FACTOR)


@admin.register(User)
class UserAdmin(Audited, Exported, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # unfold has no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "kind", "state", "rights", "has_mfa", "last_login")
    list_filter = ("is_active", "kind", MfaFilter, "is_staff", "is_superuser", ("last_login", RangeDateTimeFilter), "groups")
    list_filter_submit = True
    ordering = ("username",)
    actions = ("deactivate", "end_all_sessions", "reset_second_factors")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).annotate(has_second_factor=_SECOND_FACTOR)

    @admin.display(description="name", ordering="first_name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "–"

    @admin.display(description="status", ordering="is_active")
    def state(self, user: User) -> str:
        return badge("active", "check_circle", "good") if user.is_active else badge("inactive", "do_not_disturb_on", "none")

    @admin.display(description="in the admin", ordering="-is_superuser")
    def rights(self, user: User) -> str:
        return "everything" if user.is_superuser else "as staff" if user.is_staff else "–"

    @admin.display(description="second factor")
    def has_mfa(self, user: User) -> str:
        return "on" if user.has_second_factor else "–"  # type: ignore[attr-defined]  # annotated above

    @admin.action(description="Deactivate: no login, sessions and keys end", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        others = queryset.exclude(pk=request.user.pk)  # nobody locks the door behind himself
        self._each(request, others, lambda user: deactivate_user(user=user), "were deactivated")

    @admin.action(description="End all sessions", permissions=["change"])
    def end_all_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, lambda user: end_sessions(user=user), "were logged out")

    @admin.action(description="Remove second factors", permissions=["change"])
    def reset_second_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, lambda user: reset_mfa(user=user), "have no second factor any more")

    def _each(self, request: HttpRequest, users: QuerySet[User], verb: Callable[[User], Any], done: str) -> None:
        count = 0
        for user in users:
            verb(user)
            count += 1
            super(Audited, self).log_change(request, user, f"Accounts {done}.")  # the verb is in the audit log by itself
        self.message_user(request, f"{count} accounts {done}.")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            create_personal_workspace(user=obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A person's work and history name the account: it is made inactive instead."""
        return False


@admin.register(Group)
class GroupAdmin(Audited, Exported, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
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


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "prefix", "user", "workspace", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter = (("user", AutocompleteSelectFilter), ("workspace", AutocompleteSelectFilter), ("last_used_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("user", "workspace")
    page_select_related = ("user", "workspace", "created_by")
    search_fields = ("name", "prefix", "user__username", "workspace__name")
    exclude = ("digest",)
    ordering = ("-created_at",)
    actions = ("revoke",)

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        count = 0
        for key in queryset.filter(revoked_at__isnull=True):
            revoke_key(key=key)
            count += 1
            self.log_change(request, key, "Revoked.")
        self.message_user(request, f"{count} keys were revoked.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")  # type: ignore[union-attr]  # the admin lets in no anonymous caller
