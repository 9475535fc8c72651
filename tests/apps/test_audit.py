"""The audit log: written with the change, never rewritten, and telling where somebody did it all the same."""

import threading
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.audit.actions import prune
from apps.audit.models import AuditChain, AuditEntry
from apps.audit.queries import Filters, list_entries, verify
from apps.core.audit import Verb, acting, record, together
from apps.core.audit.redaction import MAX_BYTES, REDACTED, changes
from apps.core.csv_cells import safe_cell
from apps.executions.actions import (
    WrongStatusError,
    cancel_execution,
    pause_execution,
    resolve_uncertain,
    resume_execution,
    start_execution,
)
from apps.executions.models import NodeRun
from apps.workflows import actions
from tests.factories import ONE_NODE, make_version, make_workspace
from workers.housekeeping import keep_house

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return make_workspace("ada")


def verbs(workspace: Workspace) -> list[str]:
    return list(AuditEntry.objects.filter(workspace=workspace).order_by("id").values_list("verb", flat=True))


def newest() -> AuditEntry:
    return AuditEntry.objects.latest("id")


def write(workspace: Workspace, count: int = 3) -> list[AuditEntry]:
    for number in range(count):
        record(Verb.WORKFLOW_UPDATED, workspace, before={"name": f"w{number}"}, after={"name": f"w{number + 1}"})
    return list(AuditEntry.objects.filter(workspace=workspace).order_by("id"))


def tamper(statement: str, *parameters: object) -> None:
    """As a superuser of the database would, who switches the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement, parameters)
        cursor.execute("set local session_replication_role = origin")


def test_what_is_done_to_a_workflow_is_recorded(workspace):
    with acting(actor=workspace.owner, via="shell"):
        workflow = actions.create_workflow(workspace=workspace, definition=ONE_NODE, publish=True).version.workflow
        actions.save_version(workflow=workflow, definition={**ONE_NODE, "description": "more"})
        actions.save_version(workflow=workflow, definition=ONE_NODE)
        actions.save_version(workflow=workflow, definition=ONE_NODE)  # the newest has it already
        actions.update_workflow(workflow=workflow, name="new")
        actions.unpublish_workflow(workflow=workflow)
        workflow_id = str(workflow.pk)
        actions.delete_workflow(workflow=workflow)

    assert verbs(workspace) == [
        "workflow.created",
        "version.saved",
        "workflow.published",
        "version.saved",
        "version.saved",
        "workflow.updated",
        "workflow.unpublished",
        "workflow.deleted",
    ]
    found = AuditEntry.objects.filter(workspace=workspace)
    assert {(entry.object_id, entry.actor_id, entry.actor_name, entry.via) for entry in found} == {
        (workflow_id, workspace.owner.pk, "ada", "shell")
    }
    updated = found.get(verb="workflow.updated")
    assert (updated.before, updated.after) == ({"name": "one node"}, {"name": "new"})
    first, second, third = [entry.after for entry in found.filter(verb="version.saved").order_by("id")]
    assert [saved["number"] for saved in (first, second, third)] == [1, 2, 3]
    assert len(first["content_hash"]) == 64
    assert second["content_hash"] != third["content_hash"] == first["content_hash"]
    assert "definition" not in first


def test_what_fails_is_not_recorded(workspace):
    make = {"workspace": workspace, "definition": ONE_NODE}
    actions.create_workflow(**make)
    before = verbs(workspace)
    with pytest.raises(actions.WorkflowNameTakenError):
        actions.create_workflow(**make)
    version = make_version(username="ada")
    start_execution(workflow=version.workflow)
    with pytest.raises(actions.WorkflowInUseError):
        actions.delete_workflow(workflow=version.workflow)

    assert verbs(workspace) == before


def test_several_entries_are_one_statement(workspace, django_assert_num_queries):
    with django_assert_num_queries(1), together(), together():
        for _ in range(5):
            record(Verb.WORKFLOW_UPDATED, workspace)
    assert len(verbs(workspace)) == 5
    assert verify(workspace.pk).is_intact


def test_an_error_records_nothing_of_what_was_put_together(workspace):
    def fail():
        with together():
            record(Verb.WORKFLOW_UPDATED, workspace)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert verbs(workspace) == []


@pytest.mark.django_db(transaction=True)
def test_what_a_person_does_to_an_execution_is_recorded_in_the_same_statement():
    version = make_version(username="ada")
    workspace = version.workspace
    execution_id = start_execution(workflow=version.workflow).execution_id
    assert verbs(workspace) == [], "starts are in the history of executions"

    with acting(actor=workspace.owner, via="api"):
        pause_execution(execution_id=execution_id)
        with pytest.raises(WrongStatusError):
            pause_execution(execution_id=execution_id)
        resume_execution(execution_id=execution_id)
        NodeRun.objects.filter(execution_id=execution_id).update(status="uncertain", due_at=None)
        resolve_uncertain(node_run_id=NodeRun.objects.get(execution_id=execution_id).pk, decision="rerun")
        cancel_execution(execution_id=execution_id)
    with pytest.raises(WrongStatusError):
        cancel_execution(execution_id=execution_id)

    found = AuditEntry.objects.filter(workspace=workspace).order_by("id")
    assert [(entry.verb, entry.before["status"], entry.after.get("status")) for entry in found] == [
        ("execution.paused", "running", "paused"),
        ("execution.resumed", "paused", "running"),
        ("node_run.resolved", "uncertain", None),
        ("execution.cancelled", "running", "cancelled"),
    ]
    assert {(entry.object_id, entry.actor_name) for entry in found} == {(str(execution_id), "ada")}
    assert found[2].object_name == f"{version.workflow.name}: start"
    assert found[2].after == {"decision": "rerun"} | {"message": ""}
    assert verify(workspace.pk).is_intact


@pytest.mark.parametrize(
    "statement", ["update audit_entry set actor_name = 'bob'", "delete from audit_entry", "update audit_entry set id = id"]
)
def test_entries_can_be_neither_changed_nor_deleted(workspace, statement):
    write(workspace)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.filter(workspace=workspace).update(actor_name="bob")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        newest().delete()
    assert len(verbs(workspace)) == 3


def test_the_log_cannot_be_emptied(workspace):
    write(workspace)
    statement = "set local structforge.empties_audit = 'off'; truncate audit_entry"
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_chain_that_nobody_touched_is_intact(workspace):
    entries = write(workspace)
    assert entries[0].previous_hash == ""
    assert [entry.previous_hash for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    found = verify(workspace.pk)
    assert (found.is_intact, found.checked, found.last_id) == (True, 3, None)
    assert verify(uuid4()).is_intact


@pytest.mark.parametrize("column", ["actor_name", "verb", "object_name", "object_id", "via", "user_agent", "request_id"])
def test_a_changed_entry_is_found(column, workspace):
    entries = write(workspace)
    tamper(f"update audit_entry set {column} = 'x' where id = %s", entries[1].id)
    found = verify(workspace.pk)
    assert (found.is_intact, found.broken_id, found.fault) == (False, entries[1].id, "changed")


@pytest.mark.parametrize(
    "change", ["after = '{}'", "before = null", "at = at + interval '1 second'", "ip = '10.0.0.1'", "actor_id = workspace_id"]
)
def test_a_change_of_any_kind_of_column_is_found(change, workspace):
    entries = write(workspace)
    tamper(f"update audit_entry set {change} where id = %s", entries[2].id)
    assert (verify(workspace.pk).broken_id, verify(workspace.pk).fault) == (entries[2].id, "changed")


def test_a_deleted_entry_is_found_at_the_one_after_it(workspace):
    entries = write(workspace)
    tamper("delete from audit_entry where id = %s", entries[1].id)
    assert (verify(workspace.pk).broken_id, verify(workspace.pk).fault) == (entries[2].id, "cut")
    tamper("delete from audit_entry where id = %s", entries[0].id)
    assert verify(workspace.pk).fault == "cut"


def test_a_missing_end_is_found(workspace):
    entries = write(workspace)
    tamper("delete from audit_entry where id = %s", entries[2].id)
    assert (verify(workspace.pk).broken_id, verify(workspace.pk).fault) == (entries[1].id, "ends_early")
    tamper("delete from audit_entry where workspace_id = %s", workspace.pk)
    assert verify(workspace.pk).fault == "ends_early"


def test_an_entry_that_was_put_in_is_found(workspace):
    write(workspace)
    columns = "workspace_id, at, actor_name, via, user_agent, verb, object_type, object_id, object_name, request_id, previous_hash"
    tamper(f"insert into audit_entry ({columns}, hash) select {columns}, hash from audit_entry where id = %s", newest().id)
    assert verify(workspace.pk).fault == "cut"


def test_a_long_chain_is_checked_in_parts(workspace):
    entries = write(workspace, 7)
    first = verify(workspace.pk, limit=3)
    assert (first.checked, first.last_id) == (3, entries[2].id)
    second = verify(workspace.pk, after=first.last_id, limit=3)
    last = verify(workspace.pk, after=second.last_id, limit=3)
    assert (second.is_intact, last.is_intact, last.checked, last.last_id) == (True, True, 1, None)
    tamper("update audit_entry set verb = 'x' where id = %s", entries[4].id)
    assert verify(workspace.pk, after=first.last_id, limit=3).broken_id == entries[4].id


def test_each_workspace_has_a_chain_of_its_own(workspace):
    other = make_workspace("bob")
    mine = write(workspace)
    write(other)
    record(Verb.USER_LOGIN_FAILED, object_name="nobody")
    write(workspace, 1)
    tamper("update audit_entry set verb = 'x' where id = %s", mine[0].id)
    assert not verify(workspace.pk).is_intact
    assert verify(other.pk).is_intact
    assert verify(None).is_intact
    assert AuditChain.objects.count() == 3


def test_entries_of_several_workspaces_in_one_statement_each_follow_their_own(workspace):
    other = make_workspace("bob")
    with together():
        for target in (workspace, workspace, other, workspace, other):
            record(Verb.WORKFLOW_UPDATED, target)
        record(Verb.USER_LOGIN_FAILED)
    write(workspace, 1)
    assert [verify(key).checked for key in (workspace.pk, other.pk, None)] == [4, 2, 1]
    assert all(verify(key).is_intact for key in (workspace.pk, other.pk, None))


@pytest.mark.django_db(transaction=True)
def test_what_many_do_at_once_stands_in_one_chain():
    workspace = make_workspace("ada")
    barrier = threading.Barrier(6)

    def act():
        barrier.wait()
        for _ in range(5):
            with transaction.atomic():
                record(Verb.WORKFLOW_UPDATED, workspace)
        connection.close()

    threads = [threading.Thread(target=act) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    found = verify(workspace.pk)
    assert (found.is_intact, found.checked) == (True, 30)


def test_old_entries_are_pruned_and_the_rest_stays_provable(workspace, settings):
    entries = write(workspace, 4)
    with connection.cursor() as cursor:
        # Entries that were made long ago: their hashes fit their times.
        cursor.execute("set local session_replication_role = replica")
        for number, entry in enumerate(entries):
            cursor.execute("update audit_entry set at = now() - %s * interval '1 day' where id = %s", [400 - 100 * number, entry.id])
            cursor.execute(
                "update audit_entry e set previous_hash = coalesce((select p.hash from audit_entry p where p.id = %s), '') where id = %s",
                [entries[number - 1].id if number else 0, entry.id],
            )
            cursor.execute("update audit_entry e set hash = audit_hash_v1(e) where id = %s", [entry.id])
        cursor.execute("update audit_chain set hash = (select hash from audit_entry where id = %s)", [entries[-1].id])
        cursor.execute("set local session_replication_role = origin")
    assert verify(workspace.pk).is_intact

    assert prune(before=timezone.now() - timedelta(days=250)) == 2

    assert [entry.id for entry in AuditEntry.objects.filter(workspace=workspace).order_by("id")] == [entries[2].id, entries[3].id]
    assert verify(workspace.pk).is_intact
    write(workspace, 1)
    assert verify(workspace.pk).is_intact
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        newest().delete()
    settings.AUDIT_RETENTION_DAYS = 150
    keep_house()
    assert AuditEntry.objects.filter(workspace=workspace).count() == 2


def test_the_last_thirty_days_are_never_pruned(workspace):
    write(workspace)
    with pytest.raises(DatabaseError, match="last 30 days"), transaction.atomic():
        prune(before=timezone.now() - timedelta(days=29))


def test_entries_outlive_what_they_name(workspace):
    workflow = actions.create_workflow(workspace=workspace, definition=ONE_NODE, created_by=workspace.owner).version.workflow
    with acting(actor=workspace.owner, via="api"):
        actions.delete_workflow(workflow=workflow)
    workspace_id, owner = workspace.pk, workspace.owner
    workspace.delete()
    owner.delete()
    assert AuditEntry.objects.filter(workspace_id=workspace_id, actor_name="ada").exists()
    assert verify(workspace_id).is_intact


def test_nobody_reads_the_log_of_others(workspace):
    write(workspace)
    other = make_workspace("bob")
    write(other, 1)
    record(Verb.USER_LOGIN_FAILED, object_name="nobody")
    bob = User.objects.get(username="bob")
    operator = User.objects.create_superuser("root")

    assert {entry.workspace_id for entry in list_entries(bob, Filters())} == {other.pk}
    assert not list_entries(bob, Filters(workspace=workspace.pk)).exists()
    assert list_entries(operator, Filters()).exclude(object_id=str(operator.pk)).count() == 5


def test_secrets_are_left_out_wherever_they_stand():
    class Secret:
        def __str__(self) -> str:
            return "canary"

    _, after = changes(
        None,
        {
            "password1": "canary",
            "config": {"api_key": "canary", "Authorization": "canary", "url": "postgres://ada:canary@db/x", "retries": 3},
            "headers": ["Bearer canarycanary", "plain"],
            "kwargs": '{"client_secret": "canary", "n": 1}',
            "value": Secret(),
            "bytes": b"canary",
            "nested": [{"refresh_token": ["canary"]}],
            "price": Decimal("1.5"),
            "has_password": True,
        },
    )
    assert "canary" not in str(after)
    assert after["config"] == {"api_key": REDACTED, "Authorization": REDACTED, "url": f"postgres://{REDACTED}@db/x", "retries": 3}
    assert after["kwargs"] == {"client_secret": REDACTED, "n": 1}
    assert (after["price"], after["has_password"], after["value"]) == ("1.5", True, REDACTED)


def test_a_secret_is_taken_out_before_a_text_is_cut():
    _, after = changes(None, {"text": "x" * 480 + " https://ada:" + "canary" * 20 + "@host/"})
    assert "canary" not in after["text"]


def test_an_entry_stays_small_whatever_has_changed(workspace):
    large = {f"field{number}": "x" * 400 for number in range(50)}
    record(Verb.WORKFLOW_UPDATED, workspace, after={"note": "x" * 100_000, "list": list(range(1000))})
    assert len(newest().after["note"]) == 500
    assert newest().after["list"][-1] == "… 950 more"
    record(Verb.WORKFLOW_UPDATED, workspace, after=large)
    assert newest().after["fields"][0] == "field0"
    assert len(str(newest().after)) < MAX_BYTES


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "名前", "x" * 1000])
def test_any_text_can_be_recorded(text, workspace):
    with acting(via="link"):
        record(Verb.WORKFLOW_UPDATED, workspace, object_name=text, actor_name=text, after={"name": text, text: 1})
    assert verify(workspace.pk).is_intact


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\t=1",
        " =1",
        "\u00a0=1",
        "＝1",
        "\ufeff=1",
        '"=1',
        "\r=1",
        "a\tb",
        "a\r=1",
        "＠x",
        "\u200b=1",
        "\n=1",
        "\t",
    ],
)
def test_no_cell_of_a_table_is_a_formula(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", " ", "plain", "1-2", "a=b", "名前", "2026-11-21", '{"a": -1}', "x\ny"])
def test_other_cells_stay_as_they_are(text):
    assert safe_cell(text) == text
