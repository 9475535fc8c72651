"""What pages of one row in the admin are made of: links between what belongs together, tables, and errors in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from django.urls import reverse
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import pretty_json

NONE = "–"
_LINK = '<a class="sf-link" href="{}">{}</a>'


@dataclass(frozen=True, slots=True)
class Table:
    """head   names of the columns
    rows   cells of each row; the first one names it
    more   what stands below, such as a link to further rows
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    more: SafeString | str = ""


def row_link(row: Model | None, label: object = None) -> SafeString | str:
    """To the page of a row, under its own name where `label` gives none."""
    return NONE if row is None else id_link(type(row), row.pk, row if label is None else label)


def id_link(model: type[Model], row_id: object, label: object = None) -> SafeString | str:
    """As `row_link`, where no more than the id is known."""
    if row_id is None:
        return NONE
    return format_html(_LINK, reverse(f"admin:{_name(model)}_change", args=[row_id]), localize(row_id if label is None else label))


def list_link(model: type[Model], label: object, **query: object) -> SafeString:
    """To the list of those rows that this query finds."""
    return format_html(_LINK, f"{reverse(f'admin:{_name(model)}_changelist')}?{urlencode(query)}", localize(label))


def error_fact(error: Mapping[str, Any] | None, name: str = "Why") -> list[tuple[str, str]]:
    """An error as a fact of a page, in its own words; none where there was none."""
    return [(name, error_words(error))] if error else []


def error_words(error: Mapping[str, Any] | None) -> str:
    return str((error or {}).get("message") or (error or {}).get("code") or NONE)


def documents(**found: Any) -> list[tuple[str, SafeString]]:
    """JSON to look at, without what is empty; `_` in a name is a space."""
    return [(name.replace("_", " ").capitalize(), pretty_json(value)) for name, value in found.items() if value not in (None, {}, [], "")]


def _name(model: type[Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"
