"""Templates in the admin."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.actions import create_user
from apps.accounts.models import User
from apps.accounts.queries import personal_workspace
from apps.templates.actions import create_node_template, create_template, rate_template
from apps.templates.models import WorkflowTemplate
from tests.api.clients import ORDER

pytestmark = pytest.mark.django_db

LIST = reverse("admin:templates_workflowtemplate_changelist")


@pytest.fixture
def operator() -> User:
    return create_user(username="operator", password=None, is_superuser=True)


@pytest.fixture
def browser(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def make(user: User, number: int = 0) -> WorkflowTemplate:
    workspace = personal_workspace(user)
    create_node_template(workspace=workspace, name=f"n{number}", type="control.delay", config={"seconds": 60}, created_by=user)
    return create_template(workspace=workspace, definition=ORDER, name=f"<b>{number}</b>", visibility="public", created_by=user)


def page(template: WorkflowTemplate) -> str:
    return reverse("admin:templates_workflowtemplate_change", args=[template.pk])


def test_the_pages_show_graph_and_words_and_escape_names(browser, operator):
    template = rate_template(template=make(operator), user=operator, stars=4)
    text = browser.get(page(template)).content.decode()

    for said in ("&lt;b&gt;0&lt;/b&gt;", "trigger.manual", "4.0 of 1", "Switch off", "Withdraw from the gallery"):
        assert said in text, said
    assert "<b>0</b>" not in text
    node = reverse("admin:templates_nodetemplate_change", args=[personal_workspace(operator).node_templates.get().pk])
    assert "control.delay" in browser.get(node).content.decode()


def test_the_list_is_searched_in_any_language_and_filtered(browser, operator):
    make(operator)

    def found(**query: str) -> int:
        return browser.get(LIST, query).context["cl"].result_count

    assert found(q="线索评分") == 1
    assert found(origin="people") == 1
    assert found(origin="system", category="finance") == WorkflowTemplate.objects.filter(workspace=None, category="finance").count() > 1
    assert found(visibility__exact="private") == 0
    assert found(q=str(WorkflowTemplate.objects.get(slug="first-steps").pk)) == 1


def test_templates_of_people_are_switched_off_and_withdrawn_by_buttons(browser, operator):
    template = make(operator)
    for verb, field, value in (
        ("deactivate", "status", "inactive"),
        ("activate", "status", "active"),
        ("withdraw", "visibility", "workspace"),
    ):
        url = reverse(f"admin:template_{verb}", args=[template.pk])
        assert browser.get(url).status_code == 405
        assert browser.post(url, follow=True).status_code == 200
        assert getattr(WorkflowTemplate.objects.get(pk=template.pk), field) == value


def test_what_comes_with_structforge_is_only_looked_at(browser):
    template = WorkflowTemplate.objects.get(slug="first-steps")
    text = browser.get(page(template)).content.decode()

    assert "入门示例" in text
    assert "Switch off" not in text
    refused = browser.post(reverse("admin:template_deactivate", args=[template.pk]), follow=True)
    assert "comes with StructForge" in refused.content.decode()
    assert WorkflowTemplate.objects.get(pk=template.pk).status == "active"


def test_whoever_may_not_change_templates_has_no_button(operator):
    staff = create_user(username="staff", password=None)
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    client = Client()
    client.force_login(User.objects.get(pk=staff.pk))
    template = make(operator)

    assert client.get(page(template)).status_code == 403
    assert client.post(reverse("admin:template_deactivate", args=[template.pk])).status_code == 403


@pytest.mark.parametrize("name", ["workflowtemplate", "nodetemplate"])
def test_a_list_takes_the_same_queries_for_few_rows_and_for_many(name, browser, operator):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(reverse(f"admin:templates_{name}_changelist")).status_code == 200
        return len(captured)

    make(operator)
    queries()
    few = queries()
    for number in range(1, 30):
        make(operator, number)
    assert queries() == few
