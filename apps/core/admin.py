"""What the pages of the admin have in common: they show, and their buttons call actions."""

from collections.abc import Callable
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from apps.core.admin_export import FILES, Exported
from apps.core.audit import Verb, record, together
from apps.engine.errors import StructForgeError

MAX_NAMED = 50  # of the rows that an action was done to
MAX_COUNTED = 10_000
MAX_SHOWN_CHARACTERS = 20_000
LISTS = ("_changelist", *(f"_export_{kind}" for kind in FILES))


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Counts no further than MAX_COUNTED: counting millions of rows would take longer than showing a page of them."""

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:MAX_COUNTED].count()  # type: ignore[union-attr]  # the admin pages querysets


class ReadOnlyAdmin(Exported, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Shows the rows that the person may see; nothing is added, edited or deleted by hand."""

    # Columns that may be large: the list goes without them.
    heavy_fields: tuple[str, ...] = ()
    # What the page of one row reads beside it.
    page_select_related: tuple[str, ...] = ()
    show_full_result_count = False
    empty_value_display = "–"
    # Said by a list without rows: why there are none, and what makes one.
    empty_hint = ""
    paginator = BoundedPaginator
    list_per_page = 50
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: Any = super().get_queryset(request).visible_to(request.user)
        is_list = request.resolver_match is not None and request.resolver_match.url_name.endswith(LISTS)
        return queryset.defer(*self.heavy_fields) if is_list else queryset.select_related(*self.page_select_related)

    def get_row(self, request: HttpRequest, row_id: object) -> Any:
        """The row of a page or button. Raises Http404 where the person may not see it."""
        row = self.get_object(request, str(row_id))
        if row is None:
            raise Http404(f"There is no {self.opts.verbose_name} {row_id}.")
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # unfold has no types
    """Rows on the page of what they belong to, as far as the person may see them; nothing is edited by hand."""

    page_select_related: tuple[str, ...] = ()
    extra = 0
    can_delete = False
    show_change_link = False
    ordering: tuple[str, ...] = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: Any = super().get_queryset(request).visible_to(request.user)
        return queryset.select_related(*self.page_select_related)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return tuple(self.fields or ())

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Audited:
    """Mix-in of an admin that edits rows by hand, to stand before its other bases: each edit, deletion and action is in the audit log."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)  # type: ignore[misc]  # of the admin behind it
        request._audited = (  # type: ignore[attr-defined]  # for log_change, which knows the row and no values
            {name: form.initial.get(name) for name in form.changed_data if name in form.initial},
            {name: form.cleaned_data.get(name) for name in form.changed_data},
        )

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        _, after = getattr(request, "_audited", (None, None))
        record(Verb.ADMIN_ADDED, obj, after=after)
        return super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        before, after = getattr(request, "_audited", (None, {"change": message}))
        record(Verb.ADMIN_CHANGED, obj, before=before, after=after)
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        with together():
            for obj in queryset:
                record(Verb.ADMIN_DELETED, obj)
        return super().log_deletions(request, queryset)  # type: ignore[misc]

    @transaction.atomic
    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        name = request.POST.get("action", "")
        named = [str(obj)[:80] for obj in queryset.filter(pk__in=request.POST.getlist("_selected_action")[:MAX_NAMED])]
        answer = super().response_action(request, queryset)  # type: ignore[misc]
        # Deletions tell of themselves; without an answer there was nothing to be done.
        if answer is not None and name and name != "delete_selected":
            of = self.opts.model_name  # type: ignore[attr-defined]
            record(Verb.ADMIN_ACTED, after={"action": name, "rows": named}, object_type=of, object_name=name)
        return answer


class IdSearch:
    """Mix-in of an admin: a search for an id finds by `id_field`; other text cannot be compared with ids, and is looked for as usual."""

    id_field: str

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        try:
            return queryset.filter(**{self.id_field: UUID(search_term.strip())}), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)  # type: ignore[misc,no-any-return]  # of the admin behind it


def act(request: HttpRequest, verb: Callable[[], Any], *, done: str, back_to: str) -> HttpResponse:
    """Call an action for a button, say how it went, and go back to the page."""
    try:
        verb()
    except StructForgeError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, done)
    return HttpResponseRedirect(back_to)


def pretty_json(value: Any) -> SafeString:
    """A JSON value to be read by people, shortened where it is very long."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    if len(text) > MAX_SHOWN_CHARACTERS:
        text = f"{text[:MAX_SHOWN_CHARACTERS]}\n… {len(text) - MAX_SHOWN_CHARACTERS} characters more"
    return format_html('<pre class="sf-json" tabindex="0">{}</pre>', text)


class Badge(SafeString):
    """words   what it says, where there are no icons"""

    words: str


def badge(label: str, icon: str, tone: str) -> Badge:
    """A status as icon and word."""
    made = Badge(
        format_html(
            '<span class="sf-badge tone-{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>{}</span>',
            tone,
            icon,
            label,
        )
    )
    made.words = label
    return made
