"""Templates in the admin."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from apps.core.admin import IdSearch, ReadOnlyAdmin, act, badge, pretty_json
from apps.engine.errors import ForbiddenError
from apps.templates import actions
from apps.templates.languages import CHINESE
from apps.templates.models import NodeTemplate, Status, Visibility, WorkflowTemplate
from apps.workflows.picture import picture_of

MAY_CHANGE = "templates.change_workflowtemplate"
# What a button does: {verb: (changes, what is said then)}
BUTTONS: dict[str, tuple[dict[str, str], str]] = {
    "activate": ({"status": Status.ACTIVE}, "The template is switched on."),
    "deactivate": ({"status": Status.INACTIVE}, "The template is switched off: it is neither listed nor used."),
    "withdraw": ({"visibility": Visibility.WORKSPACE}, "Only the members of its workspace see the template now."),
}


class OfSystemError(ForbiddenError):
    code = "system_template"


class OriginFilter(admin.SimpleListFilter):
    title = "origin"
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("system", "comes with StructForge"), ("people", "made by people")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(workspace__isnull=self.value() == "system")


@admin.register(WorkflowTemplate)
class WorkflowTemplateAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = (
        "name",
        "origin",
        "category",
        "short_visibility",
        "shown_status",
        "node_count",
        "use_count",
        "rating",
        "created_by",
        "created_at",
    )
    list_filter = (OriginFilter, "category", "visibility", "status", ("workspace", AutocompleteSelectFilter))
    list_filter_submit = True
    list_select_related = ("workspace", "created_by")
    page_select_related = ("workspace", "created_by")
    heavy_fields = ("definition", "sample_input", "sample_output", "translations", "search_text")
    search_fields = ("search_text", "workspace__name")
    search_help_text = "Words in any language, workspace, or id"
    ordering = ("-use_count", "-id")

    @admin.display(description="from")
    def origin(self, template: WorkflowTemplate) -> str:
        return template.workspace.name if template.workspace else "StructForge"

    @admin.display(description="visible to", ordering="visibility")
    def short_visibility(self, template: WorkflowTemplate) -> str:
        return {Visibility.PRIVATE: "its maker", Visibility.WORKSPACE: "its workspace", Visibility.PUBLIC: "everyone"}[template.visibility]

    @admin.display(description="status", ordering="status")
    def shown_status(self, template: WorkflowTemplate) -> str:
        return (
            badge("active", "check_circle", "good") if template.status == Status.ACTIVE else badge("inactive", "do_not_disturb_on", "none")
        )

    @admin.display(description="rating", ordering="rating_rank")
    def rating(self, template: WorkflowTemplate) -> str:
        return f"{template.rating_average:.1f} of {template.rating_count}" if template.rating_count else "–"

    def get_urls(self) -> list[URLPattern]:
        change = require_POST(self.admin_site.admin_view(self.button_view))
        own = [path(f"<uuid:template_id>/{verb}/", change, {"verb": verb}, name=f"template_{verb}") for verb in BUTTONS]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        template = self.get_row(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": template,
            "title": template.name,
            "rating": self.rating(template),
            "badge": self.shown_status(template),
            "chinese": template.words(CHINESE) if CHINESE in template.translations else None,
            "may_change": request.user.has_perm(MAY_CHANGE) and not template.is_system,  # type: ignore[union-attr]  # no anonymous caller
            "picture": picture_of(template.definition),
            "documents": [("Sample input", pretty_json(template.sample_input)), ("Definition", pretty_json(template.definition))],
        }
        return TemplateResponse(request, "admin/structforge/template.html", context)

    def button_view(self, request: HttpRequest, template_id: UUID, verb: str) -> HttpResponse:
        template: WorkflowTemplate = self.get_row(request, template_id)
        if not request.user.has_perm(MAY_CHANGE):  # type: ignore[union-attr]  # the admin lets in no anonymous caller
            raise PermissionDenied
        changes, done = BUTTONS[verb]
        back_to = reverse("admin:templates_workflowtemplate_change", args=[template_id])
        return act(request, lambda: _change(template, changes), done=done, back_to=back_to)


def _change(template: WorkflowTemplate, changes: dict[str, str]) -> None:
    if template.is_system:
        raise OfSystemError(f"Template '{template.name}' comes with StructForge: nobody changes it.")
    actions.update_template(template=template, **changes)


@admin.register(NodeTemplate)
class NodeTemplateAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("name", "type", "workspace", "created_by", "created_at")
    list_filter = ("type", ("workspace", AutocompleteSelectFilter))
    list_filter_submit = True
    list_select_related = ("workspace", "created_by")
    page_select_related = ("workspace", "created_by")
    heavy_fields = ("config",)
    search_fields = ("name", "description", "type", "workspace__name")
    search_help_text = "Name, description, node type, workspace, or id"
    ordering = ("-created_at", "-id")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        node = self.get_row(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": node,
            "title": node.name,
            "documents": [("Config", pretty_json(node.config))],
        }
        return TemplateResponse(request, "admin/structforge/node_template.html", context)
