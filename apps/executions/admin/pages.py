"""What the pages of executions have in common."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from apps.core.admin import ReadOnlyAdmin, badge
from apps.engine.statuses import NodeRunStatus
from apps.executions.looks import LOOKS
from apps.executions.models import NodeRun

MAY_STEER = "executions.change_execution"


class FactsAdmin(ReadOnlyAdmin):
    """Base of admins whose page of one row is its facts, with tables, a picture and documents below them."""

    def content(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What `admin/structforge/facts.html` shows of a row: facts, button, tables, picture, documents."""
        raise NotImplementedError

    def heading(self, row: Any) -> str:
        return str(row)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_row(request, object_id)
        context = page_context(self, request, row, self.heading(row))
        return TemplateResponse(request, "admin/structforge/facts.html", {**context, **self.content(request, row)})


def status_badge(status: str) -> SafeString:
    look = LOOKS[status]
    return badge(look.label, look.icon, look.tone)


def duration(started_at: datetime | None, finished_at: datetime | None) -> str:
    """How long it took, or has taken until now: `350 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`; "–" before it began."""
    if started_at is None:
        return "–"
    seconds = ((finished_at or timezone.now()) - started_at).total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f}\u00a0ms"
    if seconds < 60:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}\u00a0min {rest}\u00a0s" if minutes < 60 else f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


def node_run_duration(run: NodeRun) -> str:
    """As `duration`; one that is queued has not begun, even where an earlier attempt had."""
    return "–" if run.status == NodeRunStatus.QUEUED else duration(run.started_at, run.finished_at)


def page_context(admin: ReadOnlyAdmin, request: HttpRequest, row: Any, title: str) -> dict[str, Any]:
    """What unfold's page around the content needs."""
    return {
        **admin.admin_site.each_context(request),
        "opts": admin.model._meta,
        "original": row,
        "title": title,
        "may_steer": request.user.has_perm(MAY_STEER),  # type: ignore[union-attr]  # the admin lets in no anonymous caller
    }
