"""The audit log over HTTP and in the admin."""

import csv
import io
import json
from uuid import UUID, uuid4

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.accounts.actions import create_user
from apps.accounts.models import Membership, User, Workspace
from apps.accounts.queries import personal_workspace
from apps.audit.models import AuditEntry
from apps.core.admin import Audited, ReadOnlyAdmin
from apps.core.audit import Verb, record
from apps.core.audit.redaction import REDACTED
from apps.core.audit.scene import current
from apps.quotas.admin import QuotaAdmin
from tests.api.clients import ORDER, ApiClient, client_of, make_workflow

pytestmark = pytest.mark.django_db


def rows(client: ApiClient, query: str = "") -> list[dict]:
    return client.get_json(f"/audit{query}")["results"]


def write(client: ApiClient, count: int, verb: Verb = Verb.WORKFLOW_UPDATED) -> None:
    workspace = personal_workspace(client.user)
    for number in range(count):
        record(verb, workspace, actor=client.user, after={"name": f"w{number}"}, object_name=f"w{number}")


def test_who_did_what_from_where_is_listed(ada):
    headers = {"User-Agent": "canvas/1.0", "X-Request-Id": "request-7"}
    made = ada.post("/api/v1/workflows", {"definition": ORDER}, format="json", headers=headers, REMOTE_ADDR="203.0.113.9")
    assert made.headers["X-Request-Id"] == "request-7"

    saved, created = rows(ada)
    assert (saved["verb"], created["verb"]) == ("version.saved", "workflow.created")
    assert created["actor_name"] == "ada"
    assert created["actor"] == str(ada.user.pk)
    assert (created["via"], created["ip"], created["user_agent"], created["request_id"]) == (
        "api",
        "203.0.113.9",
        "canvas/1.0",
        "request-7",
    )
    assert (created["object_type"], created["object_id"], created["object_name"]) == ("workflow", made.json()["id"], "order")
    assert (created["before"], created["after"]) == (None, {"name": "order", "description": ""})
    assert created["workspace"] == made.json()["workspace"]


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "<script>"])
def test_an_id_that_is_not_plain_is_replaced(given, ada):
    ada.post("/api/v1/workflows", {"definition": ORDER}, format="json", headers={"X-Request-Id": given})
    found = {row["request_id"] for row in rows(ada)}
    assert len(found) == 1
    assert len(found.pop()) == 32


def test_a_request_that_changes_nothing_records_nothing(ada, django_assert_num_queries):
    with django_assert_num_queries(3):
        ada.get_json("/workflows")
    ada.post_json("/workflows", {"definition": {"nodes": 1}}, 422)
    assert rows(ada) == []


def test_saving_a_workflow_takes_one_statement_more_for_all_its_entries(ada, django_assert_max_num_queries):
    make_workflow(ada)
    with django_assert_max_num_queries(30) as queries:
        make_workflow(ada, {**ORDER, "name": "other"})
    assert len([query for query in queries.captured_queries if "audit_record_v1" in query["sql"]]) == 1
    assert len(rows(ada, "?limit=3")) == 3


def test_filters_narrow_the_list(ada):
    made = make_workflow(ada)
    ada.patch_json(f"/workflows/{made['id']}", {"name": "renamed"})
    instant = rows(ada)[0]["at"]

    def verbs(query: str) -> list[str]:
        return [row["verb"] for row in rows(ada, query)]

    assert verbs("?verb=workflow.updated") == ["workflow.updated"]
    assert verbs("?verb=workflow.") == ["workflow.updated", "workflow.published", "workflow.created"]
    assert verbs("?verb=version.saved&object_type=workflow") == ["version.saved"]
    assert len(verbs(f"?object_id={made['id']}")) == len(verbs(f"?search={made['id']}")) == 4
    assert verbs("?search=RENAM") == ["workflow.updated"]
    assert len(verbs("?search=ada")) == 4
    assert verbs(f"?at_after={instant.replace('+', '%2B')}") == ["workflow.updated"]
    assert "workflow.updated" not in verbs(f"?at_before={instant.replace('+', '%2B')}")
    assert len(verbs(f"?workspace={made['workspace']}&actor={ada.user.pk}&via=api")) == 4
    assert verbs("?via=shell") == []


@pytest.mark.parametrize("query", ["actor=x", "via=fax", "at_after=soon", "verbb=x", "search=%00", "workspace=1"])
def test_a_wrong_filter_is_refused(query, ada):
    assert ada.get_json(f"/audit?{query}", 422)["details"]["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


@pytest.mark.parametrize("cursor", ["x", "-1", "1" * 30, "1.5"])
def test_a_wrong_cursor_is_refused(cursor, ada):
    assert ada.get_json(f"/audit?cursor={cursor}", 422)["code"] == "invalid_page"


def test_pages_have_no_gap(ada):
    write(ada, 25)
    seen, path = [], "/api/v1/audit?limit=10"
    while path:
        page = ada.get(path).json()
        seen += [row["id"] for row in page["results"]]
        path = page["next"]
    assert len(seen) == 25
    assert seen == sorted(set(seen), reverse=True)


def test_a_list_takes_the_same_queries_for_one_row_and_for_many(ada, django_assert_num_queries):
    write(ada, 1)
    with django_assert_num_queries(2):  # the person with the rights, and the rows
        rows(ada)
    write(ada, 30)
    with django_assert_num_queries(2):
        assert len(rows(ada)) == 31


def test_nobody_sees_the_log_of_another_workspace(ada, bob):
    write(ada, 3)
    mine = personal_workspace(ada.user)
    assert rows(bob) == []
    assert rows(bob, f"?workspace={mine.pk}") == []
    assert rows(bob, f"?actor={ada.user.pk}") == []
    assert rows(bob, "?search=w1") == []
    assert bob.get_json(f"/audit/verify?workspace={mine.pk}", 404)["code"] == "workspace_not_found"
    exported = b"".join(bob.get(f"/api/v1/audit/export?format=jsonl&workspace={mine.pk}").streaming_content).decode()
    assert exported == ""
    assert AuditEntry.objects.filter(workspace=mine).count() == 3, "and nobody writes into it"


@pytest.mark.parametrize(("role", "may"), [("owner", True), ("admin", True), ("builder", False), ("operator", False), ("viewer", False)])
def test_only_who_may_read_the_log_does(role, may, ada, bob):
    write(ada, 1)
    mine = personal_workspace(ada.user)
    Membership.objects.create(workspace=mine, user=bob.user, role=role)
    assert len(rows(bob)) == int(may)
    bob.get_json(f"/audit/verify?workspace={mine.pk}", 200 if may else 403)


def test_operators_see_all_of_it(ada, operator):
    write(ada, 2)
    record(Verb.USER_LOGIN_FAILED, object_name="nobody")
    assert len(rows(operator)) == 3
    assert operator.get_json("/audit/verify")["workspace"] is None
    assert operator.get_json(f"/audit/verify?workspace={personal_workspace(ada.user).pk}")["checked"] == 2


def test_operators_verify_the_log_of_a_workspace_that_is_gone(ada, operator):
    team = ada.post_json("/workspaces", {"name": "team"}, 201)["id"]
    ada.delete_json(f"/workspaces/{team}")
    assert not Workspace.objects.filter(pk=team).exists()

    found = operator.get_json(f"/audit/verify?workspace={team}")
    assert (found["workspace"], found["is_intact"], found["checked"]) == (team, True, 2)
    assert [row["verb"] for row in rows(operator, f"?workspace={team}")] == ["workspace.deleted", "workspace.created"]
    assert ada.get_json(f"/audit/verify?workspace={team}", 404)["code"] == "workspace_not_found"
    assert operator.get_json(f"/audit/verify?workspace={uuid4()}", 404)["code"] == "workspace_not_found"


def test_a_check_says_where_the_log_was_changed(ada):
    write(ada, 3)
    sound = ada.get_json("/audit/verify")
    workspace = str(personal_workspace(ada.user).pk)
    assert sound == {"workspace": workspace, "is_intact": True, "checked": 3, "next": None, "broken_id": None, "fault": None}
    broken = rows(ada)[1]["id"]
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute("update audit_entry set actor_name = 'bob' where id = %s", [broken])
    found = ada.get_json("/audit/verify")
    assert (found["is_intact"], found["broken_id"], found["fault"]) == (False, broken, "changed")


def exported(client: ApiClient, query: str) -> str:
    answer = client.get(f"/api/v1/audit/export?{query}")
    assert answer.status_code == 200, answer.content
    assert answer.headers["Content-Disposition"].startswith("attachment")
    return b"".join(answer.streaming_content).decode()


def test_the_log_is_exported_as_csv_without_formulas(ada, monkeypatch):
    monkeypatch.setattr("apps.audit.queries.EXPORT_ROWS", 4)
    write(ada, 10)
    record(Verb.WORKFLOW_UPDATED, personal_workspace(ada.user), object_name='=HYPERLINK("x")', after={"name": "@x"})

    table = list(csv.DictReader(io.StringIO(exported(ada, "format=csv"))))

    assert len(table) == 12
    assert table[0]["verb"] == "audit.exported"
    assert table[1]["object_name"] == '\'=HYPERLINK("x")'
    assert json.loads(table[1]["after"]) == {"name": "@x"}
    assert [row["object_name"] for row in table[2:]] == [f"w{number}" for number in reversed(range(10))]
    UUID(table[0]["workspace"])


def test_the_log_is_exported_as_json_lines_and_filtered(ada):
    write(ada, 3)
    make_workflow(ada)
    lines = [json.loads(line) for line in exported(ada, "format=jsonl&verb=workflow.updated").splitlines()]
    assert [line["object_name"] for line in lines] == ["w2", "w1", "w0"]
    assert set(lines[0]) == set(rows(ada)[0])
    assert rows(ada)[0]["after"] == {"format": "jsonl", "verb": "workflow.updated"}
    ada.get_json("/audit/export?format=xlsx", 422)


@pytest.fixture
def grace(db) -> ApiClient:
    return client_of(create_user(username="grace", password="correct horse"))


def test_logins_are_recorded_where_their_person_sees_them(anonymous, grace, operator):
    anonymous.post_json("/auth/login", {"username": "grace", "password": "wrong"}, 401)
    anonymous.post_json("/auth/login", {"username": "mallory", "password": "wrong"}, 401)
    tokens = anonymous.post_json("/auth/login", {"username": "grace", "password": "correct horse"})
    for _ in range(2):  # the second finds no session any more
        anonymous.post_json("/auth/logout", {"refresh": tokens["refresh"]}, 204)

    found = rows(grace)
    assert [(row["verb"], row["actor_name"], row["object_name"]) for row in found] == [
        ("user.logged_out", "grace", "grace"),
        ("user.logged_in", "grace", "grace"),
        ("user.login_failed", "", "grace"),
    ]
    assert {row["ip"] for row in found} == {"127.0.0.1"}
    of_nobody = [row for row in rows(operator) if row["workspace"] is None]
    assert [(row["verb"], row["object_name"]) for row in of_nobody] == [("user.login_failed", "mallory")]
    for row in rows(operator):
        assert "wrong" not in str(row)
        assert "correct horse" not in str(row)


def test_what_is_done_with_an_api_key_says_so(ada, anonymous):
    body = {"name": "ci", "scopes": ["workflow.view", "workflow.create"]}
    key = ada.post_json("/users/me/api-keys", body, 201)["key"]
    headers = {"Authorization": f"Bearer {key}"}
    answer = anonymous.post("/api/v1/workflows", {"definition": ORDER}, format="json", headers=headers)
    assert answer.status_code == 201

    *by_key, made = rows(ada)
    assert [(row["verb"], row["via"], row["actor_name"]) for row in by_key] == [
        ("version.saved", "api_key", "ada"),
        ("workflow.created", "api_key", "ada"),
    ]
    assert (made["verb"], made["via"], made["object_type"]) == ("api_key.made", "api", "apikey")
    assert made["after"] == {"user": "ada", **body, "scopes": sorted(body["scopes"]), "expires_at": None}
    assert key not in str(rows(ada))


def test_a_start_by_a_share_link_happens_via_it(ada, anonymous, monkeypatch):
    found = []
    monkeypatch.setattr("apps.executions.links.use_link", lambda **_: found.append(current().via))
    made = make_workflow(ada)
    token = ada.post_json(f"/workflows/{made['id']}/links", {"level": "executor"}, 201)["token"]
    anonymous.post_json(f"/shared/{token}/executions", {"input": {"amount": 1}}, 202)
    assert found == ["link"]


def test_who_comes_and_goes_is_recorded_in_the_workspace(ada, bob):
    firm = f"/workspaces/{ada.post_json('/workspaces', {'name': 'Engines'}, 201)['id']}"
    invited = ada.post_json(f"{firm}/invitations", {"username": "bob", "role": "viewer"}, 201)["id"]
    bob.post_json("/invitations/accept", {"invitation": invited})
    member = f"{firm}/members/{bob.user.pk}"
    for _ in range(2):  # the second changes nothing
        ada.patch_json(member, {"role": "builder"})
        ada.patch_json(firm, {"description": "difference engines"})
    bob.post_json(f"{firm}/leave", {}, 204)

    found = [
        (row["verb"], row["actor_name"], row["object_name"], row["before"], row["after"]) for row in rows(ada, f"?workspace={firm[-36:]}")
    ]
    sent = found.pop(-2)
    assert sent[:4] == ("invitation.sent", "ada", "bob", None)
    assert {**sent[4], "expires_at": None} == {"for": "bob", "role": "viewer", "expires_at": None}
    assert found == [
        ("member.left", "bob", "bob", {"user": "bob", "role": "builder"}, None),
        ("workspace.updated", "ada", "Engines", {"description": ""}, {"description": "difference engines"}),
        ("member.role_changed", "ada", "bob", {"role": "viewer"}, {"role": "builder"}),
        ("member.added", "bob", "bob", None, {"user": "bob", "role": "viewer"}),
        ("invitation.accepted", "bob", "bob", None, {"accepted_by": "bob"}),
        ("workspace.created", "ada", "Engines", None, {"name": "Engines", "description": ""}),
    ]


def test_the_log_of_a_workspace_outlives_it(ada, operator):
    firm = ada.post_json("/workspaces", {"name": "Engines"}, 201)["id"]
    ada.delete_json(f"/workspaces/{firm}")
    assert [row["verb"] for row in rows(operator, f"?workspace={firm}")] == ["workspace.deleted", "workspace.created"]


@pytest.fixture
def browser(operator) -> Client:
    client = Client()
    client.force_login(operator.user)
    return client


def test_every_admin_that_edits_by_hand_is_audited():
    records_by_itself = (ReadOnlyAdmin, QuotaAdmin)
    silent = [str(each) for each in admin.site._registry.values() if not isinstance(each, (Audited, *records_by_itself))]
    assert silent == []


def test_edits_in_the_admin_are_recorded_with_their_values(browser, operator):
    password = "correct horse battery staple"
    new = {"username": "new", "password1": password, "password2": password, "usable_password": "true"}
    assert browser.post(reverse("admin:accounts_user_add"), new).status_code == 302
    person = User.objects.get(username="new")
    form = browser.get(reverse("admin:accounts_user_change", args=[person.pk])).context["adminform"].form.initial
    changed = {name: value for name, value in form.items() if value not in (None, False, [])} | {"email": "new@example.com"}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    answer = browser.post(reverse("admin:accounts_user_change", args=[person.pk]), {**changed, **dates})
    assert answer.status_code == 302, answer.context["errors"]

    changed, added = rows(operator, "?via=admin&object_type=user&verb=admin.")
    assert (added["verb"], added["object_name"], added["actor_name"]) == ("admin.added", "new", "operator")
    assert added["after"]["password1"] == REDACTED
    assert (changed["before"]["email"], changed["after"]["email"]) == ("", "new@example.com")
    assert password not in str(rows(operator))


def test_a_new_password_set_in_the_admin_is_recorded_without_it(browser, operator, ada):
    password = "correct horse battery staple"
    form = {"password1": password, "password2": password, "usable_password": "true"}
    assert browser.post(reverse("admin:auth_user_password_change", args=[ada.user.pk]), form).status_code == 302
    changed = rows(operator, "?via=admin&verb=admin.changed")[0]
    assert (changed["object_name"], changed["after"]) == ("ada", {"change": [{"changed": {"fields": ["password"]}}]})
    assert password not in str(rows(operator))


def test_a_logout_in_the_admin_is_recorded(browser, operator):
    assert browser.post(reverse("admin:logout")).status_code in (200, 302)
    assert (rows(operator)[0]["verb"], rows(operator)[0]["via"]) == ("user.logged_out", "admin")


def test_actions_and_deletions_in_the_admin_are_recorded(browser, operator):
    interval = IntervalSchedule.objects.create(every=1, period="days")
    tasks = [PeriodicTask.objects.create(name=f"task {number}", task="x", interval=interval) for number in range(3)]
    url = reverse("admin:django_celery_beat_periodictask_changelist")
    chosen = [task.pk for task in tasks[:2]]
    assert browser.post(url, {"action": "disable_tasks", "_selected_action": chosen}).status_code == 302
    browser.post(url, {"action": "delete_selected", "_selected_action": chosen})
    browser.post(url, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})

    *deleted, acted = rows(operator, "?via=admin&verb=admin.")
    assert sorted(row["object_name"] for row in deleted) == sorted(str(task) for task in tasks[:2])
    assert {row["verb"] for row in deleted} == {"admin.deleted"}
    assert acted["after"]["action"] == "disable_tasks"
    assert len(acted["after"]["rows"]) == 2


def test_the_page_of_the_admin_shows_filters_and_exports(browser, ada, django_assert_max_num_queries):
    write(ada, 2)
    url = reverse("admin:audit_auditentry_changelist")
    with django_assert_max_num_queries(12) as few:
        browser.get(url)
    write(ada, 30)
    write(ada, 1, Verb.WORKFLOW_DELETED)
    with django_assert_max_num_queries(len(few)):
        text = browser.get(url).content.decode()
    assert "workflow.updated" in text
    assert browser.get(url, {"verb": "workflow.deleted"}).context["cl"].result_count == 1
    assert browser.get(url, {"q": "w1"}).context["cl"].result_count >= 1
    entry = AuditEntry.objects.latest("id")
    assert browser.get(reverse("admin:audit_auditentry_change", args=[entry.pk])).status_code == 200
    assert browser.post(reverse("admin:audit_auditentry_change", args=[entry.pk]), {"verb": "x"}).status_code == 403
    answer = browser.post(url, {"action": "export_csv", "_selected_action": [entry.pk]})
    table = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["verb"] for row in table] == ["workflow.deleted"]
    assert AuditEntry.objects.latest("id").verb == "audit.exported"
