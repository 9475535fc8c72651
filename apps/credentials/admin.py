"""Credentials in the admin: what they are and where they may go. Their secrets are not there to be seen."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from apps.core.admin import IdSearch, ReadOnlyAdmin, pretty_json
from apps.credentials import actions, queries
from apps.credentials.models import Credential
from apps.credentials.types import registered
from apps.credentials.usage import uses_of

SHOWN_GRANTS = 100
SOON = timedelta(days=14)


class TypeFilter(admin.SimpleListFilter):
    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, each.title) for name, each in registered().items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> QuerySet[Credential]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class ExpiryFilter(admin.SimpleListFilter):
    title = "expiry"
    parameter_name = "expiry"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("past", "has expired"), ("soon", "expires within two weeks"), ("never", "does not expire")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> QuerySet[Credential]:
        now = timezone.now()
        match self.value():
            case "past":
                return queryset.filter(expires_at__lte=now)
            case "soon":
                return queryset.filter(expires_at__gt=now, expires_at__lte=now + SOON)
            case "never":
                return queryset.filter(expires_at=None)
        return queryset


@admin.register(Credential)
class CredentialAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("name", "workspace", "type_title", "hosts", "last_used_at", "expires_at", "created_by", "created_at")
    list_filter = (("workspace", AutocompleteSelectFilter), TypeFilter, ExpiryFilter)
    list_filter_submit = True
    list_select_related = ("workspace", "created_by")
    heavy_fields = ("sealed",)
    page_select_related = ("workspace", "created_by")
    search_fields = ("name", "workspace__name")
    search_help_text = "Name, workspace, or id"
    ordering = ("-created_at", "-id")

    @admin.display(description="type", ordering="type")
    def type_title(self, credential: Credential) -> str:
        return _title(credential)

    @admin.display(description="allowed hosts")
    def hosts(self, credential: Credential) -> str:
        return ", ".join(credential.allowed_hosts) or "–"

    def get_urls(self) -> list[URLPattern]:
        test = require_POST(self.admin_site.admin_view(self.test_view))
        return [path("<uuid:credential_id>/test/", test, name="credential_test"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        credential = self.get_row(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": credential,
            "title": credential.name,
            "type_title": _title(credential),
            "is_expired": credential.expires_at is not None and credential.expires_at <= timezone.now(),
            "may_test": self._may_use(request, credential),
            "uses": uses_of(credential, request.user),  # type: ignore[arg-type]  # the admin lets in no anonymous caller
            "grants": self._grants(request, credential),
            "documents": [("Fields that are no secret", pretty_json(credential.fields))],
        }
        return TemplateResponse(request, "admin/structforge/credential.html", context)

    def test_view(self, request: HttpRequest, credential_id: UUID) -> HttpResponse:
        self.get_row(request, credential_id)
        credential = get_object_or_404(Credential, pk=credential_id)
        if not self._may_use(request, credential):
            raise PermissionDenied
        tested = actions.try_credential(credential=credential)
        (messages.success if tested.is_ok else messages.error)(request, tested.message)
        return HttpResponseRedirect(reverse("admin:credentials_credential_change", args=[credential_id]))

    def _may_use(self, request: HttpRequest, credential: Credential) -> bool:
        return Credential.objects.usable_by(request.user).filter(pk=credential.pk).exists()  # type: ignore[arg-type]

    def _grants(self, request: HttpRequest, credential: Credential) -> list[Any]:
        managed = Credential.objects.managed_by(request.user).filter(pk=credential.pk).exists()  # type: ignore[arg-type]
        return list(queries.list_grants(credential).order_by("created_at")[:SHOWN_GRANTS]) if managed else []


def _title(credential: Credential) -> str:
    known = registered().get(credential.type)
    return known.title if known else credential.type
