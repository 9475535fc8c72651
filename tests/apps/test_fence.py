"""The second fence: PostgreSQL itself shows the web role only what its caller reaches."""

import threading
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone

from apps.accounts.models import Invitation, Membership, Role, Team, TeamMember, User, Workspace
from apps.core import fence
from apps.core.postgresql.base import WEB_ROLE
from apps.core.postgresql.caller import Caller
from apps.credentials.models import Credential, CredentialGrant
from apps.executions.actions import start_execution
from apps.executions.models import Execution, ExecutionEvent, Gate, NodeRun
from apps.workflows.models import Folder, Grant, Level, Workflow, WorkflowVersion
from tests.apps.credentials import make_credential
from tests.factories import make_version, make_workspace

pytestmark = pytest.mark.django_db

# Tables with a way to a workspace that are no part of one, with the reason.
WITHOUT_POLICY: dict[str, str] = {
    "accounts_user": "people are in many workspaces; that a service account belongs to one is told by its membership",
    "workflow_text": "what a search looks through; behind a policy its indexes would not be used, and every search joins workflow",
}

WORKSPACE_TABLES = """
    with recursive reference as (
        select conrelid::regclass::text as child, confrelid::regclass::text as parent from pg_constraint where contype = 'f'
    ), hanging(name) as (
        select 'workspace'
        union
        select table_name::text from information_schema.columns where table_schema = current_schema() and column_name = 'workspace_id'
        union
        select child from reference join hanging on parent = name where not name = any (%s)
    )
    select name from hanging where not name = any (%s) order by name
"""


def rows(statement: str, *parameters: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def value(statement: str, *parameters: object) -> object:
    return rows(statement, *parameters)[0][0]


def workspace_tables() -> list[str]:
    exempt = list(WITHOUT_POLICY)
    return [str(name) for (name,) in rows(WORKSPACE_TABLES, exempt, exempt)]


@pytest.fixture
def version() -> WorkflowVersion:
    """A workflow of Ada's that has run, among everything that a workspace may hold."""
    version = make_version(username="ada")
    workspace = version.workspace
    role = Role.objects.create(workspace=workspace, name="on call", permissions=["workflow.view"])
    Membership.objects.create(workspace=workspace, user=make_workspace("carl").owner, own_role=role)
    team = Team.objects.create(workspace=workspace, name="night shift")
    TeamMember.objects.create(team=team, user=workspace.owner)
    folder = Folder(workspace=workspace, name="top")
    folder.ancestors = [folder.pk]
    folder.save()
    Grant.objects.create(workspace=workspace, folder=folder, team=team, level=Level.VIEWER)
    in_a_week = timezone.now() + timedelta(days=7)
    Invitation.objects.create(workspace=workspace, email="d@example.com", role="viewer", token_hash="x", expires_at=in_a_week)
    execution = start_execution(workflow=version.workflow).execution_id
    Gate.objects.create(workspace=workspace, execution_id=execution, key="join", expected=2, needed=2)
    make_credential("ada")
    return version


def stranger() -> User:
    return make_workspace("bob").owner


def behind_fence(user: User):
    return fence.around(user.access.as_caller())


def test_every_table_of_a_workspace_has_a_policy_for_the_web_role():
    """One that was forgotten has its migration say `rls.enable`; see docs/tenancy.md."""
    covered = rows(
        "select c.relname from pg_policy p join pg_class c on c.oid = p.polrelid where c.relrowsecurity and p.polcmd = '*'"
        " and %s::regrole = any (p.polroles)",
        WEB_ROLE,
    )
    tables = workspace_tables()
    assert len(tables) >= 14
    assert set(tables) - {name for (name,) in covered} == set()


def test_the_web_role_without_a_caller_sees_no_row_of_any_workspace(version):
    counts = {name: value(f"select count(*) from {name}") for name in workspace_tables()}
    assert all(counts[model._meta.db_table] for model in FILLED)
    with connection.cursor() as cursor:
        cursor.execute(f"set role {WEB_ROLE}")
    offered_to_all = {"workflow_template": value("select count(*) from workflow_template where workspace_id is null")}
    assert {name: value(f"select count(*) from {name}") for name in counts} == dict.fromkeys(counts, 0) | offered_to_all


PEOPLE = [Workspace, Membership, Role, Team, TeamMember, Invitation]
FILLED = [*PEOPLE, Folder, Workflow, WorkflowVersion, Grant, Credential, Execution, NodeRun, Gate, ExecutionEvent]


@pytest.mark.parametrize("model", FILLED)
def test_a_member_reaches_the_rows_of_the_workspace_and_a_stranger_none(model, version):
    in_workspace = model._default_manager.filter(**of_ada(model, version))
    count = in_workspace.count()
    with behind_fence(version.workspace.owner):
        assert in_workspace.all().count() == model._default_manager.count() == count > 0
    with behind_fence(stranger()):
        assert not in_workspace.all().exists()


def of_ada(model, version) -> dict[str, object]:
    if model is Workspace:
        return {"pk": version.workspace_id}
    return {"team__workspace": version.workspace_id} if model is TeamMember else {"workspace": version.workspace_id}


def test_a_stranger_changes_and_makes_nothing(version):
    execution = Execution.objects.get()
    with behind_fence(stranger()):
        assert Workflow.objects.filter(pk=version.workflow_id).update(name="taken") == 0
        assert Execution.objects.all().delete()[0] == 0
        for row in (
            Workflow(workspace_id=version.workspace_id, name="put in"),
            Membership(workspace_id=version.workspace_id, user=stranger(), role="owner"),
            Grant(workspace_id=version.workspace_id, workflow_id=version.workflow_id, user=stranger(), level=Level.OWNER),
            ExecutionEvent(workspace_id=version.workspace_id, execution=execution, sequence=99, kind="x", at=execution.created_at),
        ):
            with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
                row.save(force_insert=True)


def test_a_stranger_starts_nothing(version):
    with behind_fence(stranger()), pytest.raises(ProgrammingError, match="within reach"), transaction.atomic():
        start_execution(workflow=version.workflow, version=version)
    with behind_fence(stranger()), pytest.raises(Exception, match="does not exist"), transaction.atomic():
        value("select structforge_start(%s)", version.workflow_id)


def test_a_start_names_a_workflow_and_a_version_that_belong_together(version):
    other = make_version(username="bob")
    mixed = WorkflowVersion(pk=version.pk, workspace=other.workspace, workflow=other.workflow, start=version.start)
    with behind_fence(other.workspace.owner), pytest.raises(ProgrammingError, match="within reach"), transaction.atomic():
        start_execution(workflow=other.workflow, version=mixed)


def shared_by_folder(version: WorkflowVersion, user: User) -> None:
    top, deep = Folder(workspace=version.workspace, name="shared"), Folder(workspace=version.workspace, name="deep")
    top.ancestors, deep.ancestors, deep.parent = [top.pk], [top.pk, deep.pk], top
    Folder.objects.bulk_create([top, deep])
    Workflow.objects.filter(pk=version.workflow_id).update(folder=deep)
    Grant.objects.create(workspace=version.workspace, folder=top, user=user, level=Level.EDITOR)


def shared_by_team(version: WorkflowVersion, user: User) -> None:
    team = Team.objects.create(workspace=version.workspace, name="guests")
    TeamMember.objects.create(team=team, user=user)
    Grant.objects.create(workspace=version.workspace, workflow=version.workflow, team=team, level=Level.EDITOR)


def shared_by_itself(version: WorkflowVersion, user: User) -> None:
    Grant.objects.create(workspace=version.workspace, workflow=version.workflow, user=user, level=Level.EDITOR)


@pytest.mark.parametrize("share", [shared_by_itself, shared_by_folder, shared_by_team])
def test_a_share_reaches_through_the_fence_for_what_was_shared_and_no_further(share, version):
    hidden = make_version(username="ada")
    start_execution(workflow=hidden.workflow)
    share(version, stranger())
    guest = stranger()
    with behind_fence(guest):
        assert list(Workflow.objects.select_related("workspace")) == list(Workflow.objects.visible_to(guest)) == [version.workflow]
        assert list(WorkflowVersion.objects.all()) == [version]
        started = start_execution(workflow=version.workflow, started_by=guest).execution_id
        by_sql = value("select structforge_start(%s)", version.workflow_id)
        assert {started, by_sql} < set(Execution.objects.values_list("pk", flat=True))
        assert set(Execution.objects.values_list("workflow_id", flat=True)) == {version.workflow_id}
        assert {run.execution_id for run in NodeRun.objects.all()} == {event.execution_id for event in ExecutionEvent.objects.all()}
        WorkflowVersion.objects.create(workspace=version.workspace, workflow=version.workflow, number=2, definition={}, content_hash="2")
        assert not Membership.objects.exclude(user=guest).exists()
        assert Workspace.objects.filter(pk=version.workspace_id).update(name="taken") == 0, "its name is seen, and no more"


@pytest.mark.parametrize("by_team", [False, True])
def test_a_credential_that_was_granted_is_reached_and_no_other(by_team, version):
    granted, guest = make_credential("ada", name="granted"), stranger()
    team = Team.objects.create(workspace=version.workspace, name="guests")
    TeamMember.objects.create(team=team, user=guest)
    CredentialGrant.objects.create(credential=granted, level="user", **({"team": team} if by_team else {"user": guest}))
    with behind_fence(guest):
        assert list(Credential.objects.all()) == [granted]
        assert [grant.credential for grant in CredentialGrant.objects.all()] == [granted]
    with fence.around(Caller(guest.pk, version.workspace_id)):
        assert not Credential.objects.exists(), "no share reaches through a key"


def test_a_key_reaches_one_workspace_and_no_share(version):
    member, elsewhere = stranger(), make_version(username="carl")
    Membership.objects.create(workspace=version.workspace, user=member, role="builder")
    shared_by_itself(elsewhere, member)
    with fence.around(Caller(member.pk, version.workspace_id)):
        assert list(Workspace.objects.all()) == [version.workspace]
        assert not Workflow.objects.filter(pk=elsewhere.workflow_id).exists()
    with fence.around(Caller(member.pk, elsewhere.workspace_id)):
        assert not Workspace.objects.exists(), "a key gives nothing that its owner lacks"


def test_a_key_of_an_operator_reaches_the_workspace_that_it_names_and_no_other(version):
    operator = User.objects.create_superuser("operator")
    assert operator.access.as_caller() is None, "an operator reaches everything"
    with fence.around(Caller(operator.pk, version.workspace_id)):
        assert list(Workflow.objects.all()) == [version.workflow]
        assert list(Workspace.objects.all()) == [version.workspace]


def test_who_stops_being_a_member_loses_sight_at_once(version):
    with behind_fence(version.workspace.owner):
        assert Workflow.objects.exists()
        Membership.objects.filter(user=version.workspace.owner, workspace=version.workspace).delete()
        assert not Workflow.objects.exists()


def test_everything_that_runs_as_the_owner_of_the_tables_finds_its_own_tables_first():
    """Or a caller could put tables or functions of its own in their place."""
    unsafe = rows(
        "select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where p.prosecdef and n.nspname = current_schema() and not coalesce(p.proconfig, '{}') @> %s",
        [f"search_path={value('select current_schema()')}, pg_temp"],
    )
    assert unsafe == []


def test_a_query_by_index_stays_one_behind_the_fence(version):
    with behind_fence(version.workspace.owner), connection.cursor() as cursor:
        # A few rows can be read in any way: only what the index could not give would show.
        cursor.execute("set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off")
        newest = Execution.objects.filter(workspace=version.workspace).order_by("-created_at", "-id")[:50]
        assert "execution_newest" in newest.explain()
        assert "Sort" not in newest.explain()
        assert "node_run_unique" in NodeRun.objects.filter(execution=Execution.objects.get(), key="start", path="").explain()


def who() -> str:
    return str(value("select current_user::text"))


def test_lifting_holds_within_its_block_whatever_happens_there(version):
    with behind_fence(stranger()):
        assert who() == WEB_ROLE
        with fence.lifted():
            assert who() != WEB_ROLE
        assert who() == WEB_ROLE
        with pytest.raises(IntegrityError), transaction.atomic(), fence.lifted():
            Workflow.objects.create(workspace=version.workspace, name=version.workflow.name)
        assert who() == WEB_ROLE
        with pytest.raises(IntegrityError), fence.lifted(), transaction.atomic():
            Workflow.objects.create(workspace=version.workspace, name=version.workflow.name)
        assert who() == WEB_ROLE
    assert who() != WEB_ROLE


@pytest.mark.django_db(transaction=True)
def test_the_fence_stays_with_the_thread_and_leaves_with_no_connection():
    with fence.around(Caller(UUID(int=1))):
        assert who() == WEB_ROLE
        first = connection.connection
        connection.close()  # back to the pool, as a view does that waits
        assert who_works_on(first) == owner()
        assert in_another_thread(who) == owner()
        assert who() == WEB_ROLE, "the next connection of this thread is behind the fence as well"
    assert who() == owner()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_broken", [False, True])
def test_a_connection_that_is_given_back_in_a_transaction_has_no_fence_any_more(is_broken):
    with fence.around(Caller(UUID(int=1))):
        who()
        connection.set_autocommit(False)
        value("select 1")
        if is_broken:
            with pytest.raises(ProgrammingError):
                value("select no_such_column")
        first = connection.connection
        connection.close()
    assert who_works_on(first) == owner()


@pytest.mark.django_db(transaction=True)
def test_a_connection_whose_fence_cannot_be_taken_down_is_not_used_again():
    with fence.around(Caller(UUID(int=1))):
        process = value("select pg_backend_pid()")
        first = connection.connection
        in_another_thread(lambda: value("select pg_terminate_backend(%s)", process))
    assert first.closed
    connection.close()
    assert who() == owner()


def owner() -> str:
    return str(connection.settings_dict["USER"])


def who_works_on(idle: "psycopg.Connection") -> str:
    """As whom a connection works that lies in the pool."""
    try:
        return str(idle.execute("select current_user::text").fetchone()[0])
    finally:
        idle.rollback()


def in_another_thread(function):
    found = []

    def run():
        try:
            found.append(function())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]
