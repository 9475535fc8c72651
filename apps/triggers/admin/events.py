"""Events in the admin: what came, and what it started."""

from django.contrib import admin
from unfold.contrib.filters.admin import RangeDateTimeFilter

from apps.core.admin import IdSearch, ReadOnlyAdmin
from apps.triggers.models import Event


@admin.register(Event)
class EventAdmin(IdSearch, ReadOnlyAdmin):
    id_field = "pk"
    list_display = ("type", "source", "subject", "origin", "workspace", "created_at", "delivered_at", "woken", "depth")
    list_filter = ("origin", ("delivered_at", admin.EmptyFieldListFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("workspace",)
    page_select_related = ("workspace", "sent_by")
    heavy_fields = ("data", "started", "problems")
    search_fields = ("type", "source", "subject", "event_id")
    search_help_text = "Id, or a part of the type, source, subject or the sender's id"
    ordering = ("-created_at", "-id")
    fields = (
        *("type", "source", "event_id", "subject", "origin", "workspace", "sent_by", "time", "created_at", "delivered_at", "depth"),
        *("data", "started", "woken", "problems"),
    )
    readonly_fields = fields
