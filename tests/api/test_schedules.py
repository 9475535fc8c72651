"""Schedules over HTTP."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.test import Client

from apps.accounts.models import Membership, Role
from apps.audit.models import AuditEntry
from apps.executions.models import Execution
from apps.triggers.models import Schedule, ScheduleAlert, ScheduleRun
from apps.triggers.schedules.firing import fire_due
from apps.workflows.models import Workflow
from tests.api.clients import client_of, make_workflow
from tests.api.workspaces import join, share, workspace_of

pytestmark = pytest.mark.django_db(transaction=True)

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)


@pytest.fixture
def workflow(ada):
    return make_workflow(ada)["id"]


@pytest.fixture
def make(ada, workflow):
    def make(status=201, **body):
        when = {} if {"kind", "cron_expr", "interval_seconds", "run_at", "delay_seconds"} & set(body) else {"cron_expr": "0 6 * * *"}
        return ada.post_json("/schedules", {"workflow": workflow, "name": "s", "input": {"amount": 1}, **when, **body}, status)

    return make


def pointer(answer) -> str:
    details = answer["details"]
    return details.get("pointer") or details["errors"][0]["pointer"]


def test_a_schedule_is_made_shown_changed_and_deleted(ada, workflow, make):
    made = make(cron_expr="30 6 * * MON-FRI", timezone="Europe/Berlin", max_runs=5, notify=["ada@example.com", "https://example.com/hook"])
    assert (made["kind"], made["status"], made["enabled"], made["run_count"], made["last_run_time"]) == ("cron", "active", True, 0, None)
    assert (made["workflow"], made["user"], made["misfire"], made["overlap"]) == (workflow, str(ada.user.pk), "fire_once", "allow")
    path = f"/schedules/{made['id']}"
    assert ada.get_json(path) == made == ada.get_json("/schedules")["results"][0]

    changed = ada.patch_json(path, {"kind": "interval", "interval_seconds": 60, "name": "each minute"})
    assert (changed["kind"], changed["cron_expr"], changed["interval_seconds"], changed["name"]) == ("interval", "", 60, "each minute")
    assert changed["next_run_time"] != made["next_run_time"]
    assert ada.post_json(f"{path}/disable")["next_run_time"] is None
    assert ada.post_json(f"{path}/enable")["status"] == "active"
    ada.delete_json(path)
    ada.get_json(path, 404)
    verbs = AuditEntry.objects.filter(verb__startswith="schedule.").order_by("id").values_list("verb", flat=True)
    assert [verb.partition(".")[2] for verb in verbs] == ["created", "updated", "disabled", "enabled", "deleted"]


WRONG = [
    ({"cron_expr": "0 0 31 2 *"}, "/cron_expr"),
    ({"cron_expr": "0 0 * *"}, "/cron_expr"),
    ({"timezone": "Mars/Olympus"}, "/timezone"),
    ({"interval_seconds": 0}, "/interval_seconds"),
    ({"interval_seconds": -5}, "/interval_seconds"),
    ({"run_at": "yesterday"}, "/run_at"),
    ({"run_at": "2020-01-01T00:00:00Z"}, "/run_at"),
    ({"delay_seconds": 10, "delay_factor": 0.5}, "/delay_factor"),
    ({"delay_seconds": 0}, "/delay_seconds"),
    ({"cron_expr": "0 0 * * *", "interval_seconds": 5}, "/kind"),
    ({"kind": "cron", "interval_seconds": 5}, "/cron_expr"),
    ({"kind": "interval", "cron_expr": "0 0 * * *", "interval_seconds": 5}, "/cron_expr"),
    ({"kind": "sometimes"}, "/kind"),
    ({"end_at": "2020-01-01T00:00:00Z"}, "/cron_expr"),
    ({"start_at": "2031-01-01T00:00:00Z", "end_at": "2030-01-01T00:00:00Z"}, "/end_at"),
    ({"start_at": "9999-12-31T23:59:59.5Z"}, "/start_at"),
    ({"end_at": "0001-01-01T00:00:00Z"}, "/end_at"),
    ({"run_at": "9999-12-31T23:59:59"}, "/run_at"),
    ({"exceptions": ["2026-12-25", "Christmas"]}, "/exceptions/1"),
    ({"exceptions": ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]}, "/exceptions"),
    ({"calendars": ["9e19c32f-4dcf-430b-be08-f55ef576669a"]}, "/calendars/0"),
    ({"interval_seconds": 60, "jitter_seconds": 60}, "/jitter_seconds"),
    ({"misfire": "catch_up", "catch_up_count": 0}, "/catch_up_count"),
    ({"misfire": "sometimes"}, "/misfire"),
    ({"overlap": "maybe"}, "/overlap"),
    ({"max_runs": -1}, "/max_runs"),
    ({"grace_seconds": 0}, "/grace_seconds"),
    ({"notify": ["not an address"]}, "/notify/0"),
    ({"input": {"amount": "${schedule.local_dat"}}, "/input/amount"),
    ({"input": {"amount": "${nothing}"}}, "/input/amount"),
    ({"input": []}, "/input"),
    ({"next_run_time": "2030-01-01T00:00:00Z"}, "/next_run_time"),
    ({"name": ""}, "/name"),
]


@pytest.mark.parametrize(("body", "place"), WRONG, ids=str)
def test_a_wrong_schedule_is_refused_with_its_place_and_nothing_is_made(make, body, place):
    assert pointer(make(422, **body)) == place
    assert not Schedule.objects.exists()


def test_an_input_that_the_workflow_refuses_is_refused_before_it_could_fail(ada, make):
    assert make(422, input={"amount": "${schedule.local_date}"})["code"] == "invalid_input"
    made = make(input={"amount": "${schedule.run_number * 10}"})
    path = f"/schedules/{made['id']}"
    assert ada.patch_json(path, {"input": {}}, 422)["code"] == "invalid_input"
    assert ada.get_json(path)["input"] == made["input"]


def test_max_runs_reached(ada, make):
    made = make(max_runs=2)
    Schedule.objects.update(run_count=2, next_run_time=None, next_fire_at=None)
    path = f"/schedules/{made['id']}"
    assert ada.post_json(f"{path}/enable", None, 409)["code"] == "max_runs_reached"
    assert ada.patch_json(path, {"max_runs": 2}, 409)["details"] == {"max_runs": 2, "run_count": 2}
    assert ada.patch_json(path, {"name": "other"})["status"] == "ended", "what does not concern its time may be changed"
    assert ada.patch_json(path, {"max_runs": 3})["status"] == "active"
    ada.post_json(f"{path}/disable")
    assert ada.patch_json(path, {"max_runs": 1}, 409)["code"] == "max_runs_reached"


def test_the_next_ten_are_shown_saved_or_not(ada, make):
    after = "2026-10-23T00:00:00Z"
    spec = {"cron_expr": "30 2 * * *", "timezone": "Europe/Berlin", "exceptions": ["2026-10-24"]}
    made = make(**spec, jitter_seconds=60)
    shown = ada.get_json(f"/schedules/{made['id']}/preview?after={after}")["results"]
    assert len(shown) == 10
    assert [(one["run_time"], one["local_time"]) for one in shown[:3]] == [
        ("2026-10-23T00:30:00Z", "2026-10-23T02:30:00+02:00"),
        ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00+02:00"),
        ("2026-10-26T01:30:00Z", "2026-10-26T02:30:00+01:00"),
    ]
    late = [datetime.fromisoformat(one["fires_at"]) - datetime.fromisoformat(one["run_time"]) for one in shown]
    assert all(timedelta(0) <= wait <= timedelta(seconds=60) for wait in late)
    again = ada.get_json(f"/schedules/{made['id']}/preview?after={after}")["results"]
    assert again == shown
    unsaved = ada.post_json("/schedules/preview", {**spec, "after": after, "count": 3})["results"]
    assert [one["run_time"] for one in unsaved] == [one["run_time"] for one in shown[:3]]
    assert pointer(ada.post_json("/schedules/preview", {"cron_expr": "61 * * * *"}, 422)) == "/cron_expr"
    assert pointer(ada.get_json(f"/schedules/{made['id']}/preview?count=101", 422)) == "/count"


def test_a_range_is_filled_in_once(ada, make):
    made = make(cron_expr="0 * * * *")
    path = f"/schedules/{made['id']}"
    day = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T05:30:00Z"}
    filled = ada.post_json(f"{path}/backfill", {**day, "one_at_a_time": False}, 202)["results"]
    assert [run["scheduled_for"] for run in filled] == [f"2026-01-01T0{hour}:00:00Z" for hour in range(6)]
    assert {(run["state"], run["origin"], run["execution_status"]) for run in filled} == {("started", "backfill", "running")}
    assert ada.post_json(f"{path}/backfill", {**day, "one_at_a_time": False}, 202)["results"] == []
    assert Execution.objects.filter(trigger="schedule").count() == 6
    assert ada.get_json(path)["run_count"] == 0

    later = {"from": "2026-02-01T00:00:00Z", "to": "2026-02-01T02:00:00Z"}
    states = [run["state"] for run in ada.post_json(f"{path}/backfill", later, 202)["results"]]
    assert states == ["waiting", "waiting", "waiting"], "the six still run"
    runs = ada.get_json(f"{path}/runs?limit=4")
    assert (len(runs["results"]), runs["next"] is not None) == (4, True)
    assert len(ada.get_json(f"{path}/runs?state=started")["results"]) == 6


def test_a_range_that_cannot_be_filled_in_is_refused(ada, make):
    path = f"/schedules/{make(cron_expr='* * * * * *')['id']}/backfill"
    past = "2026-01-01T00:00:00Z"
    assert pointer(ada.post_json(path, {"from": past, "to": TOMORROW.isoformat()}, 422)) == "/to"
    assert pointer(ada.post_json(path, {"from": past, "to": "2025-01-01T00:00:00Z"}, 422)) == "/to"
    assert pointer(ada.post_json(path, {"to": past}, 422)) == "/from"
    many = ada.post_json(path, {"from": past, "to": "2026-01-02T00:00:00Z"}, 422)
    assert (many["code"], many["details"]["first_left_out"]) == ("too_many_runs", "2026-01-01T00:16:40+00:00")
    once = f"/schedules/{make(run_at=TOMORROW.isoformat())['id']}/backfill"
    assert pointer(ada.post_json(once, {"from": past, "to": past}, 422)) == "/kind"


def test_a_calendar_is_followed_at_once_and_not_deleted_while_it_is_used(ada, make):
    calendar = ada.post_json("/schedule-calendars", {"name": "holidays", "days": ["SUN"]}, 201)
    made = make(cron_expr="0 6 * * *", calendars=[calendar["id"]])
    assert made["calendars"] == [calendar["id"]]
    first = made["next_run_time"][:10]
    ada.patch_json(f"/schedule-calendars/{calendar['id']}", {"days": ["SUN", first]})
    assert ada.get_json(f"/schedules/{made['id']}")["next_run_time"][:10] > first
    assert ada.delete_json(f"/schedule-calendars/{calendar['id']}", 409)["code"] == "schedule_calendar_in_use"
    ada.patch_json(f"/schedules/{made['id']}", {"calendars": []})
    assert ada.get_json(f"/schedules/{made['id']}")["next_run_time"][:10] <= first
    ada.delete_json(f"/schedule-calendars/{calendar['id']}")
    assert pointer(ada.post_json("/schedule-calendars", {"name": "x", "days": ["someday"]}, 422)) == "/days/0"


def test_an_alert_is_listed_and_closed_by_who_has_seen_it(ada, bob, make, workflow):
    now = datetime.now(UTC).replace(microsecond=0)
    made = make(cron_expr=f"0 {(now.hour + 12) % 24} * * *", grace_seconds=60, misfire="skip")
    past = now - timedelta(hours=1)  # at which the schedule was due, as at no instant since
    Schedule.objects.update(next_run_time=past, next_fire_at=past)
    fire_due()
    [alert] = ada.get_json(f"/schedule-alerts?schedule={made['id']}&open=true")["results"]
    assert (alert["kind"], alert["count"], alert["schedule_name"], alert["closed_at"]) == ("missed", 1, "s", None)
    bob.post_json(f"/schedule-alerts/{alert['id']}/close", None, 404)
    assert ada.post_json(f"/schedule-alerts/{alert['id']}/close")["closed_by"] == "ada"
    assert ada.post_json(f"/schedule-alerts/{alert['id']}/close", None, 409)["code"] == "already_closed"
    assert ada.get_json("/schedule-alerts?open=true")["results"] == []
    share(ada, f"/workflows/{workflow}", "viewer", user="bob")
    client_of(bob.user).post_json(f"/schedule-alerts/{alert['id']}/close", None, 403)


@pytest.mark.parametrize(
    ("level", "sees", "edits"), [("viewer", 200, 403), ("executor", 403, 403), ("editor", 200, 200), ("owner", 200, 200)]
)
def test_who_may_by_a_share(ada, bob, make, workflow, level, sees, edits):
    path = f"/schedules/{make()['id']}"
    bob.get_json(path, 404)
    bob.patch_json(path, {"name": "taken"}, 404)
    bob.post_json("/schedules", {"workflow": workflow, "name": "b", "cron_expr": "0 0 * * *"}, 404)
    share(ada, f"/workflows/{workflow}", level, user="bob")
    guest = client_of(bob.user)
    for part in ("", "/preview", "/runs"):
        guest.get_json(f"{path}{part}", sees)
    assert len(guest.get_json("/schedules")["results"]) == (1 if sees == 200 else 0)
    guest.patch_json(path, {"name": "changed"}, edits)
    guest.post_json(f"{path}/disable", None, edits)
    new = {"workflow": workflow, "name": "b", "cron_expr": "0 0 * * *", "input": {"amount": 1}}
    guest.post_json("/schedules", new, 201 if edits == 200 else 403)


def test_who_may_edit_but_not_run_makes_no_schedule(ada, bob, make, workflow):
    workspace = workspace_of(ada)
    role = Role.objects.create(workspace=workspace, name="writer", permissions=["workflow.view", "workflow.edit"])
    join(bob, workspace, "viewer")
    Membership.objects.filter(workspace=workspace, user=bob.user).update(role="", own_role=role)
    writer = client_of(bob.user)
    writer.post_json("/schedules", {"workflow": workflow, "name": "b", "cron_expr": "0 0 * * *"}, 403)
    writer.patch_json(f"/schedules/{make()['id']}", {"name": "b"}, 403)


def test_a_guest_sees_which_days_a_calendar_leaves_out_and_not_the_calendar(ada, bob, make, workflow):
    calendar = ada.post_json("/schedule-calendars", {"name": "ours", "days": ["2026-10-24"]}, 201)["id"]
    made = make(calendars=[calendar], cron_expr="0 12 * * *")
    share(ada, f"/workflows/{workflow}", "viewer", user="bob")
    guest = client_of(bob.user)
    shown = guest.get_json(f"/schedules/{made['id']}/preview?after=2026-10-23T13:00:00Z&count=1")["results"]
    assert shown[0]["run_time"] == "2026-10-25T12:00:00Z"
    guest.get_json(f"/schedule-calendars/{calendar}", 404)


def test_lists_take_the_same_queries_however_long_they_are(ada, make, workflow, django_assert_num_queries):
    for number in range(3):
        make(name=str(number))
    schedule = Schedule.objects.first()
    for minute in range(5):
        at = TOMORROW + timedelta(minutes=minute)
        ScheduleRun.objects.create(workspace_id=schedule.workspace_id, schedule=schedule, scheduled_for=at, state="skipped")
        common = {"workspace_id": schedule.workspace_id, "workflow_id": UUID(workflow), "first_for": at, "last_for": at}
        ScheduleAlert.objects.create(**common, kind="missed", closed_at=at)
    for path, count in (("/schedules", 4), (f"/schedules/{schedule.pk}/runs", 4), ("/schedule-alerts", 3)):
        with django_assert_num_queries(count):
            ada.get_json(path)


def test_a_workflow_has_a_hundred_schedules_at_most(make):
    schedule = Schedule.objects.get(pk=make()["id"])
    Schedule.objects.bulk_create(
        Schedule(workspace_id=schedule.workspace_id, workflow_id=schedule.workflow_id, anchor_at=TOMORROW, name=str(n), kind="cron")
        for n in range(99)
    )
    assert make(409)["code"] == "too_many_schedules"


def test_a_workflow_that_moves_takes_its_schedules_along_disabled(ada, make, workflow):
    made = make()
    organisation = ada.post_json("/workspaces", {"name": "other"}, 201)["id"]
    Workflow.objects.filter(pk=workflow).update(workspace_id=organisation)
    schedule = Schedule.objects.get(pk=made["id"])
    assert (str(schedule.workspace_id), schedule.enabled, schedule.next_run_time) == (organisation, False, None)


def test_the_admin_lists_them_and_its_button_disables(operator, make):
    made = make()
    browser = Client()
    browser.force_login(operator.user)
    assert "0 6 * * *" in browser.get("/admin/triggers/schedule/").content.decode()
    page = f"/admin/triggers/schedule/{made['id']}/change/"
    assert "Disable" in browser.get(page).content.decode()
    browser.post(f"/admin/triggers/schedule/{made['id']}/switch/")
    assert Schedule.objects.get().enabled is False
    assert "Enable" in browser.get(page).content.decode()
    browser.post(f"/admin/triggers/schedule/{made['id']}/switch/")
    assert Schedule.objects.get().enabled is True
