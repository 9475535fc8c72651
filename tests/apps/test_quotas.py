"""Limits: where there is none a check costs nothing, and where there is one it holds, whoever comes at once."""

import threading
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import Membership, Workspace
from apps.audit.models import AuditEntry
from apps.core import object_store, quotas
from apps.core.quotas import QuotaExceededError, QuotaName
from apps.executions.actions import Start, start_execution, start_executions
from apps.executions.models import Execution
from apps.quotas.actions import InvalidQuotaError, measure, measure_due, remove_quota, set_quota
from apps.quotas.models import Quota, QuotaDay, StorageUse
from apps.quotas.queries import use_of_user, use_of_workspace
from apps.workflows.actions import create_workflow, save_version
from apps.workflows.models import Workflow
from apps.workflows.retention import set_retention
from tests.factories import ONE_NODE, make_version, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_limits():
    """A process keeps limits for some seconds, and tests are quicker."""
    quotas.forget_limits()
    yield
    quotas.forget_limits()


@pytest.fixture
def workspace() -> Workspace:
    return make_workspace("ada")


def limit(name: QuotaName, value: int | None, **whose) -> Quota:
    quota = set_quota(name=name, limit=value, **whose)
    quotas.forget_limits()
    return quota


def make(workspace: Workspace, name: str) -> Workflow:
    return create_workflow(workspace=workspace, definition=ONE_NODE, name=name, created_by=workspace.owner).version.workflow


def used(workspace: Workspace, name: QuotaName) -> int | None:
    return next(use.used for use in use_of_workspace(workspace.pk) if use.name is name)


def test_where_nothing_is_limited_a_check_asks_nobody(workspace, django_assert_num_queries):
    quotas.limits_of(QuotaName.WORKFLOWS)
    with django_assert_num_queries(0):
        quotas.check(QuotaName.WORKFLOWS, workspace_id=workspace.pk, user_id=workspace.owner_id)


def test_a_workspace_takes_no_more_workflows_than_its_limit(workspace):
    make(workspace, "one")
    limit(QuotaName.WORKFLOWS, 2, workspace=workspace)
    make(workspace, "two")
    with pytest.raises(QuotaExceededError) as refused:
        make(workspace, "three")

    assert refused.value.details == {"name": "workflows", "scope": "workspace", "limit": 2, "used": 2, "resets_at": None}
    assert Workflow.objects.count() == 2
    make(make_workspace("bob"), "of bob")


def test_a_default_holds_for_all_that_have_none_of_their_own(workspace):
    bob = make_workspace("bob")
    limit(QuotaName.WORKFLOWS, 0)
    limit(QuotaName.WORKFLOWS, 1, workspace=bob)
    make(bob, "one")
    for full in (workspace, bob):
        with pytest.raises(QuotaExceededError):
            make(full, "two")
    limit(QuotaName.WORKFLOWS, None, workspace=bob)
    make(bob, "two")


def test_a_person_takes_no_more_workflows_than_their_limit_over_all_workspaces(workspace):
    bob = make_workspace("bob")
    limit(QuotaName.WORKFLOWS, 1, user=workspace.owner)
    create_workflow(workspace=bob, definition=ONE_NODE, created_by=workspace.owner)
    with pytest.raises(QuotaExceededError, match="You have 1 of at most 1 workflows"):
        make(workspace, "one")
    create_workflow(workspace=workspace, definition=ONE_NODE, created_by=bob.owner)


def test_members_and_versions_are_counted(workspace):
    version = make_version(username="ada")
    limit(QuotaName.MEMBERS, 2, workspace=workspace)
    limit(QuotaName.VERSIONS_PER_WORKFLOW, 1, workspace=workspace)
    quotas.check(QuotaName.MEMBERS, workspace_id=workspace.pk)
    Membership.objects.create(workspace=workspace, user=make_workspace("bob").owner, role="viewer")
    with pytest.raises(QuotaExceededError):
        quotas.check(QuotaName.MEMBERS, workspace_id=workspace.pk)
    with pytest.raises(QuotaExceededError):
        quotas.check(QuotaName.VERSIONS_PER_WORKFLOW, workspace_id=workspace.pk, subject=version.workflow_id)
    quotas.check(QuotaName.VERSIONS_PER_WORKFLOW, workspace_id=workspace.pk, subject=uuid4())
    assert used(workspace, QuotaName.MEMBERS) == 2
    assert used(workspace, QuotaName.VERSIONS_PER_WORKFLOW) == 1


def test_a_workflow_gets_no_more_versions_than_its_limit(workspace):
    workflow = make(workspace, "one")
    limit(QuotaName.VERSIONS_PER_WORKFLOW, 2, workspace=workspace)
    save_version(workflow=workflow, definition={**ONE_NODE, "description": "2"})
    entries = AuditEntry.objects.count()
    with pytest.raises(QuotaExceededError) as refused:
        save_version(workflow=workflow, definition={**ONE_NODE, "description": "3"}, publish=True)

    assert (refused.value.details["limit"], refused.value.details["used"]) == (2, 2)
    assert list(workflow.versions.order_by("number").values_list("number", flat=True)) == [1, 2]
    workflow.refresh_from_db()
    assert workflow.published_version is None
    assert AuditEntry.objects.count() == entries
    assert not save_version(workflow=workflow, definition={**ONE_NODE, "description": "2"}).created


def test_a_save_that_prunes_makes_room_for_itself(workspace):
    workflow = make(workspace, "one")
    limit(QuotaName.VERSIONS_PER_WORKFLOW, 2, workspace=workspace)
    set_retention(workspace=workspace, keep=2)
    for number in range(2, 6):
        save_version(workflow=workflow, definition={**ONE_NODE, "description": str(number)})
    assert list(workflow.versions.order_by("number").values_list("number", flat=True)) == [4, 5]


def test_executions_of_a_day_are_limited_and_those_before_the_limit_count(workspace):
    workflow = make_version(username="ada").workflow
    start_execution(workflow=workflow)
    limit(QuotaName.EXECUTIONS_PER_DAY, 3, workspace=workspace)
    start_execution(workflow=workflow)
    with pytest.raises(QuotaExceededError) as refused:
        start_executions(workflow=workflow, starts=[Start(), Start()])
    start_execution(workflow=workflow)
    with pytest.raises(QuotaExceededError):
        start_execution(workflow=workflow)

    assert refused.value.details["used"] == 2
    assert refused.value.details["resets_at"] > timezone.now().isoformat()
    assert Execution.objects.count() == used(workspace, QuotaName.EXECUTIONS_PER_DAY) == 3
    start_execution(workflow=make_version(username="bob").workflow)


def test_a_start_that_is_said_again_counts_once_and_is_answered_at_the_limit(workspace):
    workflow = make_version(username="ada").workflow
    limit(QuotaName.EXECUTIONS_PER_DAY, 1, workspace=workspace)
    first = start_execution(workflow=workflow, idempotency_key="a")
    again = start_execution(workflow=workflow, idempotency_key="a")
    assert (again.execution_id, again.created) == (first.execution_id, False)
    assert QuotaDay.objects.get().used == 1


def test_a_new_limit_counts_the_day_anew(workspace):
    workflow = make_version(username="ada").workflow
    quota = limit(QuotaName.EXECUTIONS_PER_DAY, 1, workspace=workspace)
    start_execution(workflow=workflow)
    remove_quota(quota=quota)
    quotas.forget_limits()
    start_execution(workflow=workflow)
    limit(QuotaName.EXECUTIONS_PER_DAY, 3, workspace=workspace)
    start_execution(workflow=workflow)
    with pytest.raises(QuotaExceededError):
        start_execution(workflow=workflow)


def test_a_person_starts_no_more_than_their_limit(workspace):
    workflow = make_version(username="ada").workflow
    limit(QuotaName.EXECUTIONS_PER_DAY, 1, user=workspace.owner)
    start_execution(workflow=workflow, started_by=workspace.owner)
    with pytest.raises(QuotaExceededError):
        start_execution(workflow=workflow, started_by=workspace.owner)
    start_execution(workflow=workflow)


def test_a_refused_start_leaves_the_callers_transaction_usable(workspace):
    workflow = make_version(username="ada").workflow
    limit(QuotaName.EXECUTIONS_PER_DAY, 0, workspace=workspace)
    with transaction.atomic():
        with pytest.raises(QuotaExceededError):
            start_execution(workflow=workflow)
        assert not Execution.objects.exists()


def at_once(count: int, act) -> list[BaseException | None]:
    """What came of calling `act` in so many threads at the same moment."""
    barrier, came = threading.Barrier(count), []

    def run():
        barrier.wait()
        try:
            act()
            came.append(None)
        except QuotaExceededError as error:
            came.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return came


@pytest.mark.django_db(transaction=True)
def test_of_many_starts_at_once_as_many_come_as_the_limit_says():
    workflow = make_version(username="ada").workflow
    limit(QuotaName.EXECUTIONS_PER_DAY, 3, workspace=workflow.workspace)
    quotas.limits_of(QuotaName.EXECUTIONS_PER_DAY)

    came = at_once(8, lambda: start_execution(workflow=workflow))

    assert came.count(None) == Execution.objects.count() == 3
    assert len(came) == 8


@pytest.mark.django_db(transaction=True)
def test_of_many_workflows_made_at_once_as_many_come_as_the_limit_says():
    workspace = make_workspace("ada")
    limit(QuotaName.WORKFLOWS, 2, workspace=workspace)
    quotas.limits_of(QuotaName.WORKFLOWS)

    came = at_once(6, lambda: make(workspace, str(uuid4())))

    assert came.count(None) == Workflow.objects.count() == 2
    assert len(came) == 6


def test_stored_bytes_are_measured_and_say_when(workspace):
    assert used(workspace, QuotaName.STORED_BYTES) is None
    make_version({**ONE_NODE, "description": "x" * 1000}, username="ada")
    started = start_execution(workflow=make_version(username="ada").workflow, input={"text": uuid4().hex * 100})
    small = measure(workspace_id=workspace.pk).bytes
    assert small > 1000
    Execution.objects.filter(pk=started.execution_id).update(variables={"more": [uuid4().hex for _ in range(100)]})
    object_store.put(workspace.pk, b"x" * 100_000)
    object_store.put(make_workspace("bob").pk, b"y" * 500_000)

    use = measure(workspace_id=workspace.pk)

    assert small + 103_000 < use.bytes < small + 120_000
    shown = next(use for use in use_of_workspace(workspace.pk) if use.name is QuotaName.STORED_BYTES)
    assert (shown.used, shown.measured_at) == (use.bytes, use.measured_at)
    limit(QuotaName.STORED_BYTES, use.bytes, workspace=workspace)
    with pytest.raises(QuotaExceededError):
        quotas.check(QuotaName.STORED_BYTES, workspace_id=workspace.pk)


def test_a_workspace_that_stores_too_much_gets_nothing_more(workspace):
    workflow = make(workspace, "one")
    version = workflow.versions.get()
    limit(QuotaName.STORED_BYTES, 10, workspace=workspace)
    first = start_execution(workflow=workflow, version=version, idempotency_key="a")  # not measured yet
    size = measure(workspace_id=workspace.pk).bytes
    assert size > 10

    for refused in (
        lambda: make(workspace, "two"),
        lambda: save_version(workflow=workflow, definition={**ONE_NODE, "description": "2"}),
        lambda: start_execution(workflow=workflow, version=version),
        lambda: start_executions(workflow=workflow, version=version, starts=[Start(), Start(idempotency_key="a")]),
    ):
        with pytest.raises(QuotaExceededError) as error, transaction.atomic():
            refused()
        assert error.value.details == {"name": "stored_bytes", "scope": "workspace", "limit": 10, "used": size, "resets_at": None}
    assert (Workflow.objects.count(), workflow.versions.count(), Execution.objects.count()) == (1, 1, 1)

    assert start_execution(workflow=workflow, version=version, idempotency_key="a").execution_id == first.execution_id
    assert not save_version(workflow=workflow, definition=ONE_NODE).created
    make(make_workspace("bob"), "of bob")
    limit(QuotaName.STORED_BYTES, size, workspace=workspace)
    start_execution(workflow=workflow, version=version)


@pytest.mark.django_db(transaction=True)
def test_a_start_that_is_refused_for_its_bytes_is_undone_without_a_transaction_of_the_caller():
    version = make_version(username="ada")
    limit(QuotaName.STORED_BYTES, 10, workspace=version.workspace)
    measure(workspace_id=version.workspace_id)
    with pytest.raises(QuotaExceededError):
        start_execution(workflow=version.workflow)
    assert not Execution.objects.exists()


def test_a_workspace_whose_objects_cannot_be_listed_is_measured_later(workspace, tmp_path, settings):
    settings.OBJECT_STORE_URL = f"file://{tmp_path}/objects"
    (tmp_path / "objects").touch()  # where the folder should be
    StorageUse.objects.create(workspace=workspace, bytes=7, next_at=timezone.now())

    assert measure_due() == 1

    kept = StorageUse.objects.get(workspace=workspace)
    assert (kept.bytes, kept.next_at > timezone.now()) == (7, True)


def test_workspaces_are_measured_in_turn(workspace):
    bob = make_workspace("bob")
    assert measure_due() + measure_due() == 2
    assert set(StorageUse.objects.values_list("workspace", flat=True)) == {workspace.pk, bob.pk}
    assert measure_due() == 0
    StorageUse.objects.filter(workspace=bob).update(next_at=timezone.now(), bytes=1)
    assert measure_due() == 1
    assert StorageUse.objects.get(workspace=bob).bytes != 1


@pytest.mark.parametrize(
    "whose",
    [{"scope": "user", "name": QuotaName.MEMBERS}, {"user": True, "name": QuotaName.STORED_BYTES}, {"user": True, "workspace": True}],
)
def test_a_limit_of_what_is_not_counted_is_refused(whose, workspace):
    whose = {
        **whose,
        **({"user": workspace.owner} if "user" in whose else {}),
        **({"workspace": workspace} if "workspace" in whose else {}),
    }
    with pytest.raises(InvalidQuotaError):
        set_quota(**{"name": QuotaName.WORKFLOWS, **whose}, limit=1)


def test_what_is_used_is_read_in_two_statements_however_much_there_is(workspace, django_assert_num_queries):
    quotas.limits_of(QuotaName.WORKFLOWS)
    with django_assert_num_queries(2):
        use_of_workspace(workspace.pk)
    for number in range(5):
        make(workspace, str(number))
    with django_assert_num_queries(2):
        assert len(use_of_workspace(workspace.pk)) == 5
    with django_assert_num_queries(1):
        assert [use.used for use in use_of_user(workspace.owner_id)] == [5, 0]
