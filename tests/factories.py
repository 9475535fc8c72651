"""Rows that tests start from."""

from typing import Any

from apps.accounts.models import User, Workspace
from apps.engine.definition import parse_definition
from apps.workflows.compiled import compile_version, start_plan
from apps.workflows.models import Workflow, WorkflowVersion

ONE_NODE: dict[str, Any] = {"name": "one node", "nodes": [{"key": "start", "type": "trigger.manual"}]}


def make_workspace(username: str = "ada") -> Workspace:
    """The personal workspace of this person, made with the person where there is none."""
    user = User.objects.filter(username=username).first() or User.objects.create_user(username)
    return Workspace.objects.get(owner=user, is_personal=True)


def make_version(definition: dict[str, Any] | None = None, *, username: str = "ada", is_published: bool = True) -> WorkflowVersion:
    """A version of a new workflow, written as the actions of workflows would, without their checks."""
    document = definition or ONE_NODE
    workspace = make_workspace(username)
    workflow = Workflow.objects.create(
        workspace=workspace, name=f"{document['name']} {Workflow.objects.count()}", created_by=workspace.owner
    )
    version = WorkflowVersion.objects.create(
        workspace=workspace,
        workflow=workflow,
        number=1,
        definition=document,
        content_hash=str(workflow.id),
        start=start_plan(compile_version(parse_definition(document))),
    )
    if is_published:
        Workflow.objects.filter(id=workflow.id).update(published_version=version)
        workflow.refresh_from_db()
    return version
