"""Human tasks over HTTP: the calls of the process vocabulary, who may do what, links in mails, files, many at once."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Role, Team
from apps.core import fence
from apps.executions.connection import fetch
from apps.executions.models import Execution
from apps.notifications.channels import send_email
from apps.notifications.models import Delivery
from apps.tasks.discussing import MAX_ATTACHMENTS
from apps.tasks.links import task_token
from apps.tasks.models import HumanTask
from apps.tasks.timers import fire_due
from tests.api.clients import ApiClient, client_of, make_workflow
from tests.api.workspaces import join, make_team, share, workspace_of
from tests.workers.driving import drive, run_queued

pytestmark = pytest.mark.django_db(transaction=True)

APPROVAL = {"title": "Approve ${input.order_id}", "form": {"approved": "boolean", "comments": "string?"}}


def ask(client: ApiClient, **config: Any) -> int:
    """Id of a task of a new execution in the client's workspace."""
    people = {"assignee", "candidate_users", "candidate_teams", "candidate_roles"} & config.keys()
    config = {**APPROVAL, **({} if people else {"candidate_roles": ["owner"]}), **config}
    nodes = [{"key": "start", "type": "trigger.manual"}, {"key": "ask", "type": "human.task", "config": config}]
    definition = {
        "name": f"ask {HumanTask.objects.count()}",
        "inputs": {"order_id": "string"},
        "nodes": nodes,
        "edges": [{"source": "start", "target": "ask"}],
        "output": {"approved": "${nodes.ask.variables.approved}"},
    }
    workflow = make_workflow(client, definition)["id"]
    started = client.post_json("/executions", {"workflow": workflow, "input": {"order_id": "ORDER-001"}}, 202)["id"]
    run_queued(UUID(started))
    return int(HumanTask.objects.get(execution_id=started).pk)


def enter(client: ApiClient, workspace: Any, role: str = "viewer") -> ApiClient:
    join(client, workspace, role)
    return client_of(client.user)


def ids(page: dict[str, Any]) -> list[int]:
    return [row["id"] for row in page["results"]]


def test_the_calls_of_the_process_vocabulary_run_as_they_stand(ada):
    task = ask(ada, assignee="ada")

    found = ada.get_json("/tasks?assignee=current_user")
    assert [(row["id"], row["title"], row["status"]) for row in found["results"]] == [(task, "Approve ORDER-001", "open")]
    answer = ada.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True, "comments": "审批通过"}})

    assert (answer["status"], answer["approved"]) == ("completed", True)
    assert answer["decisions"][0]["variables"] == {"approved": True, "comments": "审批通过"}
    assert drive(UUID(answer["execution"])).output == {"approved": True}
    assert ada.get_json("/tasks?assignee=current_user")["results"] == []
    assert ids(ada.get_json("/tasks?status=completed")) == [task]


def test_answers_that_cannot_be_are_refused_and_nothing_is_lost(ada, bob):
    task = ask(ada, assignee="ada")
    colleague = enter(bob, workspace_of(ada), "admin")
    refused = [
        (ada, {"variables": {"approved": "yes"}}, 422),
        (ada, {"variables": {}}, 422),
        (ada, {"variables": [1]}, 422),
        (ada, {"variable": {}}, 422),
        (colleague, {"variables": {"approved": True}}, 403),
    ]
    for client, body, status in refused:
        client.put_json(f"/tasks/{task}/complete", body, status)
    details = ada.put_json(f"/tasks/{task}/complete", {"variables": {"approved": 1}}, 422)
    assert (details["code"], details["details"]["errors"][0]["pointer"]) == ("invalid_answers", "/variables/approved")

    ada.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True}})
    assert ada.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True}}, 409)["code"] == "task_closed"
    ada.put_json(f"/tasks/{task + 1}/complete", {"variables": {}}, 404)
    ada.get_json("/tasks/99999999999999999999999", 404)


def test_a_stranger_finds_nothing(ada, bob):
    task = ask(ada)
    for method, path in (("get", ""), ("put", "/complete"), ("post", "/claim"), ("get", "/comments"), ("get", "/attachments")):
        assert getattr(bob, method)(f"/api/v1/tasks/{task}{path}", {}, format="json").status_code == 404
    assert bob.get_json("/tasks?status=any")["results"] == []
    assert bob.get_json("/tasks/counts")["total"] == 0
    [row] = bob.post_json("/tasks/bulk", {"action": "claim", "tasks": [task]})
    assert (row["done"], row["code"]) == (False, "task_not_found")


def test_somebody_with_a_share_of_the_workflow_alone_sees_no_task(ada, bob):
    task = ask(ada)
    workflow = ada.get_json(f"/tasks/{task}")["workflow"]
    share(ada, f"/workflows/{workflow}", "editor", user="bob")
    client_of(bob.user).get_json(f"/tasks/{task}", 404)


def test_a_share_that_lets_cancel_closes_the_task_as_well(ada, bob):
    task = ask(ada)
    shown = ada.get_json(f"/tasks/{task}")
    share(ada, f"/workflows/{shown['workflow']}", "editor", user="bob")
    client_of(bob.user).post_json(f"/executions/{shown['execution']}/cancel")
    assert ada.get_json(f"/tasks/{task}")["status"] == "cancelled"


def test_claim_release_and_delegate(ada, bob):
    colleague = enter(bob, workspace_of(ada))
    task = ask(ada, candidate_users=["ada", "bob"])
    assert ids(colleague.get_json("/tasks?candidate=current_user")) == [task]
    claimed = colleague.post_json(f"/tasks/{task}/claim")
    assert (claimed["assignee"], claimed["candidates"]) == ("bob", [{"kind": "user", "name": "ada"}, {"kind": "user", "name": "bob"}])
    assert ada.post_json(f"/tasks/{task}/claim", status=409)["code"] == "already_claimed"
    assert ids(ada.get_json("/tasks?mine=true")) == []
    colleague.post_json(f"/tasks/{task}/release")
    assert colleague.post_json(f"/tasks/{task}/delegate", {"to": "nobody"}, 422)["details"]["pointer"] == "/to"
    given = colleague.post_json(f"/tasks/{task}/delegate", {"to": "ada"})
    assert (given["assignee"], given["delegated_by"]) == ("ada", "bob")
    colleague.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True}}, 403)


def test_a_role_without_the_right_to_work_may_look_and_no_more(ada, bob):
    workspace = workspace_of(ada)
    join(bob, workspace, "viewer")
    role = Role.objects.create(workspace=workspace, name="watcher", permissions=["execution.view"])
    workspace.memberships.filter(user=bob.user).update(role="", own_role=role)
    watcher = client_of(bob.user)
    task = ask(ada, assignee="bob")
    assert watcher.get_json(f"/tasks/{task}")["assignee"] == "bob"
    watcher.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True}}, 403)
    watcher.post_json(f"/tasks/{task}/comments", {"text": "x"}, 403)


def test_a_key_works_on_tasks_where_its_scopes_say_so(ada):
    task = ask(ada)
    for scopes, status in (["execution.view"], 403), (["task.work"], 200):
        key = ada.post_json("/users/me/api-keys", {"name": f"key {status}", "scopes": scopes}, 201)["key"]
        client = ApiClient(headers={"Authorization": f"Bearer {key}"})
        client.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True}}, status)


def test_a_forwarded_link_of_another_person_is_refused(ada, bob, anonymous, mailoutbox, settings):
    settings.PUBLIC_URL = "https://flows.example.org"
    ada.user.email = "ada@example.com"
    ada.user.save()
    task = ask(ada, assignee="ada", description="It is large.")
    fire_due()
    for delivery in Delivery.objects.all():
        send_email(delivery)
    [mail] = mailoutbox
    assert (mail.subject, mail.to) == ("A task for you: Approve ORDER-001", ["ada@example.com"])
    assert "It is large." in mail.body
    link = re.search(r"https://flows\.example\.org/tasks/open/(\S+)", mail.body)
    path = f"/task-links/{link[1]}"

    anonymous.get_json(path, 401)
    anonymous.put_json(f"{path}/complete", {"variables": {"approved": True}}, 401)
    colleague = enter(bob, workspace_of(ada), "owner")
    for client in (bob, colleague):
        assert client.get_json(path, 403)["code"] == "link_of_another"
        client.put_json(f"{path}/complete", {"variables": {"approved": True}}, 403)
    ada.get_json(f"{path}x", 404)
    ada.get_json(f"/task-links/{task_token(task + 1, ada.user.pk)}", 404)
    assert ada.get_json(path)["id"] == task
    assert ada.put_json(f"{path}/complete", {"variables": {"approved": True}})["status"] == "completed"


def test_many_at_once_each_by_itself(ada, bob):
    enter(bob, workspace_of(ada))
    mine, offered, other = ask(ada, assignee="ada"), ask(ada), ask(ada, assignee="bob")
    rows = ada.post_json(
        "/tasks/bulk", {"action": "complete", "tasks": [mine, offered, other, mine, 10**9], "variables": {"approved": True}}
    )
    assert [(row["id"], row["done"], row["code"]) for row in rows] == [
        (mine, True, None),
        (offered, True, None),
        (other, False, "not_your_task"),
        (10**9, False, "task_not_found"),
    ]
    [row] = ada.post_json("/tasks/bulk", {"action": "delegate", "tasks": [other], "to": "ada"})
    assert row["done"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "complete", "tasks": []}, "/tasks"),
        ({"action": "complete", "tasks": list(range(1, 102))}, "/tasks"),
        ({"action": "delete", "tasks": [1]}, "/action"),
        ({"action": "claim", "tasks": [1], "variables": {"a": 1}}, "/variables"),
        ({"action": "delegate", "tasks": [1]}, "/to"),
        ({"action": "claim", "tasks": ["a"]}, "/tasks/0"),
    ],
    ids=str,
)
def test_a_wrong_bulk_is_refused_with_its_place(ada, body, pointer):
    assert ada.post_json("/tasks/bulk", body, 422)["details"]["errors"][0]["pointer"] == pointer


def test_comments_and_files(ada, bob, settings):
    colleague = enter(bob, workspace_of(ada))
    task = ask(ada)
    colleague.post_json(f"/tasks/{task}/comments", {"text": "为什么?"}, 201)
    ada.post_json(f"/tasks/{task}/comments", {"text": ""}, 422)
    assert [(row["by"], row["text"]) for row in ada.get_json(f"/tasks/{task}/comments")] == [("bob", "为什么?")]

    address = f"/api/v1/tasks/{task}/attachments"
    page = b"<script>alert(1)</script>"
    made = colleague.generic("POST", f"{address}?name=报价 1.html", page, content_type="text/html")
    assert (made.status_code, made.json()["size_bytes"], made.json()["content_type"]) == (201, len(page), "text/html")
    file = ada.get(f"{address}/{made.json()['id']}")
    assert (file.content, file.headers["Content-Type"], file.headers["X-Content-Type-Options"]) == (
        page,
        "application/octet-stream",
        "nosniff",
    )
    assert file.headers["Content-Disposition"].startswith("attachment;")
    for query, body, status in (("", b"x", 422), ("?name=a/b", b"x", 422), ("?name=a", b"", 422)):
        assert ada.generic("POST", f"{address}{query}", body, content_type="text/plain").status_code == status
    settings.TASK_ATTACHMENT_BYTES = 10
    assert ada.generic("POST", f"{address}?name=a", b"x" * 11, content_type="text/plain").status_code == 413
    for number in range(MAX_ATTACHMENTS - 1):
        assert ada.generic("POST", f"{address}?name={number}", b"x", content_type="text/plain").status_code == 201
    assert ada.generic("POST", f"{address}?name=a", b"x", content_type="text/plain").status_code == 409
    other = ask(ada)
    ada.get_json(f"/tasks/{other}/attachments/{made.json()['id']}", 404)


def test_an_absence_lets_the_substitute_in_and_only_for_oneself_or_by_who_manages_members(ada, bob):
    colleague = enter(bob, workspace_of(ada))
    workspace = str(workspace_of(ada).pk)
    task = ask(ada, assignee="ada")
    ends = (timezone.now() + timedelta(days=3)).isoformat()
    colleague.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True}}, 403)
    made = ada.post_json("/absences", {"substitute": "bob", "ends_at": ends}, 201)
    assert (made["user"], made["substitute"], made["workspace"]) == ("ada", "bob", workspace)
    assert ids(colleague.get_json("/tasks?mine=true")) == [task]
    colleague.delete_json(f"/absences/{made['id']}", 403)
    colleague.post_json("/absences", {"workspace": workspace, "user": "ada", "substitute": "bob", "ends_at": ends}, 403)
    answer = colleague.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True}})
    assert (answer["decisions"][0]["by"], answer["decisions"][0]["in_place_of"]) == ("bob", "ada")
    ada.delete_json(f"/absences/{made['id']}")
    assert ada.get_json("/absences")["results"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"substitute": "nobody", "ends_at": "2100-01-01T00:00:00Z"}, "/substitute"),
        ({"substitute": "ada", "ends_at": "2100-01-01T00:00:00Z"}, "/substitute"),
        ({"substitute": "bob", "ends_at": "2000-01-01T00:00:00Z"}, "/ends_at"),
        ({"substitute": "bob", "starts_at": "2101-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z"}, "/ends_at"),
    ],
    ids=str,
)
def test_an_absence_that_cannot_be_is_refused_with_its_place(ada, bob, body, pointer):
    enter(bob, workspace_of(ada))
    assert ada.post_json("/absences", body, 422)["details"]["pointer"] == pointer


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ({}, "/nodes/1/config"),
        ({"assignee": "ada", "quorum": "unanimous"}, "/nodes/1/config/assignee"),
        ({"assignee": "ada", "quorum": {"at_least": 0}}, "/nodes/1/config/quorum"),
        ({"assignee": "ada", "reminders": [60]}, "/nodes/1/config/reminders"),
        ({"assignee": "ada", "due_seconds": 60, "reminders": [0]}, "/nodes/1/config/reminders/0"),
        ({"assignee": "ada", "due_seconds": 60, "due_at": "2100-01-01T00:00:00Z"}, "/nodes/1/config/due_seconds"),
        ({"assignee": "ada", "due_at": "tomorrow"}, "/nodes/1/config/due_at"),
        ({"assignee": "ada", "due_seconds": 60, "escalations": [{"action": "reassign"}]}, "/nodes/1/config/escalations/0"),
        ({"assignee": "ada", "due_seconds": 60, "escalations": [{"action": "shout"}]}, "/nodes/1/config/escalations/0/action"),
        ({"assignee": "ada", "form": {"a": "colour"}}, "/nodes/1/config/form"),
        ({"assignee": "ada", "form": {"type": "object", "properties": {"a": {"pattern": "(?=x)"}}}}, "/nodes/1/config/form"),
        ({"assignee": "ada", "priority": "soon"}, "/nodes/1/config/priority"),
        ({"assignee": "ada", "asignee": "bob"}, "/nodes/1/config/asignee"),
    ],
    ids=str,
)
def test_a_node_that_cannot_ask_is_refused_at_save_with_its_place(ada, config, pointer):
    nodes = [{"key": "start", "type": "trigger.manual"}, {"key": "ask", "type": "human.task", "config": {"title": "x", **config}}]
    definition = {"name": "ask", "nodes": nodes, "edges": [{"source": "start", "target": "ask"}]}
    errors = ada.post_json("/workflows", {"definition": definition}, 422)["details"]["errors"]
    assert any(error["pointer"].startswith(pointer) for error in errors), errors


def test_a_cache_of_what_people_said_is_refused(ada):
    node = {"key": "ask", "type": "human.task", "config": {"title": "x", "assignee": "ada"}, "cache": {"ttl_seconds": 60}}
    definition = {
        "name": "ask",
        "nodes": [{"key": "start", "type": "trigger.manual"}, node],
        "edges": [{"source": "start", "target": "ask"}],
    }
    errors = ada.post_json("/workflows", {"definition": definition}, 422)["details"]["errors"]
    assert [error["pointer"] for error in errors] == ["/nodes/1/cache"]


def test_filters_pages_and_counts(ada, bob):
    enter(bob, workspace_of(ada))
    urgent = ask(ada, priority="urgent", due_seconds=3600)
    late = ask(ada, assignee="ada", due_seconds=60)
    others = ask(ada, assignee="bob", due_seconds=10)
    fetch("update human_task set due_at = due_at - interval '2 min' returning 1 as x", {})
    queries = {
        "": [others, late, urgent],
        "?priority=urgent": [urgent],
        "?overdue=true": [others, late],
        "?ordering=due": [others, late, urgent],
        "?assignee=bob": [others],
        f"?assignee={bob.user.pk}": [others],
        "?assignee=current_user": [late],
        "?candidate=current_user": [urgent],
        "?mine=true": [late, urgent],
        "?mine=true&overdue=true": [late],
        "?status=completed": [],
        f"?execution={HumanTask.objects.get(pk=late).execution_id}": [late],
        f"?workspace={workspace_of(bob).pk}": [],
    }
    assert {query: ids(ada.get_json(f"/tasks{query}")) for query in queries} == queries
    for ordering in ("newest", "due"):
        first = ada.get_json(f"/tasks?limit=2&ordering={ordering}")
        rest = ada.get_json(first["next"].partition("/api/v1")[2])
        assert ids(first) + ids(rest) == queries["" if ordering == "newest" else "?ordering=due"]
        assert rest["next"] is None
    assert ada.get_json("/tasks/counts") == {"total": 2, "assigned": 1, "offered": 1, "overdue": 1}
    for query in (
        "?status=old",
        "?assigned=me",
        "?ordering=title",
        "?cursor=x",
        "?cursor=eA==&ordering=due",
        "?due_before=soon",
        "?limit=0",
    ):
        ada.get_json(f"/tasks{query}", 422)


def statements(client: ApiClient, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        client.get_json(path)
    return len(captured)


def test_lists_and_counts_take_as_many_statements_for_many_tasks_as_for_one(ada):
    ask(ada)
    few = {path: statements(ada, path) for path in ("/tasks", "/tasks?mine=true", "/tasks/counts", "/absences")}
    copies(HumanTask.objects.get(), 40)
    assert {path: statements(ada, path) for path in few} == few


def copies(task: HumanTask, number: int, **columns: Any) -> None:
    """More tasks like this one, as if as many node runs had asked."""
    values = {"holders": task.holders, "assignee_id": task.assignee_id, **columns}
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into human_task (workspace_id, execution_id, node_run_id, key, path, title, description, form, decision, quorum,
                                       four_eyes, priority, status, assignee_id, candidates, holders, voters, created_at)
               select workspace_id, execution_id, -i, key, path, title || i, description, form, decision, quorum, four_eyes, priority,
                      status, %s::uuid, candidates, %s::text[], voters, created_at
                 from human_task, generate_series(1, %s) i
                where id = %s""",
            [values["assignee_id"], values["holders"], number, task.pk],
        )


@pytest.mark.parametrize("whose", ["all", "few"])
def test_an_inbox_among_a_hundred_thousand_tasks_is_read_by_an_index(ada, bob, whose):
    """All of them await the person, or two do: neither page reads the table."""
    enter(bob, workspace_of(ada), "owner")
    task = HumanTask.objects.get(pk=ask(ada))
    columns = {} if whose == "all" else {"holders": [f"user:{bob.user.pk}"], "assignee_id": bob.user.pk}
    copies(task, 100_000, **columns)
    with connection.cursor() as cursor:
        cursor.execute("analyze human_task, human_task_holder")

    for path in ("/tasks?mine=true", "/tasks?assignee=current_user", "/tasks?candidate=current_user", "/tasks", "/tasks/counts"):
        with CaptureQueriesContext(connection) as captured:
            ada.get_json(path)
        [read] = [each["sql"] for each in captured if 'FROM "human_task"' in each["sql"]]
        with fence.around(ada.user.access.as_caller()), connection.cursor() as cursor:  # as the request itself asked
            cursor.execute(f"explain (analyze, format json) {read}")
            [plan] = cursor.fetchone()[0]
        tables = [
            node for node in nodes_of(plan["Plan"]) if node.get("Relation Name", "").startswith("human_task") and node["Actual Loops"]
        ]
        rows = {f"{node['Relation Name']}: {node['Node Type']}": node["Actual Rows"] for node in tables}
        assert rows, path
        assert not any("Seq Scan" in name for name in rows), (path, rows)
        assert all(count <= 1001 for count in rows.values()), (path, rows)


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(inner for child in plan.get("Plans", []) for inner in nodes_of(child))]


def test_the_page_of_a_task_in_the_admin_takes_it_back(ada, operator, client):
    task = ask(ada)
    ada.post_json(f"/tasks/{task}/claim")
    ada.post_json(f"/tasks/{task}/comments", {"text": "let me see"}, 201)
    client.force_login(operator.user)
    page = client.get(f"/admin/tasks/humantask/{task}/change/").content.decode()
    assert "let me see" in page
    assert "Take back" in page
    assert client.post(f"/admin/tasks/humantask/{task}/release/").status_code == 302
    assert HumanTask.objects.get(pk=task).assignee is None
    assert "Take back" not in client.get(f"/admin/tasks/humantask/{task}/change/").content.decode()


def test_a_team_member_finds_the_tasks_of_the_team(ada, bob):
    workspace = workspace_of(ada)
    join(bob, workspace, "viewer")
    team: Team = make_team(workspace, "auditors", bob)
    task = ask(ada, candidate_teams=[str(team.pk)])
    assert ids(client_of(bob.user).get_json("/tasks?mine=true")) == [task]
    assert ids(ada.get_json("/tasks?mine=true")) == []


def test_four_eyes_refuse_the_starter_over_http(ada, bob):
    colleague = enter(bob, workspace_of(ada), "owner")
    task = ask(ada, four_eyes=True)
    assert Execution.objects.get(human_tasks=task).started_by == ada.user
    assert ada.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True}}, 403)["code"] == "four_eyes"
    assert colleague.put_json(f"/tasks/{task}/complete", {"variables": {"approved": True}})["approved"]
