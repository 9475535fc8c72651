"""People and the workspaces that own everything they make."""

from functools import cached_property
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.access import Access, access_of
from apps.accounts.permissions import BUILT_IN_ROLES, OWNER, Permission
from apps.accounts.sessions import SessionStore
from apps.core import fence
from apps.core.audit import Verb, record
from apps.core.ids import uuid7
from apps.core.models import BaseModel


class UserManager(DjangoUserManager["User"]):
    """Makes a person and the personal workspace together; `create_user` and `createsuperuser` both come through here."""

    use_in_migrations = False

    @transaction.atomic
    def _create_user(self, *args: Any, **fields: Any) -> "User":
        user: User = super()._create_user(*args, **fields)
        Workspace.objects.create_personal(owner=user)
        return user

    @transaction.atomic
    def create_superuser(self, *args: Any, **fields: Any) -> "User":
        """As Django's, for `createsuperuser` and the first start; an operator does not come without an entry in the audit log."""
        user: User = super().create_superuser(*args, **fields)
        record(Verb.USER_CREATED, user, personal_of=user.pk, after={"email": user.email, "is_superuser": True})
        return user

    async def acreate_superuser(self, *args: Any, **fields: Any) -> "User":
        return await sync_to_async(self.create_superuser)(*args, **fields)

    async def _acreate_user(self, *args: Any, **fields: Any) -> "User":
        return await sync_to_async(self._create_user)(*args, **fields)


class User(AbstractUser):
    """A person who can log in, or a service account, which only API keys speak for."""

    class Kind(models.TextChoices):
        PERSON = "person", "person"
        SERVICE = "service", "service account"

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        CHINESE = "zh", "中文"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.PERSON, editable=False)
    service_of = models.ForeignKey(
        "Workspace", on_delete=models.CASCADE, null=True, blank=True, editable=False, related_name="service_accounts"
    )
    language = models.CharField(
        max_length=8,
        choices=Language.choices,
        blank=True,
        default="",
        help_text="Of mails and pages; empty: the browser's for pages, the installation's for mails.",
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="A name of the IANA time zone database.")

    objects = UserManager()  # type: ignore[misc]  # narrows Django's own

    class Meta(AbstractUser.Meta):
        db_table = "accounts_user"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="person", service_of__isnull=True) | Q(kind="service", service_of__isnull=False, is_superuser=False),
                name="user_service_has_workspace",
            ),
        ]

    @cached_property
    def access(self) -> Access:
        """The rights of this person, as they were when first asked for: a request reads its user anew, and so do live connections."""
        return access_of(self)


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def visible_to(self, user: User) -> "WorkspaceQuerySet":
        """Workspaces that `user` may see: all for operators of the installation, else those with the person as a member."""
        return self if user.access.is_operator else self.filter(pk__in=list(user.access.permissions))

    def create_personal(self, *, owner: User) -> "Workspace":
        return self.create_owned(owner=owner, is_personal=True, name=owner.get_username()[:128])

    def create_owned(self, *, owner: User, **fields: Any) -> "Workspace":
        """Make a workspace together with the membership of its owner."""
        # Nobody is in it yet for whom the second fence would let it through.
        with fence.lifted(), transaction.atomic():
            workspace = self.create(owner=owner, **fields)
            Membership.objects.create(workspace=workspace, user=owner, role=OWNER)
        return workspace


class Workspace(BaseModel):
    """The tenant, and the organisation: every workflow, version and execution belongs to exactly one."""

    name = models.CharField(max_length=128)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="workspaces", help_text="Who made it; rights are memberships.")
    is_personal = models.BooleanField(default=False, help_text="Made with its owner's account; there is one a person.")

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        db_table = "workspace"
        constraints = [
            models.UniqueConstraint(fields=["owner"], condition=Q(is_personal=True), name="workspace_one_personal_per_owner"),
        ]

    def __str__(self) -> str:
        return self.name


class InWorkspaceQuerySet(models.QuerySet[Any]):
    """Rows about the people of a workspace, for those who may see them."""

    def visible_to(self, user: User) -> "InWorkspaceQuerySet":
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.MEMBER_VIEW))


class Role(BaseModel):
    """A role that a workspace made itself, beside the built-in ones."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="roles")
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True)
    permissions = ArrayField(models.CharField(max_length=64), default=list, help_text="Values of `Permission`.")

    objects = InWorkspaceQuerySet.as_manager()

    class Meta:
        db_table = "role"
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="role_name_unique_in_workspace")]

    def __str__(self) -> str:
        return self.name


class Membership(BaseModel):
    """One person in one workspace, with a role."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(
        max_length=16, choices=[(name, name) for name in BUILT_IN_ROLES], blank=True, help_text="A built-in role; empty: `own_role` counts."
    )
    own_role = models.ForeignKey(Role, on_delete=models.PROTECT, null=True, blank=True, related_name="memberships")

    objects = InWorkspaceQuerySet.as_manager()

    class Meta:
        db_table = "membership"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_unique"),
            models.CheckConstraint(
                condition=Q(own_role__isnull=True, role__in=list(BUILT_IN_ROLES)) | Q(own_role__isnull=False, role=""),
                name="membership_has_one_role",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}"


class Team(BaseModel):
    """People of a workspace who are granted things together."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="teams")
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True)

    objects = InWorkspaceQuerySet.as_manager()

    class Meta:
        db_table = "team"
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="team_name_unique_in_workspace")]

    def __str__(self) -> str:
        return self.name


class TeamMember(BaseModel):
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="team_memberships")

    class Meta:
        db_table = "team_member"
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="team_member_unique")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class LoginSession(AbstractBaseSession):
    """What a log-in opened, or what a browser brought before it; written by `apps.accounts.sessions`."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions", help_text="Empty: nobody is logged in.")
    login_id = models.UUIDField(null=True, help_text="Names it to its person; the key itself is a secret.")
    last_used_at = models.DateTimeField(
        auto_now=True, help_text="When it was last written: at log-in, and each time its tokens are refreshed."
    )

    class Meta:
        db_table = "login_session"

    def __str__(self) -> str:
        return f"session of {self.user_id}"

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        return SessionStore


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def visible_to(self, user: User) -> "ApiKeyQuerySet":
        """One's own, those of the service accounts that one manages, and for operators all."""
        access = user.access
        if access.is_operator:
            return self
        managed = access.workspaces_with(Permission.MEMBER_MANAGE)
        return self.filter(Q(user=user) | Q(user__service_of__in=managed))


class ApiKey(BaseModel):
    """What a program sends instead of logging in: the rights of its owner in one workspace, and of those only the scopes."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys", help_text="Whom it speaks for.")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=64)
    prefix = models.CharField(max_length=16, help_text="How it begins, to be recognised by.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the key, in hex. The key itself is kept nowhere.")
    scopes = ArrayField(models.CharField(max_length=64), help_text="Values of `Permission`.")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField(null=True, help_text="Empty: never.")
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        db_table = "api_key"
        constraints = [models.CheckConstraint(condition=Q(scopes__len__gt=0), name="api_key_has_scopes")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class InvitationQuerySet(InWorkspaceQuerySet):
    def open(self) -> "InvitationQuerySet":
        """Those that can still be accepted."""
        return self.filter(accepted_at__isnull=True, revoked_at__isnull=True, expires_at__gt=Now())

    def visible_to(self, user: User) -> "InvitationQuerySet":
        """Those of workspaces in which `user` may invite."""
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.MEMBER_MANAGE))

    def naming(self, username: str, addresses: list[str]) -> "InvitationQuerySet":
        """Those that name somebody by username or by one of these addresses, in small letters."""
        return self.filter(Q(username=username) | Q(email__in=addresses))


class Invitation(BaseModel):
    """Somebody asked into a workspace, by address or by username, who may not even have an account."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        ACCEPTED = "accepted", "accepted"
        REVOKED = "revoked", "revoked"
        EXPIRED = "expired", "expired"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(blank=True, help_text="In small letters; empty: the username counts.")
    username = models.CharField(max_length=150, blank=True)
    role = models.CharField(max_length=16, choices=[(name, name) for name in BUILT_IN_ROLES], blank=True)
    own_role = models.ForeignKey(Role, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token, in hex. The token itself is kept nowhere.")
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        db_table = "invitation"
        constraints = [
            models.CheckConstraint(
                condition=~Q(email="") & Q(username="") | Q(email="") & ~Q(username=""), name="invitation_names_one_party"
            ),
            models.CheckConstraint(
                condition=Q(own_role__isnull=True, role__in=list(BUILT_IN_ROLES)) | Q(own_role__isnull=False, role=""),
                name="invitation_has_one_role",
            ),
        ]
        indexes = [
            models.Index(fields=["email"], name="invitation_email", condition=~Q(email="")),
            models.Index(fields=["username"], name="invitation_username", condition=~Q(username="")),
        ]

    def __str__(self) -> str:
        return f"{self.email or self.username} into {self.workspace}"

    @property
    def status(self) -> Status:
        if self.accepted_at is not None:
            return self.Status.ACCEPTED
        if self.revoked_at is not None:
            return self.Status.REVOKED
        return self.Status.OPEN if self.expires_at > timezone.now() else self.Status.EXPIRED
