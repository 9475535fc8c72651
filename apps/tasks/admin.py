"""The task inbox of operators: what people are asked, who answered what, and buttons to take a task back or give it away."""

from typing import Any

import orjson
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter

from apps.core.admin import IdSearch, ReadOnlyAdmin, act, badge
from apps.core.admin_pages import NONE, Table, id_link, row_link
from apps.executions.admin.pages import MAY_STEER, FactsAdmin
from apps.executions.models import Execution, NodeRun
from apps.tasks.holding import release
from apps.tasks.models import Absence, HumanTask
from apps.tasks.pages.fields import Field, form_of

_LOOKS = {
    "open": ("pending_actions", "wait"),
    "completed": ("task_alt", "good"),
    "expired": ("timer_off", "bad"),
    "cancelled": ("block", "calm"),
}
_PRIORITY_TONES = {0: "calm", 1: "calm", 2: "wait", 3: "bad"}
_MANY = 200


@admin.register(HumanTask)
class HumanTaskAdmin(IdSearch, FactsAdmin):
    id_field = "execution_id"
    list_display = ("title", "status_badge", "urgency", "due", "assignee", "offered_to", "asked_by")
    list_filter = ("status", "priority", ("due_at", RangeDateTimeFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("assignee", "workspace", "execution__workflow")
    heavy_fields = ("description", "form", *(f"execution__{name}" for name in ("input", "output", "variables")))
    page_select_related = ("assignee", "in_place_of", "delegated_by", "workspace", "execution__workflow")
    search_fields = ("title", "assignee__username__exact", "key__exact")
    search_help_text = "Id of an execution, a part of the title, a username, or a node key"
    ordering = ("-id",)
    empty_hint = "Nobody has been asked anything. A node human.task asks people; they answer in the browser at /tasks."

    @admin.display(description="status", ordering="status")
    def status_badge(self, task: HumanTask) -> SafeString:
        return badge(task.status, *_LOOKS[task.status])

    @admin.display(description="priority", ordering="priority")
    def urgency(self, task: HumanTask) -> SafeString:
        return badge(task.get_priority_display().lower(), "flag", _PRIORITY_TONES[task.priority])

    @admin.display(description="due", ordering="due_at")
    def due(self, task: HumanTask) -> Any:
        is_late = task.is_open and task.due_at is not None and task.due_at < timezone.now()
        return badge(f"overdue, {task.due_at:%m-%d %H:%M} UTC", "alarm", "bad") if is_late else task.due_at

    @admin.display(description="offered to")
    def offered_to(self, task: HumanTask) -> str:
        """`roles builder, owner; user ada`."""
        named: dict[str, list[str]] = {}
        for each in task.candidates:
            named.setdefault(each["kind"], []).append(each["name"])
        return "; ".join(f"{kind}{'s' if len(names) > 1 else ''} {', '.join(names)}" for kind, names in named.items()) or NONE

    @admin.display(description="asked by", ordering="execution__workflow__name")
    def asked_by(self, task: HumanTask) -> SafeString | str:
        return id_link(Execution, task.execution_id, task.execution.workflow.name)

    def get_urls(self) -> list[URLPattern]:
        give_back = require_POST(self.admin_site.admin_view(self.release_view))
        return [path("<int:task_id>/release/", give_back, name="human_task_release"), *super().get_urls()]

    def content(self, request: HttpRequest, row: HumanTask) -> dict[str, Any]:
        may_steer = request.user.has_perm(MAY_STEER)  # type: ignore[union-attr]  # the admin lets in no anonymous caller
        is_claimed = row.is_open and row.assignee_id is not None and bool(row.candidates)
        url = reverse("admin:human_task_release", args=[row.pk])
        return {
            "lead": f"Task {row.pk}",
            "facts": self._facts(row),
            "text": row.description,
            "button": {"label": "Take back", "url": url, "asks": "Offer it to all candidates again?"} if is_claimed and may_steer else None,
            "tables": [_answers(row), _asked(row), _comments(row), _files(row)],
        }

    def _facts(self, task: HumanTask) -> list[tuple[str, Any]]:
        page = format_html('<a class="sf-link" href="{}">/tasks/{}</a>', reverse("tasks-task", args=[task.pk]), task.pk)
        return [
            ("Status", self.status_badge(task)),
            ("Priority", self.urgency(task)),
            ("Due", self.due(task) or NONE),
            ("Assignee", task.assignee or NONE),
            *([("In place of", task.in_place_of)] if task.in_place_of else []),
            *([("Given by", task.delegated_by)] if task.delegated_by else []),
            ("Offered to", self.offered_to(task)),
            ("Who decides", _quorum(task.quorum)),
            ("Four eyes", "yes" if task.four_eyes else "no"),
            ("Workflow", row_link(task.execution.workflow)),
            ("Execution", id_link(Execution, task.execution_id)),
            ("Node run", id_link(NodeRun, task.node_run_id, f"{task.key} [{task.path}]" if task.path else task.key)),
            ("In the inbox", page),
            ("Ended", task.closed_at or NONE),
        ]

    def release_view(self, request: HttpRequest, task_id: int) -> HttpResponse:
        task = self.get_row(request, task_id)
        if not request.user.has_perm(MAY_STEER):  # type: ignore[union-attr]  # the admin lets in no anonymous caller
            raise PermissionDenied
        back_to = reverse("admin:tasks_humantask_change", args=[task.pk])
        return act(
            request, lambda: release(task_id=task.pk, user=request.user), done="It is offered to all candidates again.", back_to=back_to
        )


def _quorum(quorum: Any) -> str:
    known = {"first": "the first who answers", "unanimous": "all of them, unanimously"}
    return f"a yes of {quorum.get('at_least')}" if isinstance(quorum, dict) else known.get(quorum, str(quorum))


def _answers(task: HumanTask) -> Table:
    found = task.decisions.select_related("user").order_by("created_at", "id")[:_MANY]
    rows = [(each.user or NONE, _decision(each.approved), each.created_at, _variables(each.variables)) for each in found]
    return Table("Answers", ("By", "Decision", "When", "What"), rows)


def _decision(approved: bool | None) -> SafeString | str:
    if approved is None:
        return NONE
    return badge("yes", "thumb_up", "good") if approved else badge("no", "thumb_down", "bad")


def _variables(values: Any) -> str:
    if not isinstance(values, dict):
        return orjson.dumps(values).decode()
    return "; ".join(f"{name}: {value if isinstance(value, str) else orjson.dumps(value).decode()}" for name, value in values.items())


def _asked(task: HumanTask) -> Table:
    form = form_of(task.form, task.decision)
    buttons = [(" or ".join(each.label or each.word for each in form.outcomes), "buttons", "", "")]
    return Table("What is asked", ("Answer", "Kind", "Needed", "Choices"), [*_fields(form.fields), *buttons])


def _fields(fields: Any, within: str = "") -> list[tuple[str, str, str, str]]:
    rows = []
    for each in fields:
        rows.append(_field(each, within))
        rows += _fields(each.fields, f"{within}{each.label} / ")
    return rows


def _field(each: Field, within: str) -> tuple[str, str, str, str]:
    label = within + (each.label or each.pointer.strip("/") or "any answers")
    return label, each.kind, "yes" if each.is_required else "", ", ".join(label for _, label in each.choices)


def _comments(task: HumanTask) -> Table:
    found = task.comments.select_related("user").order_by("created_at", "id")[:_MANY]
    return Table("Comments", ("By", "When", "Comment"), [(each.user or NONE, each.created_at, each.text) for each in found])


def _files(task: HumanTask) -> Table:
    found = task.attachments.select_related("user").order_by("created_at", "id")
    rows = [(each.name, f"{each.size_bytes} bytes", each.user or NONE, each.created_at) for each in found]
    return Table("Files", ("Name", "Size", "By", "When"), rows)


@admin.register(Absence)
class AbsenceAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("user", "substitute", "is_now", "workspace", "starts_at", "ends_at")
    list_filter = (("ends_at", RangeDateTimeFilter),)
    list_filter_submit = True
    list_select_related = ("user", "substitute", "workspace")
    page_select_related = ("user", "substitute", "workspace")
    search_fields = ("user__username", "substitute__username", "workspace__name")
    search_help_text = "Id, or a part of a username or of a workspace's name"
    ordering = ("-ends_at", "-id")
    fields = ("user", "substitute", "is_now", "workspace", "starts_at", "ends_at", "created_at")
    readonly_fields = fields
    empty_hint = "Nobody is away. POST /api/v1/absences says who does somebody's tasks meanwhile."

    @admin.display(description="state")
    def is_now(self, absence: Absence) -> SafeString:
        now = timezone.now()
        if absence.ends_at <= now:
            return badge("over", "event_available", "calm")
        return badge("away", "event_busy", "wait") if absence.starts_at <= now else badge("to come", "schedule", "calm")
