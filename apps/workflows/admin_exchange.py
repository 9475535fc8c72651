"""Workflows out of the admin as a document, and in."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.engine.errors import StructForgeError
from apps.workflows.exchange.document import MAX_WORKFLOWS
from apps.workflows.exchange.exporting import export_workflows
from apps.workflows.exchange.files import file_of, read_file
from apps.workflows.imports.importing import Brought, import_document
from apps.workflows.models import Workflow

SELECT_LOOK = {"class": "unfold-admin-autocomplete", "data-theme": "admin-autocomplete"}
MAY_IMPORT = "workflows.add_workflow"
ON_CONFLICT = [
    ("rename", "Give the new one another name"),
    ("skip", "Leave it out"),
    ("version", "Make its newest version the next one of the workflow that is there"),
]


def may_import(request: HttpRequest) -> bool:
    return request.user.has_perm(MAY_IMPORT)


class ImportForm(forms.Form):
    file = forms.FileField(
        help_text="JSON or YAML: an export of StructForge or n8n, or the DSL of Dify.", widget=UnfoldAdminFileFieldWidget
    )
    workspace = forms.ModelChoiceField(Workspace.objects.none(), help_text="Where the workflows go.")
    on_conflict = forms.ChoiceField(
        choices=ON_CONFLICT, label="Where there is one of this name", initial="rename", widget=UnfoldAdminSelectWidget
    )
    publish = forms.BooleanField(required=False, label="Publish the newest version of each", widget=UnfoldBooleanSwitchWidget)
    dry_run = forms.BooleanField(
        required=False, label="Only tell what would become of it, and keep nothing", widget=UnfoldBooleanSwitchWidget
    )

    def __init__(self, user: User, *arguments: Any) -> None:
        super().__init__(*arguments)
        workspaces: Any = self.fields["workspace"]
        workspaces.queryset = Workspace.objects.visible_to(user)
        workspaces.widget = AutocompleteSelect(Workflow._meta.get_field("workspace"), admin.site, attrs=SELECT_LOOK)
        workspaces.widget.choices = workspaces.choices


class ExchangeMixin:
    """Of the list of workflows: the chosen ones go out as one document, and a page takes one in."""

    actions = ("export_json", "export_yaml")
    list_links = (("Import", "upload", "workflow_import", may_import),)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.import_view)  # type: ignore[attr-defined]  # of the admin behind it
        return [path("import/", page, name="workflow_import"), *super().get_urls()]  # type: ignore[misc]

    @admin.action(description="Export as one document, JSON", permissions=["view"])
    def export_json(self, request: HttpRequest, queryset: QuerySet[Workflow]) -> HttpResponse | None:
        return self._export(request, queryset, is_yaml=False)

    @admin.action(description="Export as one document, YAML", permissions=["view"])
    def export_yaml(self, request: HttpRequest, queryset: QuerySet[Workflow]) -> HttpResponse | None:
        return self._export(request, queryset, is_yaml=True)

    def _export(self, request: HttpRequest, queryset: QuerySet[Workflow], *, is_yaml: bool) -> HttpResponse | None:
        chosen = list(queryset[: MAX_WORKFLOWS + 1])
        if len(chosen) > MAX_WORKFLOWS:
            messages.error(request, f"A document holds at most {MAX_WORKFLOWS} workflows. Choose fewer.")
            return None
        try:
            return file_of(export_workflows(chosen, kind="bundle", every_version=True), name="workflows", is_yaml=is_yaml)
        except StructForgeError as error:
            messages.error(request, error.message)
            return None

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not may_import(request):
            raise PermissionDenied
        form = ImportForm(request.user, request.POST, request.FILES) if request.method == "POST" else ImportForm(request.user)  # type: ignore[arg-type]
        if form.is_valid() and (brought := _brought(request, form)) is not None:
            _tell(request, brought, is_dry=form.cleaned_data["dry_run"])
            return HttpResponseRedirect(reverse("admin:workflows_workflow_changelist"))
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": Workflow._meta,
            "title": "Import workflows",
            "form": form,
        }
        return TemplateResponse(request, "admin/structforge/import.html", context)


def _brought(request: HttpRequest, form: ImportForm) -> list[Brought] | None:
    """None where it is refused; the form says why."""
    file: UploadedFile = form.cleaned_data["file"]
    user: Any = request.user
    try:
        document = read_file(file.read(), name=file.name or "")
        workspace = get_workspace(user, form.cleaned_data["workspace"].pk, Permission.WORKFLOW_CREATE)
        return import_document(
            workspace=workspace,
            document=document,
            on_conflict=form.cleaned_data["on_conflict"],
            created_by=user,
            publish=form.cleaned_data["publish"],
            dry_run=form.cleaned_data["dry_run"],
        )
    except StructForgeError as error:
        form.add_error("file", error.message)
        return None


def _tell(request: HttpRequest, brought: list[Brought], *, is_dry: bool) -> None:
    """What became of the workflows, and of each node that did not come over whole."""
    counts = {status: sum(each.imported.status == status for each in brought) for status in ("created", "updated", "skipped")}
    told = f"{counts['created']} workflows were made, {counts['updated']} got a new version, {counts['skipped']} stay as they are."
    messages.success(request, f"Nothing was kept. Without that: {told}" if is_dry else told)
    for each in brought:
        if each.report is not None:
            messages.info(request, f"{each.imported.name}: {each.report.as_text()}")
