"""What the two vocabularies keep, in the admin: to look at, and to suspend a process definition or to let it start again."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.accounts.permissions import Permission
from apps.core.admin import IdSearch, ReadOnlyAdmin, act, badge, pretty_json
from apps.dialects.models import ProcessDefinition, Service, Step, StepTemplate
from apps.dialects.processes.actions import activate_definition, suspend_definition
from apps.dialects.processes.queries import get_definition
from apps.executions.admin.pages import page_context

MAY_SWITCH = "dialects.change_processdefinition"
_ACTIVE, _INACTIVE = ("play_circle", "good"), ("pause_circle", "wait")


class _OfWorkflowAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "workflow_id"
    list_select_related = ("workflow__workspace",)
    search_fields = ("workflow__name",)
    search_help_text = "Id of a workflow, or a part of its name"
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("version__definition", "version__start")

    @admin.display(description="status")
    def status(self, row: Any) -> SafeString:
        return badge("active", *_ACTIVE) if row.workflow.published_version_id else badge("inactive", *_INACTIVE)

    @admin.display(description="workspace")
    def workspace(self, row: Any) -> str:
        return str(row.workflow.workspace)


@admin.register(ProcessDefinition)
class ProcessDefinitionAdmin(_OfWorkflowAdmin):
    list_display = ("id", "workflow", "status", "workspace", "updated_at")
    heavy_fields = ("form",)
    page_select_related = ("workflow__workspace", "version")

    def get_urls(self) -> list[URLPattern]:
        switch = require_POST(self.admin_site.admin_view(self.switch_view))
        return [path("<int:number>/switch/", switch, name="process_definition_switch"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        definition = self.get_row(request, object_id)
        context = page_context(self, request, definition, str(definition.workflow))
        return TemplateResponse(request, "admin/structforge/facts.html", {**context, **_content(request, definition)})

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


def _content(request: HttpRequest, definition: ProcessDefinition) -> dict[str, Any]:
    workflow = definition.workflow
    is_active = workflow.published_version_id is not None
    label, asks = ("Suspend", "Let nobody start it any more?") if is_active else ("Activate", "Let it be started?")
    button = {"label": label, "asks": asks, "url": reverse("admin:process_definition_switch", args=[definition.pk])}
    return {
        "facts": [
            ("Number", definition.pk),
            ("Workflow", workflow),
            ("Workspace", workflow.workspace),
            ("Status", badge("active", *_ACTIVE) if is_active else badge("suspended", *_INACTIVE)),
            ("Version", definition.version or "–"),
        ],
        "button": button if _may_switch(request) else None,
        "documents": [("Form", pretty_json(definition.form))],
    }


def _may_switch(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(MAY_SWITCH))  # type: ignore[union-attr]  # the admin lets in no anonymous caller


@admin.register(StepTemplate)
class StepTemplateAdmin(_OfWorkflowAdmin):
    list_display = ("id", "workflow", "status", "workspace", "updated_at")
    fields = ("id", "workflow", "placed", "created_at", "updated_at")
    readonly_fields = fields

    @admin.display(description="steps")
    def placed(self, template: StepTemplate) -> str:
        placed = template.steps.select_related("step").order_by("order_num", "id")
        return ", ".join(f"{each.key} ({each.step.name}, {each.run_mode}, {each.on_failure})" for each in placed)


class _NamedAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "workspace_id"
    list_select_related = ("workspace",)
    search_fields = ("name", "workspace__name")
    search_help_text = "Id of a workspace, or a part of a name or of its workspace's"


@admin.register(Step)
class StepAdmin(_NamedAdmin):
    list_display = ("id", "name", "executor_type", "timeout", "retry_count", "workspace", "updated_at")
    list_filter = ("executor_type",)
    heavy_fields = ("executor_config", "description")
    ordering = ("-id",)
    fields = (
        "id",
        "name",
        "description",
        "executor_type",
        "executor_config",
        "timeout",
        "retry_count",
        "workspace",
        "created_at",
        "updated_at",
    )
    readonly_fields = fields


@admin.register(Service)
class ServiceAdmin(_NamedAdmin):
    list_display = ("name", "kind", "base_url", "workspace", "updated_at")
    list_filter = ("kind",)
    heavy_fields = ("methods", "description")
    page_select_related = ("workspace", "credential", "created_by")
    ordering = ("-created_at", "-id")
    fields = (
        "name",
        "description",
        "kind",
        "base_url",
        "credential",
        "methods",
        "workspace",
        "created_by",
        "created_at",
        "updated_at",
    )
    readonly_fields = fields
