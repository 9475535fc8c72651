"""How the admin looks, and what its side bar lists."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _file(path: str) -> Any:
    return lambda request: static(path)


def _link(title: str, icon: str, page: str, permission: str) -> dict[str, Any]:
    def may_see(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)  # type: ignore[union-attr]  # the admin lets in no anonymous caller

    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{page}_changelist"), "permission": may_see}


UNFOLD = {
    "SITE_TITLE": "StructForge",
    "SITE_HEADER": "StructForge",
    "SITE_ICON": _file("icon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _file("icon.svg")}],
    "SHOW_BACK_BUTTON": True,
    "LOGIN": {"form": "apps.accounts.forms.LoginForm"},
    "STYLES": [_file("admin.css")],
    "SCRIPTS": [_file("admin.js")],
    "COLORS": {
        "primary": {
            "50": "#eef2ff",
            "100": "#e0e7ff",
            "200": "#c7d2fe",
            "300": "#a5b4fc",
            "400": "#818cf8",
            "500": "#6366f1",
            "600": "#4f46e5",
            "700": "#4338ca",
            "800": "#3730a3",
            "900": "#312e81",
            "950": "#1e1b4b",
        }
    },
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Runs",
                "items": [
                    _link("Executions", "play_circle", "executions_execution", "executions.view_execution"),
                    _link("Node runs", "list_alt", "executions_noderun", "executions.view_noderun"),
                    _link("Iterations", "repeat", "executions_iteration", "executions.view_iteration"),
                    _link("History", "history", "executions_executionevent", "executions.view_executionevent"),
                    _link("Follow-ups", "redo", "executions_followup", "executions.view_followup"),
                    _link("Bulk re-runs", "dynamic_feed", "executions_bulkrerun", "executions.view_bulkrerun"),
                    _link("Variables", "data_object", "executions_workflowvariable", "executions.view_workflowvariable"),
                ],
            },
            {
                "title": "What starts them",
                "separator": True,
                "items": [
                    _link("Schedules", "schedule", "triggers_schedule", "triggers.view_schedule"),
                    _link("Schedule runs", "event_repeat", "triggers_schedulerun", "triggers.view_schedulerun"),
                    _link("Schedule alerts", "notification_important", "triggers_schedulealert", "triggers.view_schedulealert"),
                    _link("Schedule calendars", "event_busy", "triggers_schedulecalendar", "triggers.view_schedulecalendar"),
                    _link("Webhooks", "webhook", "triggers_webhook", "triggers.view_webhook"),
                    _link("Webhook calls", "call_received", "triggers_webhookcall", "triggers.view_webhookcall"),
                    _link("Events", "bolt", "triggers_event", "triggers.view_event"),
                    _link("Events received", "notifications", "executions_receivedevent", "executions.view_receivedevent"),
                ],
            },
            {
                "title": "Tasks of people",
                "separator": True,
                "items": [
                    _link("Human tasks", "inbox", "tasks_humantask", "tasks.view_humantask"),
                    _link("Absences", "beach_access", "tasks_absence", "tasks.view_absence"),
                ],
            },
            {
                "title": "Workflows",
                "separator": True,
                "items": [
                    _link("Workflows", "account_tree", "workflows_workflow", "workflows.view_workflow"),
                    _link("Versions", "layers", "workflows_workflowversion", "workflows.view_workflowversion"),
                    _link("Drafts", "edit_note", "workflows_draft", "workflows.view_draft"),
                    _link("Versions kept", "auto_delete", "workflows_versionretention", "workflows.view_versionretention"),
                    _link("Folders", "folder", "workflows_folder", "workflows.view_folder"),
                    _link("Tags", "sell", "workflows_tag", "workflows.view_tag"),
                    _link("Shares", "group_add", "workflows_grant", "workflows.view_grant"),
                    _link("Share links", "link", "workflows_sharelink", "workflows.view_sharelink"),
                    _link("Templates", "dashboard_customize", "templates_workflowtemplate", "templates.view_workflowtemplate"),
                    _link("Node templates", "widgets", "templates_nodetemplate", "templates.view_nodetemplate"),
                    _link("Credentials", "key", "credentials_credential", "credentials.view_credential"),
                ],
            },
            {
                "title": "Processes and steps",
                "separator": True,
                "items": [
                    _link("Process definitions", "polyline", "dialects_processdefinition", "dialects.view_processdefinition"),
                    _link("Services", "dns", "dialects_service", "dialects.view_service"),
                    _link("Step templates", "checklist", "dialects_steptemplate", "dialects.view_steptemplate"),
                    _link("Steps", "stairs", "dialects_step", "dialects.view_step"),
                ],
            },
            {
                "title": "Operation",
                "separator": True,
                "items": [
                    _link("Workers", "memory", "fleet_worker", "fleet.view_worker"),
                    _link("Holds", "front_hand", "executions_hold", "executions.view_hold"),
                    _link("Limits", "speed", "executions_executionlimit", "executions.view_executionlimit"),
                    _link("Notifications", "outgoing_mail", "notifications_delivery", "notifications.view_delivery"),
                ],
            },
            {
                "title": "Accounts and workspaces",
                "separator": True,
                "items": [
                    _link("Accounts", "person", "accounts_user", "accounts.view_user"),
                    _link("Groups", "group", "auth_group", "auth.view_group"),
                    _link("API keys", "key", "accounts_apikey", "accounts.view_apikey"),
                    _link("Signing keys", "signature", "notifications_signingkey", "notifications.view_signingkey"),
                    _link("Workspaces", "workspaces", "accounts_workspace", "accounts.view_workspace"),
                    _link("Quotas", "speed", "quotas_quota", "quotas.view_quota"),
                    _link("Audit log", "policy", "audit_auditentry", "audit.view_auditentry"),
                ],
            },
            {
                "title": "Celery",
                "separator": True,
                "collapsible": True,
                "items": [
                    _link("Periodic tasks", "schedule", "django_celery_beat_periodictask", "django_celery_beat.view_periodictask"),
                    _link("Intervals", "timer", "django_celery_beat_intervalschedule", "django_celery_beat.view_intervalschedule"),
                    _link("Crontabs", "calendar_month", "django_celery_beat_crontabschedule", "django_celery_beat.view_crontabschedule"),
                    _link("Task results", "fact_check", "django_celery_results_taskresult", "django_celery_results.view_taskresult"),
                ],
            },
        ],
    },
}
