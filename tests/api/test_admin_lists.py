"""Every list of the admin, whatever is registered: its queries do not grow with its rows, and each search and filter works."""

from itertools import count, islice
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.actions import create_user
from tests.api.admin_rows import copy_of, first_row
from tests.api.tenants import make_tenant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
MANY, SOME = 30, 6
WORDS = ["narwhal two", "客户 %'\"", "0" * 8 + "-0000-7000-8000-" + "0" * 12, "x" * 500]


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(create_user(username="operator", password=None, is_superuser=True))
    return client


def address(model: Any, page: str = "changelist", *arguments: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def opened(browser: Client, url: str, **query: str) -> int:
    """How many statements the page took."""
    with CaptureQueriesContext(connection) as statements:
        response = browser.get(url, query)
    assert response.status_code == 200, (url, query, response.status_code)
    return len(statements)


def test_a_list_takes_as_many_statements_for_thirty_rows_as_for_one(browser):
    make_tenant("narwhal")
    numbers, grown = count(), {}
    for model in MODELS:
        row = first_row(model)
        opened(browser, address(model))  # what is read once in a process is read now
        few, there = opened(browser, address(model)), model._default_manager.count()
        for number in islice(numbers, MANY):
            copy_of(row, number)
        assert model._default_manager.count() == there + MANY
        if (many := opened(browser, address(model))) > few:
            grown[model._meta.label] = (few, many)

    assert grown == {}


def test_every_search_and_every_filter_of_every_list_answers(browser):
    make_tenant("narwhal")
    for model in MODELS:
        first_row(model)
        for word in WORDS if admin.site._registry[model].search_fields else []:
            opened(browser, address(model), q=word)
        for query in filters(model, browser):
            response = browser.get(address(model), query)
            assert response.status_code in (200, 302), (model, query)
            assert response.status_code == 200 or response.headers["Location"].endswith("?e=1"), (model, query)


def filters(model: Any, browser: Client) -> list[dict[str, str]]:
    """Query strings of every choice of every filter, and nonsense for each."""
    changelist: ChangeList = browser.get(address(model)).context["cl"]
    found = []
    for spec in changelist.filter_specs:
        for name in spec.expected_parameters():
            found += [{name: value} for value in ("nonsense", "1")]
            found += [{name: "2026-01-01"}] if name.endswith("_0") else []
        for choice in islice(spec.choices(changelist), SOME):
            found.append(dict(RequestFactory().get(choice.get("query_string", "?")).GET.items()))
    return found
