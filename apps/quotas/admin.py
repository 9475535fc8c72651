"""Limits in the admin, with bars of what is used of them."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from apps.core.admin import BoundedPaginator
from apps.core.admin_export import Exported
from apps.core.audit import Verb
from apps.core.quotas import QuotaName
from apps.quotas import actions, queries
from apps.quotas.models import Quota

TIGHT = 80  # per cent


@admin.register(Quota)
class QuotaAdmin(Exported, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    list_display = ("quota", "whose", "limit", "use", "updated_at")
    list_filter = ("scope", "name")
    list_select_related = ("workspace", "user")
    search_fields = ("workspace__name", "user__username")
    search_help_text = "Name of a workspace or a person"
    autocomplete_fields = ("workspace", "user")
    fields = ("scope", "workspace", "user", "name", "limit")
    ordering = ("-created_at", "-id")
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quota]:
        found: Any = super().get_queryset(request)
        return found.visible_to(request.user)  # type: ignore[no-any-return]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with what is used of all its limits counted in one statement."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        used = queries.used_of(rows)
        for quota in rows:
            quota.used = used.get(quota.pk)
        changes.result_list = rows
        return changes

    @admin.display(description="quota", ordering="name")
    def quota(self, quota: Quota) -> str:
        return quota.get_name_display()

    @admin.display(description="of")
    def whose(self, quota: Quota) -> str:
        return str(quota.workspace or quota.user or f"all {quota.get_scope_display()} without one of their own")

    @admin.display(description="used")
    def use(self, quota: Quota) -> str | SafeString:
        return bar(quota, quota.used)  # type: ignore[attr-defined]  # counted for the list

    def save_model(self, request: HttpRequest, obj: Quota, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        actions.note_change(obj, verb=Verb.QUOTA_SET, before={"limit": form.initial.get("limit")} if change else None)

    def delete_model(self, request: HttpRequest, obj: Quota) -> None:
        actions.remove_quota(quota=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Quota]) -> None:
        for quota in queryset:
            actions.remove_quota(quota=quota)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Whose limit it is stays; another one's is another row."""
        return ("scope", "workspace", "user", "name") if obj else ()


def bar(quota: Quota, used: int | None) -> str | SafeString:
    """`7 of 10`, with a bar; without a limit, or where nothing was counted, words alone."""
    if used is None:
        return "–" if quota.workspace_id or quota.user_id else "each by itself"
    shown = filesizeformat if quota.name == QuotaName.STORED_BYTES else str
    if quota.limit is None:
        return f"{shown(used)}, no limit"
    percent = 100 if quota.limit == 0 else min(100, round(100 * used / quota.limit))
    tone = "bad" if used >= quota.limit else "wait" if percent >= TIGHT else "good"
    words = f"{shown(used)} of {shown(quota.limit)}"
    return format_html(
        '<span class="sf-bar tone-{}"><progress max="100" value="{}" aria-label="{}"></progress>{}</span>', tone, percent, words, words
    )
