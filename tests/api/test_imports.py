"""Workflows of other products in, over HTTP, in the admin and in the shell."""

import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from apps.accounts.actions import create_user
from apps.accounts.models import User
from apps.core.yaml_values import dump_yaml
from apps.workflows.imports.page import page
from apps.workflows.models import Workflow, WorkflowVersion
from tests.api.clients import client_of
from tests.api.workspaces import join, workspace_of
from tests.factories import make_workspace
from tests.imports import HERE, export_of

pytestmark = pytest.mark.django_db
PATH = "/workflows/import"
DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def test_a_workflow_of_n8n_comes_with_a_report_that_stays_as_its_changelog(ada):
    answer = ada.post_json(f"{PATH}?publish=true", export_of("02-scheduled-report"))

    (row,) = answer["workflows"]
    assert (answer["dry_run"], row["status"], row["workflow_name"], row["number"]) == (False, "created", "Daily report", 1)
    assert row["report"]["counts"] == {"mapped": 4, "approximated": 3, "left_out": 0}
    assert row["report"]["nodes"][0] == {
        "node": "Every morning",
        "type": "n8n-nodes-base.scheduleTrigger",
        "verdict": "approximated",
        "keys": ["start"],
        "remarks": ["Make a schedule for it: cron 30 7 * * *."],
    }
    version = WorkflowVersion.objects.get(workflow=row["workflow"])
    assert version.published_at is not None
    assert version.changelog.startswith("Imported from n8n: 4 nodes mapped, 3 approximated, 0 left out.\n")
    assert "- Every morning (n8n-nodes-base.scheduleTrigger), approximated: Make a schedule for it" in version.changelog


def test_an_application_of_dify_comes_as_yaml(ada):
    raw = dump_yaml(export_of("01-order-check"))

    answer = ada.post(f"/api/v1{PATH}", raw, content_type="application/yaml").json()

    (row,) = answer["workflows"]
    assert (row["workflow_name"], row["report"]["format"]) == ("Order check", "dify")
    assert "key" in row["report"]["remarks"][0]


@pytest.mark.parametrize("name", ["02-scheduled-report", "02-translate-each"])
def test_a_dry_run_answers_the_same_and_keeps_nothing(ada, name):
    document = export_of(name)

    (dry,) = ada.post_json(f"{PATH}?dry_run=true", document)["workflows"]
    assert not Workflow.objects.exists()
    (wet,) = ada.post_json(PATH, document)["workflows"]

    assert dry["workflow"] is None
    assert {**dry, "workflow": wet["workflow"]} == wet


def test_several_workflows_of_n8n_come_together_or_not_at_all(ada):
    documents = [export_of("09-sub-workflow"), export_of("07-old-versions")]

    rows = ada.post_json(PATH, documents)["workflows"]

    called, caller = rows
    assert [called["name"], caller["name"]] == ["Old weather", "Invoice reminder"]
    call = next(line for line in caller["report"]["nodes"] if line["node"] == "Call")
    assert (call["verdict"], call["keys"]) == ("mapped", ["call"])

    refused = ada.post_json(PATH, [export_of("01-api-endpoint"), {"nodes": [1], "connections": {}}], 422)
    assert (refused["code"], refused["details"]["errors"][0]["pointer"]) == ("invalid_import", "/1/nodes/0")
    assert Workflow.objects.count() == 2


@pytest.mark.parametrize(
    ("query", "document", "code"),
    [
        ("", {"x": 1}, "unknown_import_format"),
        ("", [], "unknown_import_format"),
        ("", {"nodes": [], "connections": []}, "invalid_import"),
        ("", {"app": {"mode": "chat"}, "kind": "app"}, "invalid_import"),
        ("?format=n8n", {"app": {}}, "invalid_import"),
        ("?format=dify", [1], "invalid_import"),
        ("?format=n8n", [], "invalid_import"),
        ("?format=structforge", {"nodes": [], "connections": {}}, "invalid_export"),
        ("?format=other", {}, "invalid"),
        ("?dry_run=perhaps", {}, "invalid"),
    ],
)
def test_what_cannot_be_imported_is_refused(ada, query, document, code):
    assert ada.post_json(f"{PATH}{query}", document, 422)["code"] == code
    assert not Workflow.objects.exists()


def test_an_import_goes_to_a_workspace_in_which_one_may_create(ada, bob):
    workspace, document = workspace_of(ada), export_of("01-api-endpoint")
    bob.post_json(f"{PATH}?workspace={workspace.id}", document, 404)
    join(bob, workspace, "viewer")
    member = client_of(User.objects.get(pk=bob.user.pk))
    member.post_json(f"{PATH}?workspace={workspace.id}&dry_run=true", document, 403)
    assert not Workflow.objects.exists()


def test_a_workflow_of_somebody_else_is_not_found_by_its_name(ada, bob):
    bob.post_json(PATH, export_of("07-old-versions"))

    (row,) = ada.post_json(PATH, export_of("09-sub-workflow"))["workflows"]

    call = next(line for line in row["report"]["nodes"] if line["node"] == "Call")
    assert call["verdict"] == "left_out"


def test_the_admin_takes_in_a_workflow_and_tells_what_became_of_it(admin_client):
    workspace = make_workspace("grace")
    file = SimpleUploadedFile("weather.json", (HERE / "n8n" / "07-old-versions.json").read_bytes())
    body = {"file": file, "workspace": workspace.pk, "on_conflict": "rename"}

    dry = admin_client.post(reverse("admin:workflow_import"), {**body, "dry_run": "on"}, follow=True).content.decode()
    assert "Nothing was kept" in dry
    assert not Workflow.objects.exists()

    file.seek(0)
    told = admin_client.post(reverse("admin:workflow_import"), body, follow=True).content.decode()
    assert "1 workflows were made" in told
    assert "write the code in the notes anew in Python" in told
    assert Workflow.objects.get().workspace == workspace


def test_the_shell_prints_the_report_as_a_table(capsys, tmp_path):
    create_user(username="boss", password="a long password", is_superuser=True)
    file = HERE / "n8n" / "07-old-versions.json"

    call_command("import_workflow", str(file), "--dry-run")
    printed = capsys.readouterr().out
    assert "Old weather: version 1 would be created" in printed
    assert "left out" in printed
    assert "2 left out" in printed
    assert not Workflow.objects.exists()

    call_command("import_workflow", str(HERE / "dify" / "02-translate-each.yml"), "--publish")
    assert "Look up each city: version 1 is created" in capsys.readouterr().out
    assert Workflow.objects.get().published_version is not None

    (tmp_path / "wrong.json").write_text(json.dumps({"nodes": [{}], "connections": {}}))
    with pytest.raises(CommandError, match="/nodes/0/name: Expected a text"):
        call_command("import_workflow", str(tmp_path / "wrong.json"))
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_workflow", str(tmp_path / "none.json"))
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        call_command("import_workflow", str(file), "--user", "nobody")


def test_the_tables_of_the_documentation_are_those_of_the_mappings():
    text = (DOCS / "imports.md").read_text()
    assert page(text) == text, "run `python manage.py import_docs`"
