"""Workflows and versions in the admin."""

from collections.abc import Callable
from itertools import islice
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.filters import EmptyFieldListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from apps.core.admin import Audited, IdSearch, ReadOnlyAdmin, act, badge, pretty_json
from apps.core.admin_export import Exported
from apps.engine.changes import diff
from apps.workflows import actions, admin_sharing, queries  # noqa: F401  # registers its pages
from apps.workflows.admin_exchange import ExchangeMixin
from apps.workflows.change_rows import MAX_ROWS, rows_of
from apps.workflows.models import Draft, VersionRetention, Workflow, WorkflowVersion
from apps.workflows.picture import picture_of

MAY_PUBLISH = "workflows.change_workflow"
SHOWN_VERSIONS = 100


@admin.register(Workflow)
class WorkflowAdmin(ExchangeMixin, IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("name", "workspace", "folder", "published_number", "latest_number", "is_archived", "created_by", "created_at")
    list_filter = (
        ("workspace", AutocompleteSelectFilter),
        ("folder", AutocompleteSelectFilter),
        ("tags", AutocompleteSelectFilter),
        ("archived_at", EmptyFieldListFilter),
    )
    list_filter_submit = True
    list_select_related = ("workspace", "folder", "created_by", "published_version")
    search_fields = ("name", "workspace__name")
    search_help_text = "Name, workspace, or id"
    ordering = ("-created_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workflow]:
        newest = WorkflowVersion.objects.filter(workflow=OuterRef("pk")).order_by("-number").values("number")[:1]
        found = super().get_queryset(request).annotate(latest_number=Subquery(newest))
        return found.defer("published_version__definition", "published_version__start")

    @admin.display(description="published")
    def published_number(self, workflow: Workflow) -> str:
        return f"v{workflow.published_version.number}" if workflow.published_version else "–"

    @admin.display(description="archived")
    def is_archived(self, workflow: Workflow) -> str:
        return badge("archived", "inventory_2", "calm") if workflow.archived_at else "–"

    @admin.display(description="newest")
    def latest_number(self, workflow: Workflow) -> str:
        return f"v{workflow.latest_number}"  # type: ignore[attr-defined]  # annotated above

    def get_urls(self) -> list[URLPattern]:
        publish = require_POST(self.admin_site.admin_view(self.publish_view))
        unpublish = require_POST(self.admin_site.admin_view(self.unpublish_view))
        own = [
            path("<uuid:workflow_id>/publish/<int:number>/", publish, name="workflow_publish"),
            path("<uuid:workflow_id>/unpublish/", unpublish, name="workflow_unpublish"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        workflow = self.get_row(request, object_id)
        published = WorkflowVersion.objects.filter(pk=workflow.published_version_id).first()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": workflow,
            "title": workflow.name,
            "may_publish": request.user.has_perm(MAY_PUBLISH),  # type: ignore[union-attr]  # the admin lets in no anonymous caller
            "versions": queries.list_versions(workflow).select_related("created_by").order_by("-number")[:SHOWN_VERSIONS],
            "picture": picture_of(published.definition) if published else None,
        }
        return TemplateResponse(request, "admin/structforge/workflow.html", context)

    def publish_view(self, request: HttpRequest, workflow_id: UUID, number: int) -> HttpResponse:
        version = get_object_or_404(self._to_publish(request, workflow_id).versions, number=number)
        return self._act(request, workflow_id, lambda: actions.publish_version(version=version), f"Version {number} is published.")

    def unpublish_view(self, request: HttpRequest, workflow_id: UUID) -> HttpResponse:
        workflow = self._to_publish(request, workflow_id)
        done = "Nothing starts by this workflow any more."
        return self._act(request, workflow_id, lambda: actions.unpublish_workflow(workflow=workflow), done)

    def _to_publish(self, request: HttpRequest, workflow_id: UUID) -> Workflow:
        workflow: Workflow = self.get_row(request, workflow_id)
        if not request.user.has_perm(MAY_PUBLISH):  # type: ignore[union-attr]  # the admin lets in no anonymous caller
            raise PermissionDenied
        return workflow

    def _act(self, request: HttpRequest, workflow_id: UUID, verb: Callable[[], Any], done: str) -> HttpResponse:
        return act(request, verb, done=done, back_to=reverse("admin:workflows_workflow_change", args=[workflow_id]))


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("workflow", "number", "label", "created_by", "created_at", "published_at")
    list_filter = (("workflow", AutocompleteSelectFilter),)
    list_filter_submit = True
    list_select_related = ("workflow", "created_by")
    heavy_fields = ("definition", "start")
    page_select_related = ("workflow", "created_by")
    search_fields = ("workflow__name", "label")
    search_help_text = "Name of the workflow, label, or id"
    ordering = ("-created_at", "-id")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        version = self.get_row(request, object_id)
        before = queries.find_version_before(version)
        changes = list(islice(rows_of(diff(before.definition, version.definition)), MAX_ROWS + 1)) if before else []
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": version,
            "title": str(version),
            "picture": picture_of(version.definition),
            "before": before,
            "changes": changes[:MAX_ROWS],
            "more_changes": len(changes) > MAX_ROWS,
            "documents": [("Definition", pretty_json(version.definition))],
        }
        return TemplateResponse(request, "admin/structforge/version.html", context)


@admin.register(Draft)
class DraftAdmin(ReadOnlyAdmin):
    """That people work on something, not what."""

    list_display = ("workflow", "user", "base_number", "updated_at")
    list_filter = (("workspace", AutocompleteSelectFilter),)
    list_filter_submit = True
    list_select_related = ("workflow", "user", "base_version")
    heavy_fields = ("definition", "base_version__definition", "base_version__start")
    page_select_related = ("workflow", "user", "base_version")
    fields = ("workspace", "workflow", "user", "base_version", "created_at", "updated_at")
    search_fields = ("workflow__name", "user__username")
    ordering = ("-updated_at", "-id")

    @admin.display(description="began at")
    def base_number(self, draft: Draft) -> str:
        return f"v{draft.base_version.number}"


@admin.register(VersionRetention)
class VersionRetentionAdmin(Audited, Exported, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    list_display = ("workspace", "keep", "updated_at")
    list_select_related = ("workspace",)
    search_fields = ("workspace__name",)
    autocomplete_fields = ("workspace",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[VersionRetention]:
        queryset: Any = super().get_queryset(request)
        return queryset.visible_to(request.user)
