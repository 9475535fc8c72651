"""The list of executions, and the page of one with its picture and buttons."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.views import ChangeList

from apps.accounts.models import User
from apps.core.admin import IdSearch, ReadOnlyAdmin, act, pretty_json
from apps.core.admin_pages import row_link
from apps.engine.statuses import SETTLED_EXECUTION
from apps.executions import actions, queries
from apps.executions.admin.pages import MAY_STEER, duration, node_run_duration, page_context, status_badge
from apps.executions.admin.reruns import rerun_selected, rerun_view
from apps.executions.follow_ups.queries import relations_of
from apps.executions.models import Execution, NodeRun
from apps.executions.notes import with_notes
from apps.executions.standings import standings_of
from apps.executions.tallies import Tally, tallies_of
from apps.executions.waiting import waiting_of, with_waiting
from apps.workflows.picture import Picture, picture_of

SHOWN_NODE_RUNS = 200
# {trigger: (page of the admin, label)} of lists that tell what came before a start; they belong to apps that build on this one.
TRIGGER_PAGES = {
    "schedule": ("admin:triggers_schedulerun_changelist", "Run of a schedule"),
    "webhook": ("admin:triggers_webhookcall_changelist", "Call of a webhook"),
}
# {verb: (action, statuses in which its button is shown, what is said afterwards)}
MOVES: Mapping[str, tuple[Callable[..., str], frozenset[str], str]] = {
    "pause": (actions.pause_execution, frozenset({"running"}), "Paused: what runs finishes, nothing new begins."),
    "resume": (actions.resume_execution, frozenset({"paused"}), "It goes on."),
    "cancel": (actions.cancel_execution, frozenset({"pending", "running", "paused"}), "It is being cancelled."),
}


class ExecutionList(ChangeList):  # type: ignore[misc]  # unfold has no types
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        with_waiting(self.result_list)


@admin.register(Execution)
class ExecutionAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("id", "workflow_name", "status_badge", "waits_for", "trigger", "business_key", "created_at", "duration")
    list_filter = ("status", "trigger", ("workflow", AutocompleteSelectFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("workflow",)
    heavy_fields = ("input", "output", "variables")
    page_select_related = ("workflow", "version", "started_by")
    actions = (rerun_selected,)
    search_fields = ("business_key__exact", "workflow__name")
    search_help_text = "Id, business key, or a part of the workflow's name"
    ordering = ("-created_at", "-id")

    @admin.display(description="workflow", ordering="workflow__name")
    def workflow_name(self, execution: Execution) -> SafeString | str:
        return row_link(execution.workflow)

    @admin.display(description="status", ordering="status")
    def status_badge(self, execution: Execution) -> SafeString:
        return status_badge(execution.status)

    @admin.display(description="waits for")
    def waits_for(self, execution: Any) -> str:
        return execution.waiting.reason if execution.waiting else "–"

    def completed(self, rows: list[Any]) -> list[Any]:
        with_waiting(rows)
        return rows

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ExecutionList

    @admin.display(description="took")
    def duration(self, execution: Execution) -> str:
        return duration(execution.started_at, execution.finished_at)

    def get_urls(self) -> list[URLPattern]:
        move = require_POST(self.admin_site.admin_view(self.move_view))
        again = require_POST(self.admin_site.admin_view(rerun_view))
        return [
            path("<uuid:execution_id>/move/<str:verb>/", move, name="execution_move"),
            path("<uuid:execution_id>/rerun/", again, name="execution_rerun"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        execution = self.get_row(request, object_id)
        context = page_context(self, request, execution, f"{execution.workflow.name} v{execution.version.number}")
        return TemplateResponse(request, "admin/structforge/execution.html", {**context, **_content(_user(request), execution)})

    def move_view(self, request: HttpRequest, execution_id: UUID, verb: str) -> HttpResponse:
        if verb not in MOVES:
            raise Http404(f"There is no '{verb}'.")
        self.get_row(request, execution_id)
        if not _user(request).has_perm(MAY_STEER):
            raise PermissionDenied
        move, _, done = MOVES[verb]
        back_to = reverse("admin:executions_execution_change", args=[execution_id])
        return act(request, lambda: move(execution_id=execution_id), done=done, back_to=back_to)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the admin lets in nobody else
    return request.user


def _content(user: User, execution: Execution) -> dict[str, Any]:
    """What is particular to the page of this execution."""
    node_runs = list(queries.list_node_runs(user, execution.id, limit=SHOWN_NODE_RUNS + 1))
    with_notes(execution.id, node_runs)
    tallies = tallies_of(user, execution.id)
    return {
        "badge": status_badge(execution.status),
        "waiting": waiting_of([execution]).get(execution.id),
        "duration": duration(execution.started_at, execution.finished_at),
        "has_ended": execution.status in SETTLED_EXECUTION,
        "verbs": [verb for verb, (_, statuses, _) in MOVES.items() if execution.status in statuses],
        "trigger_page": TRIGGER_PAGES.get(execution.trigger),
        "asks_people": any(node["type"] == "human.task" for node in execution.version.definition["nodes"]),
        "picture": _picture(execution, tallies),
        "node_runs": [_row(run, reverse("admin:executions_noderun_change", args=[run.id])) for run in node_runs[:SHOWN_NODE_RUNS]],
        "run_count": sum(tally.runs.total() for tally in tallies.values()),
        "failed_count": sum(tally.runs["failed"] for tally in tallies.values()),
        "iterations_url": _iterations_url(execution, tallies),
        "parent_url": _parent_url(execution),
        "children": [_child(child) for child in queries.list_children(user, execution.id)],
        "more_node_runs": len(node_runs) > SHOWN_NODE_RUNS,
        "relations": _relations(user, execution),
        "documents": _documents(execution),
    }


def _picture(execution: Execution, tallies: Mapping[str, Tally]) -> Picture | None:
    definition = execution.version.definition
    standings = standings_of(
        definition,
        tallies,
        is_over=execution.status in SETTLED_EXECUTION,
        url=lambda key, tally: _node_url(execution, key, tally),
        iterations_url=lambda key: _list_url("iteration", execution, key),
    )
    return picture_of(definition, standings=standings)


def _node_url(execution: Execution, key: str, tally: Tally) -> str:
    """The page of the only run of a node; the list of its runs where it is in a loop."""
    if tally.is_repeated:
        return _list_url("noderun", execution, key)
    return reverse("admin:executions_noderun_change", args=[tally.newest])


def _list_url(model: str, execution: Execution, key: str | None = None) -> str:
    asked = {"q": str(execution.id), **({"key__exact": key} if key is not None else {})}
    return f"{reverse(f'admin:executions_{model}_changelist')}?{urlencode(asked)}"


def _iterations_url(execution: Execution, tallies: Mapping[str, Tally]) -> str | None:
    """The list of its iterations, where it has any."""
    return _list_url("iteration", execution) if any(tally.iterations for tally in tallies.values()) else None


def _parent_url(execution: Execution) -> str | None:
    parent = execution.parent_node_run_id
    return reverse("admin:executions_noderun_change", args=[parent]) if parent is not None else None


def _child(child: Execution) -> dict[str, Any]:
    url = reverse("admin:executions_execution_change", args=[child.id])
    return {"url": url, "name": child.workflow_name, "badge": status_badge(child.status), "node": child.parent_node_run.key}


def _row(run: NodeRun, url: str) -> dict[str, Any]:
    return {"run": run, "url": url, "badge": status_badge(run.status), "duration": node_run_duration(run)}


def _relations(user: User, execution: Execution) -> list[tuple[str, UUID, SafeString]]:
    """(what it is, id of the other execution, its status) of what it follows and of what follows from it."""
    found = relations_of(user, execution)
    before = [(f"{found.follows.kind} of", found.follows.origin_id, status_badge(found.follows.origin.status))] if found.follows else []
    after = [(row.kind, row.execution.pk, status_badge(row.execution.status)) for row in found.follow_ups if row.execution is not None]
    return before + after


def _documents(execution: Execution) -> list[tuple[str, SafeString]]:
    found = {"Error": execution.error, "Output": execution.output, "Input": execution.input, "Variables": execution.variables}
    return [(title, pretty_json(value)) for title, value in found.items() if value]
