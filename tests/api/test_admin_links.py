"""What belongs together in the admin leads to each other, and pages say in words and tables what rows keep as JSON."""

from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.admin import ReadOnlyAdmin
from apps.dialects.models import ProcessDefinition
from apps.executions.holds import hold
from apps.executions.models import Execution, Hold, NodeRun
from apps.tasks.models import HumanTask
from apps.triggers.models import Event, Schedule, ScheduleAlert, ScheduleCalendar, ScheduleRun, Webhook, WebhookCall
from apps.triggers.schedules.actions import database_now
from apps.workflows.models import WorkflowVersion
from structforge.settings.admin import UNFOLD
from tests.api.admin_rows import first_row
from tests.api.clients import ApiClient, make_workflow
from tests.api.tenants import make_tenant
from tests.api.test_tasks import ask
from tests.api.workspaces import workspace_of

pytestmark = pytest.mark.django_db(transaction=True)

TIMED = {"name": "timed", "nodes": [{"key": "start", "type": "trigger.manual"}], "edges": []}
CALLED = {"name": "called", "nodes": [{"key": "hook", "type": "trigger.webhook"}], "edges": []}


@pytest.fixture
def browser(operator: ApiClient) -> Client:
    client = Client()
    assert operator.user is not None
    client.force_login(operator.user)
    return client


def page_of(browser: Client, row: Any) -> str:
    return text_of(browser, address(type(row), "change", row.pk))


def text_of(browser: Client, url: str) -> str:
    response = browser.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return str(response.content.decode())


def address(model: Any, page: str = "changelist", *arguments: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def started(ada: ApiClient, workflow: str) -> Execution:
    return Execution.objects.get(pk=UUID(ada.post_json("/executions", {"workflow": workflow, "input": {}}, 202)["id"]))


def test_a_schedule_leads_to_its_runs_and_these_to_their_executions_and_back(ada, browser):
    workflow = make_workflow(ada, TIMED)["id"]
    calendar = ada.post_json("/schedule-calendars", {"name": "holidays", "days": ["12-25", "SAT"]}, 201)
    body = {"workflow": workflow, "name": "daily", "cron_expr": "0 6 * * *", "calendars": [calendar["id"]], "misfire": "catch_up"}
    schedule = Schedule.objects.get(pk=ada.post_json("/schedules", {**body, "catch_up_count": 3}, 201)["id"])
    execution = started(ada, workflow)
    Execution.objects.filter(pk=execution.pk).update(trigger="schedule")
    of = {"workspace_id": schedule.workspace_id, "schedule": schedule, "scheduled_for": database_now()}
    run = ScheduleRun.objects.create(**of, state="started", execution=execution)

    page = page_of(browser, schedule)
    assert f"{run.scheduled_for:%Y-%m-%d %H:%M:%S} UTC</a>" in page
    assert "holidays" in page
    assert "start the newest 3" in page
    runs = f"{address(ScheduleRun)}?q={schedule.pk}"
    assert runs in page
    assert runs in text_of(browser, address(Schedule))
    assert address(ScheduleRun, "change", run.pk) in page
    assert address(Execution, "change", execution.pk) in page
    assert address(Execution, "change", execution.pk) in text_of(browser, runs)
    assert address(Schedule, "change", schedule.pk) in page_of(browser, run)
    back = f"{address(ScheduleRun)}?execution__id__exact={execution.pk}"
    assert back in page_of(browser, execution)
    assert address(ScheduleRun, "change", run.pk) in text_of(browser, back)
    assert address(Schedule, "change", schedule.pk) in page_of(browser, ScheduleCalendar.objects.get())


def test_the_button_of_an_alert_closes_it_for_those_who_may(ada, browser):
    workflow = make_workflow(ada, TIMED)["id"]
    now = database_now()
    alert = ScheduleAlert.objects.create(
        workspace=workspace_of(ada), workflow_id=workflow, schedule_name="daily", kind="missed", first_for=now, last_for=now
    )
    assert ada.user is not None
    ada.user.is_staff = True
    ada.user.save()
    viewer = Client()
    viewer.force_login(ada.user)
    close = reverse("admin:schedule_alert_close", args=[alert.pk])
    assert viewer.post(close).status_code == 403
    assert "Close" in page_of(browser, alert)
    assert browser.post(close).status_code == 302
    alert.refresh_from_db()
    assert (alert.closed_at is None, alert.closed_by and alert.closed_by.username) == (False, "operator")
    assert close not in page_of(browser, alert)


def test_a_webhook_leads_to_its_calls_and_these_to_what_they_started(ada, browser):
    made = make_workflow(ada, CALLED)
    webhook = Webhook.objects.get(workflow=made["id"])
    Client().post(f"/hooks/{webhook.token}/orders/7", {"total": 1}, content_type="application/json")
    call = WebhookCall.objects.get()

    page = page_of(browser, webhook)
    assert webhook.token not in page
    calls = f"{address(WebhookCall)}?webhook__id__exact={webhook.pk}"
    assert calls in page
    assert address(WebhookCall, "change", call.pk) in text_of(browser, calls)
    assert address(Execution, "change", call.execution_id) in page_of(browser, call)
    back = f"{address(WebhookCall)}?execution__id__exact={call.execution_id}"
    assert back in page_of(browser, call.execution)
    assert address(WebhookCall, "change", call.pk) in text_of(browser, back)


def test_the_page_of_an_event_names_what_it_started_and_what_it_could_not(ada, browser):
    made = make_workflow(ada, TIMED)["id"]
    execution = started(ada, made)
    event = Event.objects.create(
        workspace=workspace_of(ada),
        origin="api",
        type="order.paid",
        event_id="1",
        time=database_now(),
        delivered_at=database_now(),
        started=[str(execution.pk)],
        problems=[{"workflow": made, "node": "came", "code": "invalid_input", "message": "A customer is needed."}],
    )

    page = page_of(browser, event)
    assert address(Execution, "change", execution.pk) in page
    assert "A customer is needed." in page
    assert page.count(f'href="/admin/workflows/workflow/{made}/change/"') == 2
    assert "started 1" in text_of(browser, address(Event))


def test_the_page_of_a_task_shows_its_form_answers_and_comments_as_tables(ada, browser):
    task = HumanTask.objects.get(pk=ask(ada))
    ada.post_json(f"/tasks/{task.pk}/comments", {"text": "let me see"}, 201)
    ada.put_json(f"/tasks/{task.pk}/complete", {"variables": {"approved": False, "comments": "too dear"}})

    page = page_of(browser, task)
    assert '<th scope="row">ada</th>' in page
    assert "too dear" in page
    assert "let me see" in page
    assert "&quot;" not in page.partition('class="sf-page"')[2]
    assert address(Execution, "change", task.execution_id) in page
    assert f"/admin/executions/noderun/{task.node_run_id}/change/" in page
    assert f"/admin/tasks/humantask/?q={task.execution_id}" in page_of(browser, task.execution)
    assert address(Execution, "change", task.execution_id) in text_of(browser, address(HumanTask))


def test_an_empty_list_says_what_would_be_there_and_one_that_is_filtered_how_to_see_all(browser):
    empty = text_of(browser, address(Schedule))
    assert "Nothing here yet" in empty
    assert "POST /api/v1/schedules" in empty
    assert "Nothing fits" in text_of(browser, f"{address(Schedule)}?q=nothing")


def test_pages_tell_the_zone_of_each_time(ada, browser):
    calendar = ada.post_json("/schedule-calendars", {"name": "holidays", "days": ["12-25"]}, 201)
    row = ScheduleCalendar.objects.get(pk=calendar["id"])
    expected = f"{row.updated_at:%Y-%m-%d %H:%M:%S} UTC"
    assert expected in text_of(browser, address(ScheduleCalendar))
    assert expected in page_of(browser, row)


def test_the_side_bar_leads_to_every_list_of_ours():
    listed = {str(item["link"]) for group in UNFOLD["SIDEBAR"]["navigation"] for item in group["items"]}
    ours = {address(model) for model, page in admin.site._registry.items() if isinstance(page, ReadOnlyAdmin)}
    assert ours <= listed


def test_every_page_of_a_row_opens_in_a_bounded_number_of_statements(browser):
    make_tenant("narwhal")
    taken = {}
    for model, page in admin.site._registry.items():
        if isinstance(page, ReadOnlyAdmin):
            row = first_row(model)
            with CaptureQueriesContext(connection) as statements:
                page_of(browser, row)
            taken[model._meta.label] = len(statements)
    assert {label: count for label, count in taken.items() if count > 40} == {}


def test_the_report_of_an_import_is_read_line_by_line(ada, browser):
    made = make_workflow(ada, TIMED)
    version = WorkflowVersion.objects.get(workflow=made["id"])
    WorkflowVersion.objects.filter(pk=version.pk).update(changelog="Imported from n8n.\n- Set: mapped\n- Code: left out")
    assert "Imported from n8n.<br>- Set: mapped<br>- Code: left out" in page_of(browser, version)


def test_a_node_run_that_is_held_back_leads_to_its_hold(ada, browser):
    workflow = make_workflow(ada, TIMED)["id"]
    execution = started(ada, workflow)
    assert ada.user is not None
    held = hold(workspace=None, workflow=execution.workflow, reason="The bank is down", until=None, held_by=ada.user)
    NodeRun.objects.filter(execution=execution).update(held_by=held)
    assert address(Hold, "change", held.pk) in page_of(browser, execution)
    assert "in force" in text_of(browser, address(Hold))


def test_a_gateway_of_a_process_says_where_it_leads(ada, browser):
    step = {
        "type": "exclusive_gateway",
        "config": {"conditions": [{"expression": "${amount > 1}", "next": "large"}, {"expression": "${amount <= 1}", "next": "small"}]},
    }
    body = {"name": "gateway", "variables": {"amount": "number"}, "steps": [step]}
    made = ada.post_json("/process-definitions", body, 201)
    page = page_of(browser, ProcessDefinition.objects.get(pk=made["id"]))
    assert "large, small" in page
    assert "<svg" in page


def test_what_decides_about_an_uncertain_node_asks_first(ada, browser):
    execution = started(ada, make_workflow(ada, TIMED)["id"])
    run = NodeRun.objects.get(execution=execution)
    with connection.cursor() as cursor:
        lease = "claim_token = gen_random_uuid(), lease_until = now() + interval '1 hour', started_at = now()"
        cursor.execute(f"update node_run set status = 'running', {lease} where id = %s", [run.pk])  # a constant
        cursor.execute("update node_run set status = 'uncertain', claim_token = null, lease_until = null where id = %s", [run.pk])
    forms = page_of(browser, run).split("<form")[1:]
    deciding = [form for form in forms if 'name="decision"' in form]
    assert len(deciding) == 3
    assert all("data-confirm" in form.split(">")[0] for form in deciding)
