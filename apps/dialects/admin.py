"""What the two vocabularies keep, in the admin: to look at, and to suspend a process definition or to let it start again."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.accounts.permissions import Permission
from apps.core.admin import IdSearch, act, badge
from apps.core.admin_pages import NONE, Table, documents, list_link, row_link
from apps.dialects.models import ProcessDefinition, Service, Step, StepTemplate
from apps.dialects.processes.actions import activate_definition, suspend_definition
from apps.dialects.processes.queries import get_definition
from apps.executions.admin.pages import FactsAdmin
from apps.executions.models import Execution
from apps.workflows.picture import picture_of

MAY_SWITCH = "dialects.change_processdefinition"
_ACTIVE, _INACTIVE = ("play_circle", "good"), ("pause_circle", "wait")


class _OfWorkflowAdmin(IdSearch, FactsAdmin):
    id_field = "workflow_id"
    list_select_related = ("workflow__workspace",)
    page_select_related = ("workflow__workspace", "version")
    search_fields = ("workflow__name",)
    search_help_text = "Id of a workflow, or a part of its name"
    ordering = ("-id",)
    # What the vocabulary says of one that nobody can start.
    inactive = "inactive"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("version__definition", "version__start")

    @admin.display(description="name", ordering="workflow__name")
    def name(self, row: Any) -> str:
        return str(row.workflow)

    @admin.display(description="status")
    def status(self, row: Any) -> SafeString:
        return badge("active", *_ACTIVE) if row.workflow.published_version_id else badge(self.inactive, *_INACTIVE)

    @admin.display(description="workspace")
    def workspace(self, row: Any) -> str:
        return str(row.workflow.workspace)

    @admin.display(description="executions")
    def executions(self, row: Any) -> SafeString:
        return list_link(Execution, "Its executions", workflow__id__exact=row.workflow_id)

    def heading(self, row: Any) -> str:
        return str(row.workflow)

    def facts(self, row: Any) -> list[tuple[str, Any]]:
        return [
            ("Number", row.pk),
            ("Status", self.status(row)),
            ("Workflow", row_link(row.workflow)),
            ("Version", row_link(row.version, f"version {row.version.number}" if row.version else None)),
            ("Executions", self.executions(row)),
            ("Workspace", row_link(row.workflow.workspace)),
            ("Changed", row.updated_at),
        ]


@admin.register(ProcessDefinition)
class ProcessDefinitionAdmin(_OfWorkflowAdmin):
    list_display = ("id", "name", "status", "executions", "workspace", "updated_at")
    heavy_fields = ("form",)
    inactive = "suspended"
    empty_hint = "POST /api/v1/process-definitions makes a process of steps that name what comes next."

    def get_urls(self) -> list[URLPattern]:
        switch = require_POST(self.admin_site.admin_view(self.switch_view))
        return [path("<int:number>/switch/", switch, name="process_definition_switch"), *super().get_urls()]

    def content(self, request: HttpRequest, row: ProcessDefinition) -> dict[str, Any]:
        return {
            "lead": f"Process definition {row.pk}",
            "facts": self.facts(row),
            "text": row.form.get("description", ""),
            "picture": _picture(row),
            "button": _button(row) if _may_switch(request) else None,
            "tables": [_steps_of(row.form), _variables_of(row.form)],
            "documents": documents(form=row.form),
        }

    def switch_view(self, request: HttpRequest, number: int) -> HttpResponse:
        is_active = self.get_row(request, str(number)).workflow.published_version_id is not None
        if not _may_switch(request):
            raise PermissionDenied

        def switch() -> None:
            # The admin lets in no anonymous caller.
            own = get_definition(request.user, number, Permission.WORKFLOW_EDIT)  # type: ignore[arg-type]
            (suspend_definition if is_active else activate_definition)(definition=own)

        done = "Nobody starts it any more." if is_active else "It may be started."
        return act(request, switch, done=done, back_to=reverse("admin:dialects_processdefinition_change", args=[number]))


def _button(definition: ProcessDefinition) -> dict[str, Any]:
    is_active = definition.workflow.published_version_id is not None
    label, asks = ("Suspend", "Let nobody start it any more?") if is_active else ("Activate", "Let it be started?")
    return {"label": label, "asks": asks, "url": reverse("admin:process_definition_switch", args=[definition.pk]), "is_danger": is_active}


def _may_switch(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(MAY_SWITCH))  # type: ignore[union-attr]  # the admin lets in no anonymous caller


def _picture(row: Any) -> Any:
    return picture_of(row.version.definition) if row.version else None


def _steps_of(form: Any) -> Table:
    rows = [(_step_name(each), each.get("name") or NONE, each.get("type") or NONE, _next(each)) for each in form.get("steps", [])]
    return Table("Steps", ("Id", "Name", "Type", "Next"), rows)


def _step_name(step: Any) -> str:
    return step.get("id") or step.get("type") or NONE


def _next(step: Any) -> str:
    """Where it leads, by `next` and by what gateways and timers name in their config."""
    config = step.get("config") or {}
    branches = [each.get("next") for each in (*config.get("conditions", []), *config.get("events", []))]
    found = [step.get("next"), *branches, config.get("default"), config.get("parallel_tasks"), config.get("action")]
    named = [name for each in found if each for name in (each if isinstance(each, list) else [each])]
    return ", ".join(dict.fromkeys(map(str, named))) or NONE


def _variables_of(form: Any) -> Table:
    variables = form.get("variables") or {}
    return Table("What a start has to bring", ("Name", "Type"), list(variables.items()) if isinstance(variables, dict) else [])


@admin.register(StepTemplate)
class StepTemplateAdmin(_OfWorkflowAdmin):
    list_display = ("id", "name", "status", "executions", "workspace", "updated_at")
    empty_hint = "POST /api/v1/templates makes a template of steps from the library."

    def content(self, request: HttpRequest, row: StepTemplate) -> dict[str, Any]:
        placed = row.steps.select_related("step").order_by("order_num", "id")
        rows = [
            (
                each.order_num,
                each.key,
                row_link(each.step),
                each.step.executor_type,
                each.get_run_mode_display(),
                each.get_on_failure_display(),
            )
            for each in placed
        ]
        head = ("Order", "Key", "Step", "Executor", "Runs", "When it fails")
        return {
            "lead": f"Step template {row.pk}",
            "facts": self.facts(row),
            "picture": _picture(row),
            "tables": [Table("Steps", head, rows)],
        }


class _NamedAdmin(IdSearch, FactsAdmin):
    id_field = "workspace_id"
    list_select_related = ("workspace",)
    page_select_related: tuple[str, ...] = ("workspace",)
    search_fields = ("name", "workspace__name")
    search_help_text = "Id of a workspace, or a part of a name or of its workspace's"


@admin.register(Step)
class StepAdmin(_NamedAdmin):
    list_display = ("id", "name", "executor_type", "seconds", "retry_count", "workspace", "updated_at")
    list_filter = ("executor_type",)
    heavy_fields = ("executor_config", "description")
    ordering = ("-id",)
    empty_hint = "POST /api/v1/steps keeps a step in the library, for templates to place."

    @admin.display(description="timeout", ordering="timeout")
    def seconds(self, step: Step) -> str:
        return f"{step.timeout} s"

    def content(self, request: HttpRequest, row: Step) -> dict[str, Any]:
        return {
            "lead": f"Step {row.pk}",
            "facts": [
                ("Executor", row.get_executor_type_display()),
                ("Timeout", self.seconds(row)),
                ("Further attempts", row.retry_count),
                ("Placed in", _templates_with(request, row)),
                ("Workspace", row_link(row.workspace)),
                ("Changed", row.updated_at),
            ],
            "text": row.description,
            "documents": documents(executor_config=row.executor_config),
        }


def _templates_with(request: HttpRequest, step: Step) -> SafeString | str:
    user: Any = request.user
    found = StepTemplate.objects.visible_to(user).filter(steps__step=step).select_related("workflow").distinct().order_by("id")
    return format_html_join(", ", "{}", ((row_link(each, each.workflow),) for each in found)) or "no template"


@admin.register(Service)
class ServiceAdmin(_NamedAdmin):
    list_display = ("name", "kind", "base_url", "workspace", "updated_at")
    list_filter = ("kind",)
    heavy_fields = ("methods", "description")
    page_select_related = ("workspace", "credential", "created_by")
    ordering = ("-created_at", "-id")
    empty_hint = "POST /api/v1/services registers what steps of the type service_task call by name."

    def content(self, request: HttpRequest, row: Service) -> dict[str, Any]:
        return {
            "facts": [
                ("Kind", row.get_kind_display()),
                ("Address", row.base_url or NONE),
                ("Credential", row_link(row.credential)),
                ("Workspace", row_link(row.workspace)),
                ("Made by", row.created_by or NONE),
                ("Changed", row.updated_at),
            ],
            "text": row.description,
            "tables": [_methods(row)],
        }


def _methods(service: Service) -> Table:
    if service.kind == Service.Kind.FUNCTION:
        return Table("Methods", ("Method", "Function"), list(service.methods.items()))
    rows = [(name, each.get("http_method", "POST"), each.get("path", f"/{name}")) for name, each in service.methods.items()]
    return Table("Methods", ("Method", "HTTP", "Path"), rows, "" if rows else "Every method is posted to its own name below the address.")
