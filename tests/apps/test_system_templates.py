"""The templates that come with StructForge: each runs as it is, and says what it is in both languages."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.accounts.actions import create_user
from apps.accounts.queries import personal_workspace
from apps.engine.input_schema import input_problems
from apps.engine.shapes import input_schema_of
from apps.engine.validation import validate
from apps.executions.actions import start_execution
from apps.fleet.example_service import ExampleService
from apps.nodes.registry import all_types
from apps.tasks.deciding import complete
from apps.tasks.models import HumanTask
from apps.templates.actions import use_template
from apps.templates.categories import Category
from apps.templates.languages import CHINESE, ENGLISH
from apps.templates.models import Status, WorkflowTemplate
from apps.templates.system import enter_system_templates, id_of, system_templates
from tests.workers.driving import drive, run_queued

TEMPLATES = system_templates()
# What a template comes to with another input than its sample.
OTHER_WAYS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("health-check", {"path": "/nowhere"}, {"is_well": False}),
    ("expense-approval", {"has_receipt": False}, {"way": "sent back", "note": "The claim of Grace has no receipt."}),
    ("csv-to-json", {"text": "only a header"}, {"error": "ValueError: expected a header and at least one line, found 1 (line 6)"}),
    ("stock-reorder", {"articles": []}, {"orders": [], "count": 0}),
    ("currency-conversion", {"target": "XBT"}, {"converted": [], "total": None}),
    ("incident-triage", {"users_affected": 3, "systems": []}, {"severity": "minor", "owner": "backlog", "notified": []}),
    ("purchase-request", {"amount": 50}, {"decision": "granted", "note": "by rule, up to 50"}),
    ("log-summary", {"text": "", "level": "-v"}, {"counts": {"lines": 0, "error": 0, "warn": 0, "info": 0}, "most": []}),
]
# What people answer where a template asks them.
ANSWERS = {"purchase-request": {"approved": True, "comments": "Take the one with 27 inches."}}


@pytest.fixture
def services(settings: Any) -> Iterator[None]:
    """The example services, and nodes that may call them."""
    with ExampleService("127.0.0.1", 0) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"127.0.0.1:{service.server_address[1]}"
        settings.WORKFLOW_ENV = {"example_url": f"http://{address}"}
        settings.EGRESS_ALLOWED = [address]
        yield
        service.shutdown()
        thread.join()


def run(slug: str, given: dict[str, Any], language: str = ENGLISH, answers: dict[str, Any] | None = None) -> tuple[str, Any]:
    """Status and output of an execution of a workflow that was made of the template.

    answers   to its task, where it asks people; with None nobody answers until the last timer has gone off
    """
    user = create_user(username="ada", password=None)
    template = WorkflowTemplate.objects.get(slug=slug)
    saved = use_template(template=template, workspace=personal_workspace(user), language=language, publish=True, created_by=user)
    assert saved.warnings == ()
    execution_id = start_execution(workflow=saved.version.workflow, input=given).execution_id
    if answers is not None:
        run_queued(execution_id)
        complete(task_id=HumanTask.objects.get(execution_id=execution_id).pk, user=user, variables=answers)
    execution = drive(execution_id)
    return execution.status, execution.output or execution.error


@pytest.fixture
def able(slug: str, request: pytest.FixtureRequest) -> None:
    """The kernel can do what the template needs; else the test is skipped."""
    if "code.shell" in {node["type"] for node in TEMPLATES[slug].definition["nodes"]}:
        request.getfixturevalue("shell_sandbox")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slug", TEMPLATES)
def test_a_template_runs_as_it_is_and_gives_what_it_says(slug, services, able):
    assert run(slug, TEMPLATES[slug].sample_input, answers=ANSWERS.get(slug)) == ("success", TEMPLATES[slug].sample_output)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("slug", "change", "expected"), OTHER_WAYS, ids=[slug for slug, _, _ in OTHER_WAYS])
def test_its_other_ways_lead_to_an_end_too(slug, change, expected, services, able):
    status, output = run(slug, {**TEMPLATES[slug].sample_input, **change}, CHINESE)

    assert status == "success"
    assert {name: output[name] for name in expected} == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("answers", [{"approved": False, "comments": "Not this year."}, {"approved": False}])
def test_a_purchase_that_a_person_refuses_is_not_made(answers):
    status, output = run("purchase-request", TEMPLATES["purchase-request"].sample_input, answers=answers)

    assert (status, output["decision"], output["note"]) == ("success", "refused", answers.get("comments", ""))


def test_there_are_templates_over_every_node_type_that_needs_no_package():
    used = {node["type"] for template in TEMPLATES.values() for node in template.definition["nodes"]}

    assert len(TEMPLATES) >= 12
    built_in = {name for name, kind in all_types().items() if type(kind).__module__.startswith("apps.nodes.builtin")}
    # A function is of a package, and what a call names is there in one installation only.
    assert used == built_in - {"function", "workflow.call"}
    assert {template.category for template in TEMPLATES.values()} == set(Category) - {Category.OTHER}


@pytest.mark.parametrize("slug", TEMPLATES)
def test_a_template_is_valid_and_named_in_both_languages_with_its_nodes(slug):
    template = TEMPLATES[slug]
    keys = {node["key"] for node in template.definition["nodes"]}

    assert validate(template.document, all_types()).warnings == ()
    assert set(template.translations) == {CHINESE}
    assert set(template.translations[CHINESE].nodes) == keys
    assert len(template.translations[CHINESE].tags) == len(template.tags)
    assert set(template.sample_input) == set(input_schema_of(template.document["inputs"])["properties"])
    assert input_problems(input_schema_of(template.document["inputs"]), template.sample_input) == []


@pytest.mark.django_db
def test_every_file_has_a_row_with_an_id_that_is_the_same_everywhere():
    rows = {template.slug: template for template in WorkflowTemplate.objects.filter(workspace=None)}

    assert set(rows) == set(TEMPLATES)
    assert all(template.id == id_of(slug) for slug, template in rows.items())
    assert str(id_of("first-steps")) == "d0ccb76a-f2b6-512d-a875-e0e854d72fa5"


@pytest.mark.django_db
def test_entering_them_again_keeps_counts_and_takes_new_words(monkeypatch):
    kept = WorkflowTemplate.objects.get(slug="first-steps")
    WorkflowTemplate.objects.filter(pk=kept.pk).update(use_count=7, rating_count=1, rating_sum=5, name="old", created_by=None)

    enter_system_templates(using="default")

    now = WorkflowTemplate.objects.get(pk=kept.pk)
    assert (now.use_count, now.rating_average, now.name, now.created_at) == (7, 5.0, "First steps", kept.created_at)


@pytest.mark.django_db
def test_one_whose_file_is_gone_is_switched_off_and_comes_back_with_it(monkeypatch):
    less = {slug: template for slug, template in TEMPLATES.items() if slug != "first-steps"}
    with monkeypatch.context() as patch:
        patch.setattr("apps.templates.system.system_templates", lambda: less)
        enter_system_templates(using="default")
    assert WorkflowTemplate.objects.get(slug="first-steps").status == Status.INACTIVE

    call_command("migrate", verbosity=0)
    assert WorkflowTemplate.objects.get(slug="first-steps").status == Status.ACTIVE


def test_the_page_on_templates_lists_them_all():
    page = (Path(__file__).resolve().parents[2] / "docs" / "templates.md").read_text()

    assert set(re.findall(r"^\| `([a-z-]+)` \| [A-Z]", page, re.MULTILINE)) == set(TEMPLATES)
    assert all(f"| {template.name}<br>{template.translations[CHINESE].name} |" in page for template in TEMPLATES.values())
