"""Limits on executions at a time; for operators, who set them here as over HTTP."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.core.admin import Audited
from apps.core.admin_export import Exported
from apps.executions import admission
from apps.executions.limits import Use, use_of
from apps.executions.models import ExecutionLimit


class LimitForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Says at the field what does not fit the kind, where the constraint could say only that it is broken."""

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        kind, wrong = given.get("kind"), {}
        if kind == ExecutionLimit.Kind.INSTALLATION and given.get("workspace"):
            wrong["workspace"] = "A limit of the installation is of no workspace: leave it empty, or choose another kind."
        if kind in (ExecutionLimit.Kind.WORKSPACE, ExecutionLimit.Kind.USER) and not given.get("workspace"):
            wrong["workspace"] = "Choose the workspace that it is a limit in."
        if kind != ExecutionLimit.Kind.USER and given.get("user"):
            wrong["user"] = "Only a limit of a person in a workspace names somebody: leave it empty, or choose that kind."
        if kind == ExecutionLimit.Kind.USER and given.get("max_seconds") is not None:
            wrong["max_seconds"] = "The run time is limited for a workspace or the installation, not for a person: leave it empty."
        if wrong:
            raise forms.ValidationError(wrong)
        return given


@admin.register(ExecutionLimit)
class ExecutionLimitAdmin(Audited, Exported, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    form = LimitForm
    list_display = ("kind", "workspace", "user", "max_running", "max_seconds", "set_by", "updated_at")
    list_filter = ("kind",)
    list_select_related = ("workspace", "user", "set_by")
    search_fields = ("workspace__name", "user__username")
    search_help_text = "Workspace or person"
    autocomplete_fields = ("workspace", "user")
    fields = ("kind", "workspace", "user", "max_running", "max_seconds")
    ordering = ("kind", "workspace__name", "user__username")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExecutionLimit]:
        queryset: Any = super().get_queryset(request)
        return queryset.visible_to(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_operator(request)

    def save_model(self, request: HttpRequest, obj: ExecutionLimit, form: Any, change: bool) -> None:
        obj.set_by = request.user  # type: ignore[assignment]  # the admin lets in no anonymous caller
        super().save_model(request, obj, form, change)
        self._tell_use(request, obj)
        transaction.on_commit(admission.admit, robust=True)

    def delete_model(self, request: HttpRequest, obj: ExecutionLimit) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(admission.admit, robust=True)

    def _tell_use(self, request: HttpRequest, limit: ExecutionLimit) -> None:
        """What runs goes on: whoever lowers a limit below that should know."""
        use: Use = use_of(limit.workspace)
        if limit.kind != ExecutionLimit.Kind.USER and limit.max_running is not None and use.used > limit.max_running:
            messages.warning(
                request, f"{use.used} executions run now and go on; the next one begins when fewer than {limit.max_running} do."
            )


def _is_operator(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)
