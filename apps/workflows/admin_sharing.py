"""Folders, tags, shares and share links in the admin."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.filters import EmptyFieldListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from apps.core.admin import IdSearch, ReadOnlyAdmin, act
from apps.workflows import links, sharing
from apps.workflows.models import Folder, Grant, ShareLink, Tag

MAY_REVOKE = "workflows.change_sharelink"
MAY_UNSHARE = "workflows.delete_grant"


@admin.register(Folder)
class FolderAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("name", "workspace", "parent", "depth", "created_at")
    list_filter = (("workspace", AutocompleteSelectFilter),)
    list_filter_submit = True
    list_select_related = ("workspace", "parent")
    page_select_related = ("workspace", "parent")
    search_fields = ("name", "workspace__name")
    search_help_text = "Name, workspace, or id"
    ordering = ("-created_at", "-id")
    fields = ("name", "workspace", "parent", "created_at", "updated_at")

    @admin.display
    def depth(self, folder: Folder) -> int:
        return len(folder.ancestors)


@admin.register(Tag)
class TagAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("name", "colour", "workspace", "workflow_count", "created_at")
    list_filter = (("workspace", AutocompleteSelectFilter),)
    list_filter_submit = True
    list_select_related = ("workspace",)
    page_select_related = ("workspace",)
    search_fields = ("name", "workspace__name")
    search_help_text = "Name, workspace, or id"
    ordering = ("-created_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        return super().get_queryset(request).annotate(workflow_count=Count("workflows"))

    @admin.display(description="workflows")
    def workflow_count(self, tag: Any) -> int:
        return int(tag.workflow_count)


@admin.register(Grant)
class GrantAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("thing", "party", "short_level", "workspace", "granted_by", "created_at")
    list_filter = ("level", ("workspace", AutocompleteSelectFilter), ("user", AutocompleteSelectFilter))
    list_filter_submit = True
    list_select_related = ("workflow", "folder", "user", "team", "workspace", "granted_by")
    page_select_related = list_select_related
    search_fields = ("workflow__name", "folder__name", "user__username", "team__name")
    search_help_text = "Workflow, folder, person, team, or id"
    ordering = ("-created_at", "-id")

    @admin.display(description="what")
    def thing(self, grant: Grant) -> str:
        return f"folder {grant.folder.name}" if grant.folder else grant.workflow.name if grant.workflow else "–"

    @admin.display(description="level", ordering="level")
    def short_level(self, grant: Grant) -> str:
        return grant.level

    @admin.display(description="with")
    def party(self, grant: Grant) -> str:
        return f"team {grant.team.name}" if grant.team else grant.user.get_username() if grant.user else "–"

    def get_urls(self) -> list[URLPattern]:
        remove = require_POST(self.admin_site.admin_view(self.remove_view))
        return [path("<uuid:grant_id>/remove/", remove, name="grant_remove"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        grant = self.get_row(request, object_id)
        facts = [
            ("What", self.thing(grant)),
            ("With", self.party(grant)),
            ("Level", grant.get_level_display()),
            ("Workspace", grant.workspace.name),
            ("By", grant.granted_by or "–"),
        ]
        button = {"label": "Take back", "url": reverse("admin:grant_remove", args=[grant.pk]), "asks": "Take this share back?"}
        return _page(self, request, grant, "Share", facts, button if _may(request, MAY_UNSHARE) else None)

    def remove_view(self, request: HttpRequest, grant_id: UUID) -> HttpResponse:
        grant = self.get_row(request, grant_id)
        _check(request, MAY_UNSHARE)
        back_to = reverse("admin:workflows_grant_changelist")
        return act(request, lambda: sharing.unshare(grant=grant), done="The share is taken back.", back_to=back_to)


@admin.register(ShareLink)
class ShareLinkAdmin(IdSearch, ReadOnlyAdmin):
    """Hashes are not shown: nobody needs them."""

    id_field = "pk"
    list_display = (
        "workflow",
        "short_level",
        "label",
        "has_password",
        "uses",
        "max_uses",
        "expires_at",
        "revoked_at",
        "created_by",
        "created_at",
    )
    list_filter = (
        "level",
        ("revoked_at", EmptyFieldListFilter),
        ("workspace", AutocompleteSelectFilter),
        ("workflow", AutocompleteSelectFilter),
    )
    list_filter_submit = True
    list_select_related = ("workflow", "created_by")
    page_select_related = ("workflow", "workspace", "created_by")
    search_fields = ("workflow__name", "label", "created_by__username")
    search_help_text = "Workflow, label, who made it, or id"
    ordering = ("-created_at", "-id")

    @admin.display(description="level", ordering="level")
    def short_level(self, link: ShareLink) -> str:
        return link.level

    @admin.display(description="password")
    def has_password(self, link: ShareLink) -> str:
        return "yes" if link.password else "–"

    def get_urls(self) -> list[URLPattern]:
        revoke = require_POST(self.admin_site.admin_view(self.revoke_view))
        return [path("<uuid:link_id>/revoke/", revoke, name="sharelink_revoke"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        link = self.get_row(request, object_id)
        facts = [
            ("Workflow", link.workflow.name),
            ("Level", link.get_level_display()),
            ("Label", link.label or "–"),
            ("Workspace", link.workspace.name),
            ("Made by", link.created_by or "–"),
            ("Password", "yes" if link.password else "no"),
            ("Uses", f"{link.uses} of {link.max_uses}" if link.max_uses else link.uses),
            ("Last used", link.last_used_at or "–"),
            ("Expires", link.expires_at or "never"),
            ("Revoked", link.revoked_at or "no"),
        ]
        button = {
            "label": "Revoke",
            "url": reverse("admin:sharelink_revoke", args=[link.pk]),
            "asks": "Let this link open nothing any more?",
        }
        may_revoke = link.revoked_at is None and _may(request, MAY_REVOKE)
        return _page(self, request, link, "Share link", facts, button if may_revoke else None)

    def revoke_view(self, request: HttpRequest, link_id: UUID) -> HttpResponse:
        link = self.get_row(request, link_id)
        _check(request, MAY_REVOKE)
        back_to = reverse("admin:workflows_sharelink_change", args=[link_id])
        return act(request, lambda: links.revoke_link(link=link), done="The link opens nothing any more.", back_to=back_to)


def _page(
    page: ReadOnlyAdmin, request: HttpRequest, row: Any, title: str, facts: list[tuple[str, Any]], button: dict[str, str] | None
) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "original": row,
        "title": title,
        "facts": facts,
        "button": button,
    }
    return TemplateResponse(request, "admin/structforge/facts.html", context)


def _may(request: HttpRequest, permission: str) -> bool:
    return request.user.has_perm(permission)


def _check(request: HttpRequest, permission: str) -> None:
    if not _may(request, permission):
        raise PermissionDenied
