"""Lists of the admin as files."""

import csv
from io import StringIO

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.accounts.actions import create_user
from apps.accounts.models import User
from apps.core.admin_export import harmless
from apps.executions.models import Execution
from apps.workflows.models import Folder, Workflow
from tests.api.tenants import make_tenant
from tests.factories import make_workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(create_user(username="operator", password=None, is_superuser=True))
    return client


def table_of(response) -> list[dict[str, str]]:
    assert response.status_code == 200
    return list(csv.DictReader(StringIO(response.content.decode("utf-8-sig"))))


def test_every_list_can_be_taken_away(browser):
    tenant = make_tenant("narwhal")
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        shown = browser.get(reverse(f"{name}_changelist"))
        assert reverse(f"{name}_export_csv") in shown.content.decode(), model
        rows = table_of(browser.get(reverse(f"{name}_export_csv")))
        assert len(rows) == len(browser.get(reverse(f"{name}_export_json")).json()) == model._default_manager.count(), model
        assert "<" not in "".join(map(str, rows)), model
    for url in ("executions_execution", "accounts_apikey", "workflows_sharelink"):
        assert len(table_of(browser.get(reverse(f"admin:{url}_export_csv")))) >= 1
    told = browser.get(reverse("admin:accounts_apikey_export_json")).content.decode()
    assert "narwhal key" in told
    assert "digest" not in told
    statuses = [row["status"] for row in browser.get(reverse("admin:executions_execution_export_json")).json()]
    assert sorted(statuses) == sorted(Execution.objects.values_list("status", flat=True))
    assert {"failed", "running", "success"} <= set(statuses)
    assert tenant.mark in told


def test_the_search_and_the_filters_count(browser):
    workspace = make_workspace("ada")
    for name in ("one", "two", "three"):
        folder = Folder(workspace=workspace, name=name)
        folder.ancestors = [folder.pk]
        folder.save()
    url = reverse("admin:workflows_folder_export_csv")
    assert [row["name"] for row in table_of(browser.get(url, {"q": "two"}))] == ["two"]
    assert len(table_of(browser.get(url, {"workspace__id__exact": str(workspace.pk)}))) == 3
    assert browser.get(url, {"workspace__id__exact": "nonsense"}).status_code == 302


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "  =1", "\r=1", "＝1+1"])
def test_a_text_that_a_spreadsheet_would_run_is_text(text, browser):
    assert harmless(text) == f"'{text}"
    workspace = make_workspace("ada")
    folder = Folder(workspace=workspace, name=text)
    folder.ancestors = [folder.pk]
    folder.save()
    [row] = table_of(browser.get(reverse("admin:workflows_folder_export_csv")))
    assert row["name"] == f"'{text}"
    [row] = browser.get(reverse("admin:workflows_folder_export_json")).json()
    assert row["name"] == text


def test_numbers_and_usual_texts_stay_as_they_are():
    assert [harmless(value) for value in (-1, 2.5, None, True, "a=b", "客户")] == [-1, 2.5, None, True, "a=b", "客户"]


def test_a_list_that_is_too_long_is_not_cut_off(browser, monkeypatch):
    monkeypatch.setattr("apps.core.admin_export.MAX_EXPORTED", 0)
    answer = browser.get(reverse("admin:accounts_user_export_csv"), follow=True)
    assert "Filter the list first" in answer.content.decode()


def test_who_may_not_see_a_list_may_not_take_it_away():
    user = create_user(username="staff", password=None)
    user.is_staff = True
    user.save()
    client = Client()
    client.force_login(user)
    url = reverse("admin:executions_execution_export_csv")
    make_tenant("narwhal")
    assert client.get(url).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename="view_execution"))
    assert table_of(client.get(url)) == []
    assert User.objects.count() > 1


def uploaded(document: bytes, name: str = "workflows.json") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, document)


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_workflows_go_out_as_one_document_and_come_in_by_a_page(kind, browser):
    tenant = make_tenant("narwhal")
    chosen = list(Workflow.objects.values_list("pk", flat=True))
    listed = reverse("admin:workflows_workflow_changelist")
    file = browser.post(listed, {"action": f"export_{kind}", "_selected_action": chosen})
    assert tenant.mark in file.content.decode()

    new = make_workspace("grace")
    page = reverse("admin:workflow_import")
    assert page in browser.get(listed).content.decode()
    assert browser.get(page).status_code == 200
    body = {"file": uploaded(file.content, f"workflows.{kind}"), "workspace": new.pk, "on_conflict": "rename", "publish": "on"}
    answer = browser.post(page, body, follow=True)
    assert f"{len(chosen)} workflows were made" in answer.content.decode()
    names = set(Workflow.objects.filter(workspace=new, published_version__isnull=False).values_list("name", flat=True))
    assert names == set(Workflow.objects.filter(pk__in=chosen).values_list("name", flat=True))


@pytest.mark.parametrize(
    "document", [b"{", b"[]", b'{"structforge": 9}', b'{"structforge": 1, "kind": "bundle", "workflows": [{"name": "x"}]}']
)
def test_what_is_no_export_is_told_on_the_page(document, browser):
    workspace = make_workspace("grace")
    body = {"file": uploaded(document), "workspace": workspace.pk, "on_conflict": "rename"}
    answer = browser.post(reverse("admin:workflow_import"), body)
    assert answer.status_code == 200
    assert answer.context["form"].errors["file"]
    assert not Workflow.objects.exists()


def test_who_may_only_look_imports_nothing():
    user = create_user(username="staff", password=None)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename="view_workflow"))
    client = Client()
    client.force_login(user)
    assert reverse("admin:workflow_import") not in client.get(reverse("admin:workflows_workflow_changelist")).content.decode()
    assert client.get(reverse("admin:workflow_import")).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="add_workflow"))
    body = {"file": uploaded(b'{"structforge": 1, "kind": "bundle", "workflows": []}'), "on_conflict": "rename"}
    others = make_workspace("grace").pk
    assert client.post(reverse("admin:workflow_import"), {**body, "workspace": others}).context["form"].errors["workspace"]
