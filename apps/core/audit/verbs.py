"""Every verb of the audit log. A new kind of change adds its line here, and calls `record` where it is made."""

from enum import StrEnum


class Verb(StrEnum):
    """`<what it was done to>.<what was done>`. The values stand in rows and answers: they are stable."""

    USER_LOGGED_IN = "user.logged_in"
    USER_LOGGED_OUT = "user.logged_out"
    USER_LOGIN_FAILED = "user.login_failed"

    WORKFLOW_CREATED = "workflow.created"
    WORKFLOW_UPDATED = "workflow.updated"
    WORKFLOW_DELETED = "workflow.deleted"
    WORKFLOW_PUBLISHED = "workflow.published"
    WORKFLOW_UNPUBLISHED = "workflow.unpublished"
    VERSION_SAVED = "version.saved"

    EXECUTION_CANCELLED = "execution.cancelled"
    EXECUTION_PAUSED = "execution.paused"
    EXECUTION_RESUMED = "execution.resumed"
    NODE_RUN_RESOLVED = "node_run.resolved"

    QUOTA_SET = "quota.set"
    QUOTA_REMOVED = "quota.removed"
    AUDIT_EXPORTED = "audit.exported"

    # Edits in the admin, of whatever has no action of its own: accounts, groups, periodic tasks.
    ADMIN_ADDED = "admin.added"
    ADMIN_CHANGED = "admin.changed"
    ADMIN_DELETED = "admin.deleted"
    ADMIN_ACTED = "admin.acted"
