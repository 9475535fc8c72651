"""Who may do what: memberships with roles, and shares of workflows and folders."""

from uuid import uuid4

import pytest

from apps.accounts.models import Membership, Role, Team, TeamMember, User
from apps.accounts.permissions import BUILT_IN_ROLES, Permission
from apps.executions.actions import start_execution
from apps.executions.models import Execution, NodeRun
from apps.workflows.access import NotAllowedError, WorkflowNotFoundError, allows, require
from apps.workflows.models import Folder, Grant, Level, Workflow, WorkflowVersion
from tests.factories import make_version, make_workspace

pytestmark = pytest.mark.django_db

P = Permission


@pytest.fixture
def version() -> WorkflowVersion:
    return make_version(username="ada")


@pytest.fixture
def workflow(version) -> Workflow:
    return version.workflow


def guest() -> User:
    """A person with nothing but the personal workspace, as a new request reads them."""
    return User.objects.get(pk=make_workspace("grace").owner.pk)


def join(workflow: Workflow, role: str = "", own_role: Role | None = None) -> User:
    Membership.objects.create(workspace=workflow.workspace, user=guest(), role=role, own_role=own_role)
    return guest()


def share(workflow: Workflow, level: Level, **parties) -> User:
    Grant.objects.create(workspace=workflow.workspace, workflow=workflow, level=level, **(parties or {"user": guest()}))
    return guest()


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
def test_a_member_may_what_the_role_says_and_no_more(workflow, role):
    member = join(workflow, role)

    assert {permission for permission in P if allows(member, workflow, permission)} == BUILT_IN_ROLES[role]


def test_a_role_of_the_workspace_allows_what_it_names_and_an_unknown_name_allows_nothing(workflow):
    role = Role.objects.create(workspace=workflow.workspace, name="on call", permissions=["workflow.view", "execution.operate", "of.old"])
    member = join(workflow, own_role=role)

    assert {permission for permission in P if allows(member, workflow, permission)} == {P.WORKFLOW_VIEW, P.EXECUTION_OPERATE}


@pytest.mark.parametrize(
    ("level", "allowed"),
    [
        (Level.OWNER, {P.WORKFLOW_VIEW, P.WORKFLOW_EDIT, P.WORKFLOW_RUN, P.WORKFLOW_MANAGE, P.EXECUTION_VIEW, P.EXECUTION_OPERATE}),
        (Level.EDITOR, {P.WORKFLOW_VIEW, P.WORKFLOW_EDIT, P.WORKFLOW_RUN, P.EXECUTION_VIEW, P.EXECUTION_OPERATE}),
        (Level.VIEWER, {P.WORKFLOW_VIEW, P.EXECUTION_VIEW}),
        (Level.EXECUTOR, {P.WORKFLOW_RUN}),
    ],
)
def test_a_share_allows_what_its_level_says_and_no_more(workflow, level, allowed):
    person = share(workflow, level)

    assert {permission for permission in P if allows(person, workflow, permission)} == allowed
    assert list(Workflow.objects.visible_to(person)) == [workflow]


def test_a_share_reaches_the_members_of_a_team(workflow):
    team = Team.objects.create(workspace=workflow.workspace, name="night shift")
    TeamMember.objects.create(team=team, user=guest())
    person = share(workflow, Level.VIEWER, team=team)

    assert allows(person, workflow, P.WORKFLOW_VIEW)


def test_a_share_of_a_folder_holds_for_what_lies_below_it_at_any_depth(workflow):
    #  top ─▶ deep ─▶ workflow
    top, deep = Folder(workspace=workflow.workspace, name="top"), Folder(workspace=workflow.workspace, name="deep")
    top.ancestors, deep.ancestors, deep.parent = [top.pk], [top.pk, deep.pk], top
    Folder.objects.bulk_create([top, deep])
    workflow.folder = deep
    workflow.save()
    Grant.objects.create(workspace=workflow.workspace, folder=top, user=guest(), level=Level.EDITOR)

    assert allows(guest(), workflow, P.WORKFLOW_EDIT)


def test_two_shares_add_up(workflow):
    share(workflow, Level.VIEWER)
    team = Team.objects.create(workspace=workflow.workspace, name="runners")
    TeamMember.objects.create(team=team, user=guest())
    person = share(workflow, Level.EXECUTOR, team=team)

    assert allows(person, workflow, P.WORKFLOW_VIEW)
    assert allows(person, workflow, P.WORKFLOW_RUN)
    assert not allows(person, workflow, P.WORKFLOW_EDIT)


def test_what_may_not_be_seen_does_not_exist_and_what_may_be_seen_is_refused_by_name(workflow):
    with pytest.raises(WorkflowNotFoundError):
        require(guest(), workflow, P.WORKFLOW_VIEW)
    person = share(workflow, Level.VIEWER)
    with pytest.raises(NotAllowedError) as refused:
        require(person, workflow, P.WORKFLOW_EDIT)
    assert refused.value.details == {"permission": "workflow.edit"}


def test_an_executor_sees_the_executions_that_are_their_own_and_no_definition(workflow, version):
    foreign = start_execution(workflow=workflow).execution_id
    person = share(workflow, Level.EXECUTOR)
    own = start_execution(workflow=workflow, started_by=person).execution_id

    assert [execution.id for execution in Execution.objects.visible_to(person)] == [own]
    assert {run.execution_id for run in NodeRun.objects.visible_to(person)} == {own} != {foreign}
    assert not WorkflowVersion.objects.visible_to(person).exists()
    assert WorkflowVersion.objects.startable_by(person).get() == version


def test_a_viewer_sees_all_executions_of_what_was_shared_and_of_nothing_else(workflow):
    start_execution(workflow=make_version(username="ada").workflow)
    shared = start_execution(workflow=workflow).execution_id

    assert [execution.id for execution in Execution.objects.visible_to(share(workflow, Level.VIEWER))] == [shared]


def test_rights_are_read_in_two_queries_however_many_there_are(workflow, django_assert_num_queries):
    person = share(workflow, Level.VIEWER)
    with django_assert_num_queries(3):  # the rights, the shares, the rows
        list(Workflow.objects.visible_to(person))
    for _ in range(10):
        share(make_version(username="ada").workflow, Level.EDITOR)
    person = guest()
    with django_assert_num_queries(4):  # with reading the person anew
        assert len(Workflow.objects.visible_to(User.objects.get(pk=person.pk))) == 11


def test_a_key_narrows_the_rights_to_one_workspace_and_to_its_scopes(workflow):
    member = join(workflow, "builder")
    narrowed = member.access.restricted_to(workflow.workspace_id, frozenset({P.WORKFLOW_VIEW, P.MEMBER_MANAGE}))

    assert narrowed.allows(workflow.workspace_id, P.WORKFLOW_VIEW)
    assert not narrowed.allows(workflow.workspace_id, P.MEMBER_MANAGE), "a key gives nothing that its owner lacks"
    assert not narrowed.allows(make_workspace("grace").pk, P.WORKFLOW_VIEW)
    assert not narrowed.is_member(uuid4())
