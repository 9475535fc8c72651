from django.urls import path

from apps.accounts.api.tenancy.invitations import AcceptView, InvitationsView, InvitationView, OwnInvitationsView, ResendView
from apps.accounts.api.tenancy.members import MembersView, MemberView
from apps.accounts.api.tenancy.roles import RolesView, RoleView
from apps.accounts.api.tenancy.teams import TeamMembersView, TeamMemberView, TeamsView, TeamView
from apps.accounts.api.tenancy.workspaces import LeaveView, PermissionsView, WorkspacesView, WorkspaceView

WORKSPACE = "workspaces/<uuid:workspace_id>"
TEAM = f"{WORKSPACE}/teams/<uuid:team_id>"
INVITATION = f"{WORKSPACE}/invitations/<uuid:invitation_id>"

urlpatterns = [
    path("permissions", PermissionsView.as_view(), name="permissions"),
    path("workspaces", WorkspacesView.as_view(), name="workspaces"),
    path(WORKSPACE, WorkspaceView.as_view(), name="workspace"),
    path(f"{WORKSPACE}/leave", LeaveView.as_view(), name="leave-workspace"),
    path(f"{WORKSPACE}/members", MembersView.as_view(), name="members"),
    path(f"{WORKSPACE}/members/<uuid:user_id>", MemberView.as_view(), name="member"),
    path(f"{WORKSPACE}/roles", RolesView.as_view(), name="roles"),
    path(f"{WORKSPACE}/roles/<uuid:role_id>", RoleView.as_view(), name="role"),
    path(f"{WORKSPACE}/teams", TeamsView.as_view(), name="teams"),
    path(TEAM, TeamView.as_view(), name="team"),
    path(f"{TEAM}/members", TeamMembersView.as_view(), name="team-members"),
    path(f"{TEAM}/members/<uuid:user_id>", TeamMemberView.as_view(), name="team-member"),
    path(f"{WORKSPACE}/invitations", InvitationsView.as_view(), name="invitations"),
    path(INVITATION, InvitationView.as_view(), name="invitation"),
    path(f"{INVITATION}/resend", ResendView.as_view(), name="resend-invitation"),
    path("invitations", OwnInvitationsView.as_view(), name="own-invitations"),
    path("invitations/accept", AcceptView.as_view(), name="accept-invitation"),
]
