"""Events in the admin: what came, and what it started."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter

from apps.core.admin import IdSearch, badge
from apps.core.admin_pages import NONE, Table, documents, id_link, row_link
from apps.executions.admin.pages import FactsAdmin, status_badge
from apps.executions.models import Execution
from apps.triggers.models import Event
from apps.workflows.models import Workflow

_HEAVY = ("input", "output", "variables")


@admin.register(Event)
class EventAdmin(IdSearch, FactsAdmin):
    id_field = "pk"
    list_display = ("type", "source", "subject", "origin", "effect", "trouble", "workspace", "created_at", "delivered_at")
    list_filter = ("origin", ("delivered_at", admin.EmptyFieldListFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("workspace",)
    page_select_related = ("workspace", "sent_by")
    heavy_fields = ("data",)
    search_fields = ("type", "source", "subject", "event_id")
    search_help_text = "Id, or a part of the type, source, subject or the sender's id"
    ordering = ("-created_at", "-id")
    empty_hint = "Nothing has happened. POST /api/v1/events sends an event; workflows with a node trigger.event listen for it."

    @admin.display(description="became of it")
    def effect(self, event: Event) -> SafeString:
        if event.delivered_at is None:
            return badge("not delivered yet", "hourglass_empty", "wait")
        done = [f"started {len(event.started)}"] * bool(event.started) + [f"woke {event.woken}"] * bool(event.woken)
        return badge(", ".join(done), "bolt", "good") if done else badge("nobody listened", "notifications_off", "calm")

    @admin.display(description="not started")
    def trouble(self, event: Event) -> SafeString | str:
        return badge(str(len(event.problems)), "error", "bad") if event.problems else NONE

    def content(self, request: HttpRequest, row: Event) -> dict[str, Any]:
        tables = [_started(request, row), *([_problems(request, row)] if row.problems else [])]
        return {
            "facts": [
                ("Became of it", self.effect(row)),
                ("Source", row.source or NONE),
                ("Subject", row.subject or NONE),
                ("Sender's id", row.event_id),
                ("Origin", row.get_origin_display()),
                ("Sent by", row.sent_by or NONE),
                ("Workspace", row_link(row.workspace)),
                ("Happened", row.time),
                ("Delivered", row.delivered_at or NONE),
                ("Node runs that it woke", row.woken),
                ("Events that led to it", row.depth),
            ],
            "tables": tables,
            "documents": documents(data=row.data),
        }


def _started(request: HttpRequest, event: Event) -> Table:
    user: Any = request.user
    found = (
        Execution.objects.visible_to(user)
        .filter(pk__in=event.started)
        .select_related("workflow")
        .defer(*_HEAVY)
        .order_by("created_at", "pk")
    )
    rows = [(row_link(each, each.pk), row_link(each.workflow), status_badge(each.status)) for each in found]
    return Table("Executions that it started", ("Execution", "Workflow", "Status"), rows)


def _problems(request: HttpRequest, event: Event) -> Table:
    user: Any = request.user
    ids = [each.get("workflow") for each in event.problems]
    names = {str(each.pk): each.name for each in Workflow.objects.visible_to(user).filter(pk__in=ids).only("name")}
    rows = [
        (id_link(Workflow, each["workflow"], names[each["workflow"]]) if each.get("workflow") in names else NONE, *map(each.get, _PROBLEM))
        for each in event.problems
    ]
    return Table("What it could not start", ("Workflow", "Node", "Code", "Why"), rows)


_PROBLEM = ("node", "code", "message")
