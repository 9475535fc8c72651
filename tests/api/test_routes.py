"""Every address against every kind of caller. A new address fails here until it is listed."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.actions import create_user
from apps.accounts.models import Membership, User, Workspace
from apps.accounts.permissions import BUILT_IN_ROLES, Permission, Permissions
from apps.audit.models import AuditEntry
from apps.executions.models import Execution, FollowUp
from apps.notifications.models import Delivery
from apps.tasks.discussing import attach
from apps.tasks.links import task_token
from apps.tasks.models import HumanTask
from apps.triggers.models import ScheduleAlert, Webhook, WebhookCall
from apps.workflows.drafts import keep_draft
from apps.workflows.levels import PERMISSIONS
from apps.workflows.models import Grant, Workflow
from tests.api.clients import ORDER, ApiClient, client_of, make_organisation, make_workflow
from tests.api.workspaces import join, make_folder, make_team, share, workspace_of
from tests.database import Snapshot
from tests.workers.driving import drive, run_queued

pytestmark = pytest.mark.django_db

P = Permission
PUBLIC = {
    "",
    "favicon.ico",
    "health",
    "health/live",
    "health/ready",
    "api/schema",
    "api/docs",
    "api/v1/auth/options",
    "api/v1/auth/register",
    "api/v1/auth/login",
    "api/v1/auth/login/mfa",
    "api/v1/auth/login/passkey",
    "api/v1/auth/login/passkey/options",
    "api/v1/auth/refresh",
    "api/v1/auth/logout",
    "api/v1/auth/session",  # reads the cookie alone
    "api/v1/auth/email/verify",
    "api/v1/auth/password/reset",
    "api/v1/auth/password/reset/confirm",
    "api/v1/auth/oidc/login",
    "api/v1/auth/oidc/callback",
    "api/v1/resume/<str:token>",
    "hooks/<str:token>",
    "hooks/test/<str:token>",
    r"hooks/^(?P<token>[0-9a-f]+)(?P<tail>/.*)$",
    r"hooks/^test/(?P<token>[0-9a-f]+)(?P<tail>/.*)$",
    "api/v1/shared/<str:token>",
    "api/v1/shared/<str:token>/executions",
    "api/v1/shared/<str:token>/executions/<uuid:execution_id>",
    "api/v1/shared/<str:token>/executions/<uuid:execution_id>/output",
}

# For browsers: whoever has not logged in is sent to do so; tests/api/test_task_pages.py asks for the rest.
PAGES = {"tasks", "tasks/login", "tasks/logout", "tasks/open/<str:task_token>", "tasks/<int:task_id>"}


@dataclass(frozen=True)
class Route:
    """One method of one address.

    ok       status for its owner
    others   status for another person: 404 where it names what somebody owns
    needs    the right that it takes, in the workspace of what it names or by a share of that; None: to see it is enough
    refused  status for those who may see it, but lack that right
    apart    its rights have a test of their own
    body     JSON with names of `things` in braces
    """

    method: str
    path: str
    ok: int = 200
    others: int = 404
    refused: int = 403
    needs: Permission | None = None
    apart: bool = False
    body: Any = field(default=None, hash=False)

    @property
    def address(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]


SECRET_NAME = "the ledger of Ada"
LIMITS = {"max_running": 10, "max_seconds": None, "each_person": 5, "people": []}
START = {"input": {"amount": 1}}
SCHEDULE = {"workflow": "<workflow_id>", "name": "another", "cron_expr": "0 6 * * *", **START}
LISTEN = {"workflow": "<hooked_workflow_id>"}
BACKFILL = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-03T00:00:00Z"}
KEY = {"name": "ci", "scopes": ["workflow.view"]}
FAR_OFF = "2100-01-01T00:00:00Z"
SERVICE_ACCOUNTS = "workspaces/<uuid:workspace_id>/service-accounts"
SERVICE_ACCOUNT = f"{SERVICE_ACCOUNTS}/<uuid:account_id>"
EXPORT = {"structforge": 1, "kind": "bundle", "workflows": []}
CREDENTIAL = {"name": "key", "type": "bearer", "fields": {"token": "a-secret-token"}, "allowed_hosts": ["api.example.com"]}
SERVICE = {"name": "another", "base_url": "https://api.example.com"}
PROCESS = {"name": "another", "steps": [{"type": "timer_event", "config": {"duration": "2h"}}]}
STEP = {"name": "another", "executor_type": "shell", "executor_config": {"command": "true"}}
TEMPLATE = {"name": "another", "steps": [{"step_id": 2**40}]}
ROUTES = [
    Route("get", "users/me", others=200),
    Route("patch", "users/me", others=200, body={"language": "zh"}),
    Route("get", "users/me/sessions", others=200),
    Route("delete", "users/me/sessions", others=200),
    Route("delete", "users/me/sessions/<uuid:session_id>", ok=404, apart=True),
    Route("get", "users/me/mfa", others=200),
    Route("post", "users/me/mfa/totp", others=200),
    Route("delete", "users/me/mfa/totp", ok=404, apart=True),
    Route("post", "users/me/mfa/totp/confirm", ok=422, others=422, body={"code": "none"}),
    Route("post", "users/me/mfa/recovery-codes", ok=409, others=409),
    Route("post", "users/me/mfa/passkeys/options", others=200),
    Route("post", "users/me/mfa/passkeys", ok=422, others=422, body={"name": "x", "credential": {}}),
    Route("patch", "users/me/mfa/passkeys/<int:passkey_id>", ok=404, apart=True, body={"name": "x"}),
    Route("delete", "users/me/mfa/passkeys/<int:passkey_id>", ok=404, apart=True),
    Route("get", "users/me/api-keys", others=200),
    Route("post", "users/me/api-keys", ok=201, others=201, body=KEY),
    Route("delete", "users/me/api-keys/<uuid:key_id>", ok=204, apart=True),
    Route("post", "auth/reauthenticate", ok=403, others=403, body={"password": "they have none"}),
    Route("post", "auth/reauthenticate/options", ok=403, others=403),
    Route("post", "auth/password/change", ok=422, others=422, body={"new": "short"}),
    Route("get", SERVICE_ACCOUNTS, apart=True),
    Route("post", SERVICE_ACCOUNTS, ok=201, apart=True, body={"name": "deployer", "role": "viewer"}),
    Route("get", f"{SERVICE_ACCOUNT}/api-keys", apart=True),
    Route("post", f"{SERVICE_ACCOUNT}/api-keys", ok=201, apart=True, body=KEY),
    Route("delete", f"{SERVICE_ACCOUNT}/api-keys/<uuid:key_id>", ok=404, apart=True),  # it is a key of Ada herself
    Route("delete", SERVICE_ACCOUNT, ok=204, apart=True),
    Route("get", "definition-schema", others=200),
    Route("get", "node-types", others=200),
    Route("get", "node-types/<str:name>", others=200),
    Route("post", "expressions/check", others=200, body={"expression": "1 + 1"}),
    Route("get", "permissions", others=200),
    Route("get", "workspaces", others=200),
    Route("post", "workspaces", ok=201, others=201, body={"name": "another"}),
    Route("get", "workspaces/<uuid:workspace_id>", apart=True),
    Route("patch", "workspaces/<uuid:workspace_id>", body={"description": "new"}, apart=True),
    Route("delete", "workspaces/<uuid:workspace_id>", ok=204, apart=True),
    Route("post", "workspaces/<uuid:workspace_id>/leave", ok=409, apart=True),
    Route("get", "workspaces/<uuid:workspace_id>/members", apart=True),
    Route("patch", "workspaces/<uuid:workspace_id>/members/<uuid:user_id>", ok=409, body={"role": "viewer"}, apart=True),
    Route("delete", "workspaces/<uuid:workspace_id>/members/<uuid:user_id>", ok=409, apart=True),
    Route("get", "workspaces/<uuid:workspace_id>/roles", apart=True),
    Route("post", "workspaces/<uuid:workspace_id>/roles", ok=201, body={"name": "new", "permissions": ["workflow.view"]}, apart=True),
    Route("get", "workspaces/<uuid:workspace_id>/roles/<uuid:role_id>", apart=True),
    Route("patch", "workspaces/<uuid:workspace_id>/roles/<uuid:role_id>", body={"description": "new"}, apart=True),
    Route("delete", "workspaces/<uuid:workspace_id>/roles/<uuid:role_id>", ok=204, apart=True),
    Route("get", "workspaces/<uuid:workspace_id>/teams", apart=True),
    Route("post", "workspaces/<uuid:workspace_id>/teams", ok=201, body={"name": "new"}, apart=True),
    Route("get", "workspaces/<uuid:workspace_id>/teams/<uuid:team_id>", apart=True),
    Route("patch", "workspaces/<uuid:workspace_id>/teams/<uuid:team_id>", body={"description": "new"}, apart=True),
    Route("delete", "workspaces/<uuid:workspace_id>/teams/<uuid:team_id>", ok=204, apart=True),
    Route("get", "workspaces/<uuid:workspace_id>/teams/<uuid:team_id>/members", apart=True),
    Route("put", "workspaces/<uuid:workspace_id>/teams/<uuid:team_id>/members/<uuid:user_id>", apart=True),
    Route("delete", "workspaces/<uuid:workspace_id>/teams/<uuid:team_id>/members/<uuid:user_id>", ok=204, apart=True),
    Route("get", "workspaces/<uuid:workspace_id>/invitations", apart=True),
    Route("post", "workspaces/<uuid:workspace_id>/invitations", ok=201, body={"username": "carl", "role": "viewer"}, apart=True),
    Route("delete", "workspaces/<uuid:workspace_id>/invitations/<uuid:invitation_id>", ok=204, apart=True),
    Route("post", "workspaces/<uuid:workspace_id>/invitations/<uuid:invitation_id>/resend", apart=True),
    Route("get", "invitations", others=200),
    Route("post", "invitations/accept", ok=404, others=404, body={"token": "never given"}),
    Route("get", "workflows", others=200),
    Route("post", "workflows", ok=201, others=201, body={"definition": {**ORDER, "name": "another"}}),
    Route("post", "workflows/validate", others=200, body={"definition": ORDER}),
    Route("get", "workflows/<uuid:workflow_id>"),
    Route("patch", "workflows/<uuid:workflow_id>", needs=P.WORKFLOW_EDIT, body={"description": "new"}),
    Route("delete", "workflows/<uuid:workflow_id>", ok=409, needs=P.WORKFLOW_MANAGE),
    Route("get", "workflows/<uuid:workflow_id>/versions", needs=P.WORKFLOW_VIEW),
    Route("post", "workflows/<uuid:workflow_id>/versions", needs=P.WORKFLOW_EDIT, body={"definition": {**ORDER, "name": SECRET_NAME}}),
    Route("get", "workflows/<uuid:workflow_id>/versions/<int:number>", needs=P.WORKFLOW_VIEW),
    Route("post", "workflows/<uuid:workflow_id>/versions/<int:number>/publish", needs=P.WORKFLOW_EDIT),
    Route("post", "workflows/<uuid:workflow_id>/unpublish", needs=P.WORKFLOW_EDIT),
    Route("get", "workflow-templates", others=200),
    Route("post", "workflow-templates", ok=201, others=201, body={"definition": ORDER}),
    Route("get", "workflow-templates/categories", others=200),
    Route("get", "workflow-templates/<uuid:template_id>", apart=True),
    Route("patch", "workflow-templates/<uuid:template_id>", apart=True, body={"description": "new"}),
    Route("delete", "workflow-templates/<uuid:template_id>", ok=204, apart=True),
    Route("get", "workflow-templates/<uuid:template_id>/picture.svg", apart=True),
    Route("put", "workflow-templates/<uuid:template_id>/rating", apart=True, body={"stars": 5}),
    Route("delete", "workflow-templates/<uuid:template_id>/rating", apart=True),
    Route("get", "workflow-templates/<uuid:template_id>/shares", apart=True),
    Route("put", "workflow-templates/<uuid:template_id>/shares", apart=True, body={"users": []}),
    Route("post", "workflow-templates/<uuid:template_id>/use", ok=201, apart=True, body={"name": "made of it"}),
    Route("get", "node-templates", others=200),
    Route("post", "node-templates", ok=201, others=201, body={"name": "pause", "type": "control.delay", "config": {"seconds": 1}}),
    Route("get", "node-templates/<uuid:node_template_id>", apart=True),
    Route("patch", "node-templates/<uuid:node_template_id>", apart=True, body={"description": "new"}),
    Route("delete", "node-templates/<uuid:node_template_id>", ok=204, apart=True),
    Route("get", "workflows/groups", others=422, ok=422),
    Route("put", "workflows/<uuid:workflow_id>/tags", body={"tags": ["new"]}, apart=True),
    Route("put", "workflows/<uuid:workflow_id>/favourite", ok=204, apart=True),
    Route("delete", "workflows/<uuid:workflow_id>/favourite", ok=204, apart=True),
    Route("post", "workflows/<uuid:workflow_id>/archive", apart=True),
    Route("post", "workflows/<uuid:workflow_id>/unarchive", apart=True),
    Route("put", "workflows/<uuid:workflow_id>/owner", body={"user": "ada"}, apart=True),
    Route("post", "workflows/<uuid:workflow_id>/transfer", ok=409, body={"workspace": "<second_workspace_id>"}, apart=True),
    Route("get", "workflows/<uuid:workflow_id>/shares", apart=True),
    Route("post", "workflows/<uuid:workflow_id>/shares", ok=201, body={"user": "ada", "level": "viewer"}, apart=True),
    Route("patch", "workflows/<uuid:workflow_id>/shares/<uuid:share_id>", body={"level": "editor"}, apart=True),
    Route("delete", "workflows/<uuid:workflow_id>/shares/<uuid:share_id>", ok=204, apart=True),
    Route("get", "workflows/<uuid:workflow_id>/links", apart=True),
    Route("post", "workflows/<uuid:workflow_id>/links", ok=201, body={"level": "viewer"}, apart=True),
    Route("get", "workflows/<uuid:workflow_id>/links/<uuid:link_id>", apart=True),
    Route("delete", "workflows/<uuid:workflow_id>/links/<uuid:link_id>", ok=204, apart=True),
    Route("get", "folders", others=200),
    Route("post", "folders", ok=201, others=201, body={"name": "another"}),
    Route("get", "folders/<uuid:folder_id>", apart=True),
    Route("patch", "folders/<uuid:folder_id>", body={"name": "new"}, apart=True),
    Route("delete", "folders/<uuid:folder_id>", ok=204, apart=True),
    Route("get", "folders/<uuid:folder_id>/shares", apart=True),
    Route("post", "folders/<uuid:folder_id>/shares", ok=201, body={"user": "ada", "level": "viewer"}, apart=True),
    Route("patch", "folders/<uuid:folder_id>/shares/<uuid:share_id>", ok=404, body={"level": "editor"}, apart=True),
    Route("delete", "folders/<uuid:folder_id>/shares/<uuid:share_id>", ok=404, apart=True),
    Route("get", "tags", others=200),
    Route("post", "tags", ok=201, others=201, body={"name": "another"}),
    Route("get", "tags/<uuid:tag_id>", apart=True),
    Route("patch", "tags/<uuid:tag_id>", body={"name": "new"}, apart=True),
    Route("delete", "tags/<uuid:tag_id>", ok=204, apart=True),
    Route("post", "tags/<uuid:tag_id>/merge", body={"into": "<tag_id>"}, apart=True),
    Route("post", "shared/<str:token>/accept", others=200),
    Route("post", "workflows/<uuid:workflow_id>/versions/<int:number>/rollback", needs=P.WORKFLOW_EDIT),
    Route("get", "workflows/<uuid:workflow_id>/compare?from=1&to=1", needs=P.WORKFLOW_VIEW),
    Route("get", "workflows/<uuid:workflow_id>/draft", apart=True),
    Route("put", "workflows/<uuid:workflow_id>/draft", needs=P.WORKFLOW_EDIT, body={"definition": ORDER}),
    Route("delete", "workflows/<uuid:workflow_id>/draft", ok=204, apart=True),
    Route("post", "workflows/<uuid:workflow_id>/draft/save", apart=True),
    Route("get", "workflows/<uuid:workflow_id>/export", needs=P.WORKFLOW_VIEW),
    Route("get", "workflows/export?ids=<uuid:workflow_id>", needs=P.WORKFLOW_VIEW),
    Route("post", "workflows/import", others=200, body=EXPORT),
    Route("get", "workspaces/<uuid:workspace_id>/version-retention", apart=True),
    Route("put", "workspaces/<uuid:workspace_id>/version-retention", apart=True, body={"keep": 10}),
    Route("get", "credential-types", others=200),
    Route("get", "credentials", others=200),
    Route("post", "credentials", ok=201, others=201, body=CREDENTIAL),
    Route("get", "credentials/<uuid:credential_id>", apart=True),
    Route("patch", "credentials/<uuid:credential_id>", apart=True, body={"name": "new"}),
    Route("delete", "credentials/<uuid:credential_id>", ok=204, apart=True),
    Route("post", "credentials/<uuid:credential_id>/test", apart=True),
    Route("get", "credentials/<uuid:credential_id>/grants", apart=True),
    Route("post", "credentials/<uuid:credential_id>/grants", ok=201, apart=True, body={"user": "<friend_id>", "level": "owner"}),
    Route("delete", "credentials/<uuid:credential_id>/grants/<uuid:grant_id>", ok=204, apart=True),
    Route("get", "workspaces/<uuid:workspace_id>/limits", apart=True),
    Route("put", "workspaces/<uuid:workspace_id>/limits", apart=True, body=LIMITS),
    Route("get", "limits", ok=403, others=403),
    Route("put", "limits", ok=403, others=403, body={"max_running": 10, "max_seconds": None}),
    Route("get", "executions", others=200),
    Route("post", "executions", ok=409, needs=P.WORKFLOW_RUN, body={"workflow": "<workflow_id>", **START}),
    Route("post", "executions", ok=202, needs=P.WORKFLOW_RUN, body={"version": "<version_id>", **START}),
    Route("post", "executions/bulk", ok=202, needs=P.WORKFLOW_RUN, body={"version": "<version_id>", "starts": [START]}),
    Route(
        "post",
        "workflows/<uuid:workflow_id>/migrate",
        ok=422,
        needs=P.EXECUTION_OPERATE,
        body={"from_version": 1, "to_version": 1},
    ),
    Route("get", "executions/uncertain", others=200),
    Route("get", "executions/rerun-bulk", others=200),
    Route("post", "executions/rerun-bulk", ok=202, others=422, body={"from": "start"}),
    Route("get", "executions/rerun-bulk/<uuid:bulk_id>", apart=True),
    Route("post", "executions/rerun-bulk/<uuid:bulk_id>/cancel", apart=True),
    Route("get", "executions/<uuid:execution_id>"),
    Route("get", "executions/<uuid:execution_id>/output"),
    Route("get", "executions/<uuid:execution_id>/events"),
    Route("get", "executions/<uuid:execution_id>/nodes"),
    Route("get", "executions/<uuid:execution_id>/iterations"),
    Route("get", "executions/<uuid:execution_id>/nodes/<str:key>"),
    Route("get", "executions/<uuid:execution_id>/nodes/<str:key>/output"),
    Route("post", "executions/<uuid:execution_id>/nodes/<str:key>/resolve", ok=409, needs=P.EXECUTION_OPERATE, body={"decision": "rerun"}),
    Route("get", "executions/<uuid:execution_id>/compare/<uuid:other_id>"),
    Route("post", "executions/<uuid:execution_id>/rerun", ok=202, needs=P.WORKFLOW_RUN, body={"from": "start"}),
    Route("post", "executions/<uuid:execution_id>/cancel", ok=409, needs=P.EXECUTION_OPERATE),
    Route("post", "executions/<uuid:execution_id>/pause", ok=409, needs=P.EXECUTION_OPERATE),
    Route("post", "executions/<uuid:execution_id>/resume", ok=409, needs=P.EXECUTION_OPERATE),
    Route("get", "audit", others=200),
    Route("get", "audit/export", others=200),
    Route("get", "audit/verify", others=200),
    Route("get", "workspaces/<uuid:workspace_id>/quotas", apart=True),
    Route("get", "users/me/quotas", others=200),
    Route("get", "quotas", ok=403, others=403),
    Route("put", "quotas", ok=403, others=403, body={"name": "workflows", "limit": 1}),
    Route("delete", "quotas/<uuid:quota_id>", ok=403, others=403),
    Route("post", "executions/<uuid:execution_id>/follow-ups/<str:kind>/drop", ok=409, needs=P.EXECUTION_OPERATE),
    Route("get", "workflows/<uuid:workflow_id>/variables", needs=P.EXECUTION_VIEW),
    Route("put", "workflows/<uuid:workflow_id>/variables", needs=P.EXECUTION_OPERATE, body={"name": "seen", "value": 1}),
    Route("delete", "workflows/<uuid:workflow_id>/variables/<str:variable>", ok=204, apart=True),
    Route("get", "notifications", others=200),
    Route("post", "notifications/<uuid:delivery_id>/redeliver", ok=409, needs=P.EXECUTION_OPERATE),
    Route("get", "workspaces/<uuid:workspace_id>/signing-key", apart=True),
    Route("post", "workspaces/<uuid:workspace_id>/signing-key", ok=201, apart=True),
    Route("get", "executions/<uuid:execution_id>/breakpoints", ok=409),
    Route("post", "executions/<uuid:execution_id>/step", ok=409, needs=P.EXECUTION_OPERATE, body={"node": "start"}),
    Route("post", "executions/<uuid:execution_id>/continue", ok=409, needs=P.EXECUTION_OPERATE),
    Route("post", "executions/<uuid:execution_id>/edit", ok=409, needs=P.EXECUTION_OPERATE, body={"variables": {"x": 1}}),
    Route("get", "schedules", others=200),
    Route("post", "schedules", ok=201, needs=P.WORKFLOW_EDIT, body=SCHEDULE),
    Route("post", "schedules/preview", others=200, body={"cron_expr": "0 6 * * *"}),
    Route("get", "schedules/<uuid:schedule_id>", needs=P.WORKFLOW_VIEW),
    Route("patch", "schedules/<uuid:schedule_id>", needs=P.WORKFLOW_EDIT, body={"name": "new"}),
    Route("delete", "schedules/<uuid:schedule_id>", ok=204, apart=True),
    Route("post", "schedules/<uuid:schedule_id>/enable", needs=P.WORKFLOW_EDIT),
    Route("post", "schedules/<uuid:schedule_id>/disable", needs=P.WORKFLOW_EDIT),
    Route("get", "schedules/<uuid:schedule_id>/preview", needs=P.WORKFLOW_VIEW),
    Route("post", "schedules/<uuid:schedule_id>/backfill", ok=202, needs=P.WORKFLOW_EDIT, body=BACKFILL),
    Route("get", "schedules/<uuid:schedule_id>/runs", needs=P.WORKFLOW_VIEW),
    Route("get", "schedule-alerts", others=200),
    Route("post", "schedule-alerts/<uuid:alert_id>/close", apart=True),
    Route("get", "schedule-calendars", others=200),
    Route("post", "schedule-calendars", ok=201, others=201, body={"name": "another", "days": ["SUN"]}),
    Route("get", "schedule-calendars/<uuid:calendar_id>", apart=True),
    Route("patch", "schedule-calendars/<uuid:calendar_id>", apart=True, body={"days": ["SAT"]}),
    Route("delete", "schedule-calendars/<uuid:calendar_id>", ok=204, apart=True),
    Route("get", "events", others=200),
    Route("post", "events", ok=202, others=202, body={"type": "order.paid", "data": 1}),
    Route("get", "events/<uuid:event_id>", apart=True),
    Route("get", "webhooks", others=200),
    Route("post", "webhooks/listen", apart=True, body=LISTEN),
    Route("get", "webhooks/<uuid:webhook_id>", needs=P.WORKFLOW_VIEW),
    Route("delete", "webhooks/<uuid:webhook_id>/listen", needs=P.WORKFLOW_EDIT),
    Route("post", "webhooks/<uuid:webhook_id>/change-address", needs=P.WORKFLOW_EDIT),
    Route("get", "webhook-calls", others=200),
    Route("get", "webhook-calls/<uuid:call_id>", apart=True),
    Route("post", "webhook-calls/<uuid:call_id>/replay", ok=202, apart=True),
    Route("get", "holds", others=200),
    Route("post", "holds", ok=201, needs=P.WORKFLOW_EDIT, body={"scope": "workflow", "workflow": "<workflow_id>", "reason": "x"}),
    Route("get", "holds/<uuid:hold_id>", needs=P.WORKFLOW_VIEW, refused=404),
    Route("delete", "holds/<uuid:hold_id>", ok=204, apart=True),
    Route("get", "tasks", others=200),
    Route("get", "tasks/counts", others=200),
    Route("post", "tasks/bulk", others=200, body={"action": "claim", "tasks": [2**40]}),
    Route("get", "tasks/<int:task_id>", apart=True),
    Route("put", "tasks/<int:task_id>/complete", apart=True, body={"variables": {"approved": True}}),
    Route("post", "tasks/<int:task_id>/claim", apart=True),
    Route("post", "tasks/<int:task_id>/release", ok=409, apart=True),
    Route("post", "tasks/<int:task_id>/delegate", apart=True, body={"to": "ada"}),
    Route("get", "tasks/<int:task_id>/comments", apart=True),
    Route("post", "tasks/<int:task_id>/comments", ok=201, apart=True, body={"text": "why?"}),
    Route("get", "tasks/<int:task_id>/attachments", apart=True),
    Route("post", "tasks/<int:task_id>/attachments?name=offer.json", ok=201, apart=True, body={"any": "bytes"}),
    Route("get", "tasks/<int:task_id>/attachments/<uuid:attachment_id>", apart=True),
    Route("get", "task-links/<str:task_token>", others=403, apart=True),
    Route("put", "task-links/<str:task_token>/complete", others=403, apart=True, body={"variables": {"approved": True}}),
    Route("get", "absences", others=200),
    Route("post", "absences", ok=201, apart=True, body={"workspace": "<workspace_id>", "substitute": "<member_id>", "ends_at": FAR_OFF}),
    Route("delete", "absences/<uuid:absence_id>", ok=204, apart=True),
    Route("get", "services", others=200),
    Route("post", "services", ok=201, others=201, body=SERVICE),
    Route("get", "services/<uuid:service_id>", apart=True),
    Route("patch", "services/<uuid:service_id>", apart=True, body={"description": "new"}),
    Route("delete", "services/<uuid:service_id>", ok=204, apart=True),
    Route("get", "process-definitions", others=200),
    Route("post", "process-definitions", ok=201, others=201, body=PROCESS),
    Route("post", "process-definitions/validate", others=200, body=PROCESS),
    Route("get", "process-definitions/<int:definition_number>", apart=True),
    Route("put", "process-definitions/<int:definition_number>", apart=True, body=PROCESS),
    Route("delete", "process-definitions/<int:definition_number>", ok=409, apart=True),
    Route("post", "process-definitions/<int:definition_number>/suspend", apart=True),
    Route("post", "process-definitions/<int:definition_number>/activate", apart=True),
    Route("get", "process-instances", others=200),
    Route("post", "process-instances", ok=201, apart=True, body={"process_definition_id": "<int:definition_number>"}),
    Route("get", "process-instances/<uuid:instance_id>", apart=True),
    Route("get", "process-instances/<uuid:instance_id>/history", apart=True),
    Route("post", "process-instances/<uuid:instance_id>/suspend", apart=True),
    Route("post", "process-instances/<uuid:instance_id>/activate", ok=409, apart=True),
    Route("post", "process-instances/<uuid:instance_id>/cancel", apart=True),
    Route("get", "steps", others=200),
    Route("post", "steps", ok=201, others=201, body=STEP),
    Route("get", "steps/<int:step_number>", apart=True),
    Route("patch", "steps/<int:step_number>", apart=True, body={"timeout": 60}),
    Route("delete", "steps/<int:step_number>", ok=409, apart=True),
    Route("get", "templates", others=200),
    Route("post", "templates", ok=422, others=422, body=TEMPLATE),
    Route("get", "templates/<int:template_number>", apart=True),
    Route("put", "templates/<int:template_number>", ok=422, apart=True, body=TEMPLATE),
    Route("patch", "templates/<int:template_number>", apart=True, body={"status": "inactive"}),
    Route("delete", "templates/<int:template_number>", ok=204, apart=True),
    Route("get", "templates/<int:template_number>/executions", apart=True),
    Route("post", "templates/<int:template_number>/executions", ok=201, apart=True, body={"remarks": "new"}),
    Route("get", "executions/<uuid:execution_id>/steps", ok=404, apart=True),  # it is none of a template
    Route("post", "signals", ok=202, apart=True, body={"workspace": "<workspace_id>", "event": "order.paid"}),
]


def addresses(patterns: list[URLPattern | URLResolver], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found |= addresses(pattern.url_patterns, path)
        else:
            found.add(path)
    return found


ADDRESSES = {path for path in addresses(get_resolver().url_patterns) if not path.startswith("admin/")}


def test_every_address_is_listed_here():
    listed = PUBLIC | PAGES | {f"api/v1/{route.address}" for route in ROUTES}
    assert listed == ADDRESSES


def methods_of(path: str) -> set[str]:
    def find(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Any:
        for pattern in patterns:
            here = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                if (inner := find(pattern.url_patterns, here)) is not None:
                    return inner
            elif here == path:
                return pattern.callback
        return None

    view = find(get_resolver().url_patterns)
    return {method for method in ("get", "post", "put", "patch", "delete") if hasattr(view.view_class, method)}


@pytest.mark.parametrize("path", sorted({route.address for route in ROUTES}))
def test_every_method_of_an_address_is_listed_here(path):
    assert {route.method for route in ROUTES if route.address == path} == methods_of(f"api/v1/{path}")


@dataclass(frozen=True)
class Made:
    """Ada and what is hers, made once for all tests of a process: it takes some forty requests."""

    ada: UUID
    things: dict[str, str]
    rows: Snapshot


@cache
def once_made() -> Made:
    ada = client_of(create_user(username="ada", password=None))
    return Made(ada.user.pk, make_things(ada), Snapshot.take())


@pytest.fixture
def made(db) -> Made:
    is_first = once_made.cache_info().currsize == 0
    made = once_made()
    if not is_first:
        made.rows.restore()
    return made


@pytest.fixture
def ada(made: Made) -> ApiClient:
    return client_of(User.objects.get(pk=made.ada))


@pytest.fixture
def things(made: Made) -> dict[str, str]:
    return dict(made.things)


def make_things(ada: ApiClient) -> dict[str, str]:
    """What the placeholders in addresses stand for: a workflow of Ada's that has run, and is not published; and templates of hers."""
    made = make_workflow(ada, {**ORDER, "name": SECRET_NAME}, publish=False)
    started = ada.post_json("/executions", {"version": made["version"]["id"], **START}, 202)
    drive(UUID(started["id"]))
    node_template = {"name": SECRET_NAME, "type": "control.delay", "config": {"seconds": 60}}
    organisation = make_organisation(ada)
    workspace = organisation["workspace_id"]
    second = Workspace.objects.create(name="second", owner=ada.user)
    join(ada, second, "owner")
    workflow = Workflow.objects.get(pk=made["id"])
    keep_draft(workflow=workflow, user=ada.user, definition={**ORDER, "name": SECRET_NAME})
    credential = ada.post_json("/credentials", {**CREDENTIAL, "name": SECRET_NAME}, 201)["id"]
    friend = str(create_user(username=f"friend-of-{ada.user.username}", password=None).pk)
    grant = ada.post_json(f"/credentials/{credential}/grants", {"user": friend, "level": "user"}, 201)["id"]
    return {
        "<uuid:credential_id>": credential,
        "<uuid:grant_id>": grant,
        "<friend_id>": friend,
        "<uuid:template_id>": ada.post_json("/workflow-templates", {"workflow": made["id"]}, 201)["id"],
        "<uuid:node_template_id>": ada.post_json("/node-templates", node_template, 201)["id"],
        "<uuid:account_id>": ada.post_json(f"/workspaces/{workspace}/service-accounts", {"name": "ci", "role": "viewer"}, 201)["id"],
        "<uuid:key_id>": ada.post_json("/users/me/api-keys", KEY, 201)["id"],
        "<uuid:session_id>": str(UUID(int=0)),
        "<int:passkey_id>": "1",
        "<uuid:folder_id>": make_folder(ada, "folder"),
        "<uuid:tag_id>": (tag := ada.post_json("/tags", {"name": "tag"}, 201)["id"]),
        "<tag_id>": tag,
        "<uuid:share_id>": share(ada, f"/workflows/{made['id']}", "viewer", team=make_team(workspace_of(ada), "team").name)["id"],
        "<uuid:link_id>": (link := ada.post_json(f"/workflows/{made['id']}/links", {"level": "editor"}, 201))["id"],
        "<str:token>": link["token"],
        "<second_workspace_id>": str(second.pk),
        "<str:kind>": "retry",
        "<str:variable>": ada.put_json(f"/workflows/{made['id']}/variables", {"name": "kept", "value": SECRET_NAME})["name"],
        "<uuid:delivery_id>": make_follow_up_and_delivery(started["id"]),
        "<workspace_id>": workspace,
        **make_task(ada, friend, workspace),
        **make_dialects(ada),
        "<uuid:hold_id>": ada.post_json("/holds", {"scope": "workflow", "workflow": made["id"], "reason": SECRET_NAME}, 201)["id"],
        "<uuid:schedule_id>": (schedule := ada.post_json("/schedules", {**SCHEDULE, "workflow": made["id"], "name": SECRET_NAME}, 201))[
            "id"
        ],
        "<uuid:alert_id>": make_alert(schedule),
        "<uuid:calendar_id>": ada.post_json("/schedule-calendars", {"name": SECRET_NAME, "days": []}, 201)["id"],
        **make_webhook(ada, made["id"]),
        "<uuid:event_id>": ada.post_json("/events", {"type": "order.paid", "data": SECRET_NAME}, 202)["events"][0]["id"],
        "<uuid:workflow_id>": made["id"],
        "<int:number>": "1",
        "<uuid:quota_id>": str(uuid4()),
        "<uuid:execution_id>": started["id"],
        "<uuid:other_id>": started["id"],
        "<uuid:bulk_id>": ada.post_json("/executions/rerun-bulk", {"from": "start"}, 202)["id"],
        "<str:key>": "start",
        "<str:name>": "trigger.manual",
        "<workflow_id>": made["id"],
        "<version_id>": made["version"]["id"],
        **{f"<uuid:{name}>": value for name, value in organisation.items()},
    }


def make_alert(schedule: dict[str, str]) -> str:
    """An expected run that did not start."""
    at = schedule["next_run_time"]
    common = {"workspace_id": schedule["workspace"], "workflow_id": schedule["workflow"], "schedule_id": schedule["id"]}
    return str(ScheduleAlert.objects.create(**common, schedule_name=SECRET_NAME, kind="missed", first_for=at, last_for=at).pk)


def make_webhook(ada: ApiClient, workflow_id: str) -> dict[str, str]:
    """A webhook of the workflow that is closed, and one of another workflow of Ada's, with a call that it received."""
    hooked = {"name": f"{SECRET_NAME} called", "nodes": [{"key": "hook", "type": "trigger.webhook"}]}
    workflow = make_workflow(ada, hooked)["id"]
    webhook = Webhook.objects.get(workflow=workflow)
    assert Client().post(f"/hooks/{webhook.token}", {"who": SECRET_NAME}, content_type="application/json").status_code == 202
    call_id = WebhookCall.objects.get(webhook=webhook).pk
    closed = Webhook.objects.create(workspace=webhook.workspace, workflow_id=workflow_id, node_key=SECRET_NAME, token=uuid4().hex)
    return {"<uuid:webhook_id>": str(closed.pk), "<uuid:call_id>": str(call_id), "<hooked_workflow_id>": workflow}


def make_task(ada: ApiClient, friend: str, workspace: str) -> dict[str, str]:
    """A task that is offered to Ada, with a file; and an absence of hers."""
    join(client_of(User.objects.get(pk=friend)), Workspace.objects.get(pk=workspace), "viewer")
    form = {"title": SECRET_NAME, "candidate_roles": ["owner"], "form": {"approved": "boolean"}}
    nodes = [{"key": "start", "type": "trigger.manual"}, {"key": "ask", "type": "human.task", "config": form}]
    asks = {"name": f"{SECRET_NAME} asks", "nodes": nodes, "edges": [{"source": "start", "target": "ask"}]}
    started = ada.post_json("/executions", {"workflow": make_workflow(ada, asks)["id"]}, 202)["id"]
    run_queued(UUID(started))
    task = HumanTask.objects.get(execution_id=started)
    away = {"workspace": workspace, "substitute": friend, "ends_at": FAR_OFF}
    attached = attach(task=task, user=ada.user, name=SECRET_NAME, content_type="text/plain", data=b"x")
    return {
        "<int:task_id>": str(task.pk),
        "<uuid:attachment_id>": str(attached.pk),
        "<str:task_token>": task_token(task.pk, ada.user.pk),
        "<uuid:absence_id>": ada.post_json("/absences", away, 201)["id"],
        "<member_id>": friend,
    }


def make_dialects(ada: ApiClient) -> dict[str, str]:
    """A service, a process definition with an instance that waits, a step, and a template that places it."""
    number = ada.post_json("/process-definitions", {**PROCESS, "name": f"{SECRET_NAME} waits"}, 201)["id"]
    step = ada.post_json("/steps", {**STEP, "name": SECRET_NAME}, 201)["id"]
    template = {"name": f"{SECRET_NAME} steps", "steps": [{"step_id": step}]}
    return {
        "<uuid:service_id>": ada.post_json("/services", {**SERVICE, "name": SECRET_NAME}, 201)["id"],
        "<int:definition_number>": str(number),
        "<uuid:instance_id>": ada.post_json("/process-instances", {"process_definition_id": number}, 201)["id"],
        "<int:step_number>": str(step),
        "<int:template_number>": str(ada.post_json("/templates", template, 201)["id"]),
    }


def make_follow_up_and_delivery(execution_id: str) -> str:
    """A retry that was given up, and a message that is still to be sent; returns the id of that."""
    execution = Execution.objects.get(pk=execution_id)
    common = {"workspace_id": execution.workspace_id}
    FollowUp.objects.create(**common, origin=execution, kind="retry", due_at=execution.created_at, error={"code": "dropped"})
    delivery = Delivery.objects.create(
        **common, execution=execution, event="failed", channel="email", target="a@example.com", payload={"name": SECRET_NAME}
    )
    return str(delivery.pk)


def call(client: ApiClient, route: Route, things: dict[str, str]) -> int:
    return int(response_to(client, route, things).status_code)


def addressed(route: Route, things: dict[str, str]) -> str:
    """The path, with things in the place of placeholders."""
    return re.sub("<[^>]+>", lambda placeholder: things[placeholder[0]], route.path)


def response_to(client: ApiClient, route: Route, things: dict[str, str]) -> Any:
    path, body = addressed(route, things), dict(route.body or {})
    for name, value in things.items():
        body = {key: value if content == name else content for key, content in body.items()}
    return getattr(client, route.method)(f"/api/v1/{path}", *([body] if body else []), **({"format": "json"} if body else {}))


def label(route: Route) -> str:
    return f"{route.method} {route.path} {'by version' if 'version' in (route.body or {}) else ''}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", ROUTES, ids=label)
def test_each_kind_of_caller_gets_the_right_answer(route, things, anonymous, ada, bob):
    assert call(anonymous, route, things) == 401
    assert call(bob, route, things) == route.others
    assert call(ada, route, things) == route.ok


@pytest.mark.django_db(transaction=True)
def test_no_answer_tells_a_stranger_anything_of_another_workspace(things, ada, bob):
    """Ids that the stranger sent are in the answers; the names behind them, and all that was not sent, are not."""
    workspace = ada.get_json("/users/me")["workspace"]["id"]
    sent = {value for name, value in things.items() if name.startswith("<")}
    secrets = [SECRET_NAME, workspace, str(ada.user.pk)]
    told = []
    for route in ROUTES:
        if route.path == "shared/<str:token>/accept":
            continue  # makes the stranger a guest
        text = b"".join(response_to(bob, route, things)).decode()
        told += [(label(route), secret) for secret in secrets if secret in text and secret not in addressed(route, things)]
        if "<" not in route.path and not route.body:
            told += [(label(route), sent_id) for sent_id in sent if len(sent_id) > 30 and sent_id in text]

    assert told == []


@dataclass(frozen=True)
class Actor:
    """Somebody else, with a role in the workspace or a share of the workflow."""

    name: str
    allowed: Permissions
    is_member: bool

    def enter(self, user: User, workflow: Workflow) -> None:
        if self.is_member:
            Membership.objects.create(workspace=workflow.workspace, user=user, role=self.name)
        else:
            Grant.objects.create(workspace=workflow.workspace, workflow=workflow, user=user, level=self.name)

    def expected(self, route: Route) -> int:
        """What may not be seen is not found; what may be seen and not done is forbidden."""
        seen_by = {P.EXECUTION_VIEW} if route.path.startswith(("executions/<", "notifications/<")) else {P.WORKFLOW_VIEW, P.WORKFLOW_RUN}
        if not self.allowed & seen_by:
            return 404
        return route.ok if route.needs is None or route.needs in self.allowed else route.refused


ACTORS = [
    *(Actor(role, allowed, is_member=True) for role, allowed in BUILT_IN_ROLES.items()),
    *(Actor(str(level), allowed, is_member=False) for level, allowed in PERMISSIONS.items()),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", [route for route in ROUTES if route.others == 404 and not route.apart], ids=label)
def test_each_role_and_each_level_of_a_share_allows_what_it_says(route, things, bob):
    workflow = Workflow.objects.get(pk=things["<workflow_id>"])
    found, expected = {}, {}
    for actor in ACTORS:
        Membership.objects.filter(user=bob.user, workspace=workflow.workspace).delete()
        Grant.objects.all().delete()
        actor.enter(bob.user, workflow)
        name = f"{'role' if actor.is_member else 'level'} {actor.name}"
        found[name], expected[name] = call(client_of(bob.user), route, things), actor.expected(route)

    assert found == expected


# Starts are in the history of executions; what is nobody else's concern, checks, first steps, and saving what is saved already, change
# nothing that anybody would look up.
WITHOUT_ENTRY = {
    "executions",
    "executions/bulk",
    "executions/<uuid:execution_id>/rerun",
    "signals",
    "events",
    "tasks/bulk",
    "process-definitions/validate",
    "process-definitions/<int:definition_number>/activate",  # it is active
    "process-instances",
    "templates/<int:template_number>/executions",
    "workflows/validate",
    "schedules/preview",
    "expressions/check",
    "workflows/<uuid:workflow_id>/versions",
    "workflows/<uuid:workflow_id>/versions/<int:number>/rollback",
    "workflows/<uuid:workflow_id>/draft",
    "workflows/<uuid:workflow_id>/draft/save",
    "workflows/<uuid:workflow_id>/favourite",
    "workflows/import",
    "workflow-templates/<uuid:template_id>/rating",
    "users/me/mfa/totp",
    "users/me/mfa/passkeys/options",
    # With the bodies and the things above, they change nothing: tests/api/test_audit_of_workflows.py has those that do.
    "workflows/<uuid:workflow_id>/unarchive",
    "workflow-templates/<uuid:template_id>/shares",
    "tags/<uuid:tag_id>/merge",
    "shared/<str:token>/accept",
}
CHANGES = [route for route in ROUTES if route.method != "get" and route.ok < 300 and route.path not in WITHOUT_ENTRY]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", CHANGES, ids=label)
def test_each_change_is_in_the_audit_log(route, things, ada):
    client_of(ada.user)  # a session of hers to end
    for done in ROUTES:
        if route.method == "delete" and (done.method, done.path) == ("put", route.path):
            call(ada, done, things)  # what it undoes
    newest = AuditEntry.objects.latest("id")
    assert call(ada, route, things) == route.ok
    entry = AuditEntry.objects.latest("id")
    assert entry.id > newest.id
    assert (entry.actor_name, entry.via) == ("ada", "api")


EXAMPLES = {
    "<uuid:template_id>": "0" * 32,
    "<uuid:node_template_id>": "0" * 32,
    "<uuid:credential_id>": "0" * 32,
    "<uuid:grant_id>": "0" * 32,
    "<uuid:workflow_id>": "0" * 32,
    "<uuid:execution_id>": "0" * 32,
    "<uuid:other_id>": "0" * 32,
    "<uuid:bulk_id>": "0" * 32,
    "<uuid:workspace_id>": "0" * 32,
    "<uuid:account_id>": "0" * 32,
    "<uuid:key_id>": "0" * 32,
    "<uuid:session_id>": "0" * 32,
    "<int:passkey_id>": "1",
    "<uuid:folder_id>": "0" * 32,
    "<uuid:tag_id>": "0" * 32,
    "<uuid:share_id>": "0" * 32,
    "<uuid:link_id>": "0" * 32,
    "<str:token>": "token",
    "<uuid:hold_id>": "0" * 32,
    "<uuid:schedule_id>": "0" * 32,
    "<uuid:alert_id>": "0" * 32,
    "<uuid:webhook_id>": "0" * 32,
    "<uuid:call_id>": "0" * 32,
    "<uuid:event_id>": "0" * 32,
    "<uuid:calendar_id>": "0" * 32,
    "<int:task_id>": "1",
    "<uuid:service_id>": "0" * 32,
    "<int:definition_number>": "1",
    "<uuid:instance_id>": "0" * 32,
    "<int:step_number>": "1",
    "<int:template_number>": "1",
    "<uuid:attachment_id>": "0" * 32,
    "<str:task_token>": "token",
    "<uuid:absence_id>": "0" * 32,
    **{f"<uuid:{name}>": "0" * 32 for name in ("user_id", "role_id", "team_id", "invitation_id")},
    "<uuid:quota_id>": "0" * 32,
    "<int:number>": "1",
    "<str:key>": "start",
    "<str:kind>": "retry",
    "<str:variable>": "kept",
    "<uuid:delivery_id>": "0" * 32,
    "<str:name>": "trigger.manual",
}


@pytest.mark.parametrize("change", ["/{}/", "//{}", "/{};x", "/./{}", "/{}%2e", "/{}%00", "/%2e%2e/{}", "/{}.json", "/{}/configs"])
def test_no_variant_of_an_address_opens_it(client, change):
    for address in sorted(ADDRESSES - PUBLIC - PAGES):
        path = re.sub("<[^>]+>", lambda placeholder: EXAMPLES[placeholder[0]], address)
        for method in ("get", "post"):
            assert getattr(client, method)(change.format(path)).status_code in (401, 404, 405), (method, path)


def test_the_admin_asks_for_a_login(client):
    for path in addresses(get_resolver().url_patterns):
        if path.startswith("admin/") and "<" not in path and "(" not in path and path not in ("admin/login/", "admin/logout/"):
            response = client.get(f"/{path}")
            assert response.status_code == 302, path
            assert response.headers["Location"].startswith("/admin/login/"), path
