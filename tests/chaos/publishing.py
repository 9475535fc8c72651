"""Puts the definitions of a load into the installation. Needs Django to be set up."""

from collections.abc import Sequence

from apps.accounts.models import User, Workspace
from apps.engine.definition import parse_definition
from apps.workflows.compiled import compile_version, start_plan
from apps.workflows.models import Workflow, WorkflowVersion
from tests.chaos.shapes import JSON

OPERATOR = "operator"


def ensure_operator() -> Workspace:
    """The workspace of the person who owns the load."""
    user, _ = User.objects.get_or_create(username=OPERATOR, defaults={"is_superuser": True})
    workspace, _ = Workspace.objects.get_or_create(owner=user, is_personal=True, defaults={"name": OPERATOR})
    return workspace


def publish(documents: Sequence[JSON]) -> list[Workflow]:
    """A published workflow for each definition, the same one for the same name."""
    workspace = ensure_operator()
    known: dict[str, Workflow] = {}
    for document in documents:
        if document["name"] not in known:
            known[document["name"]] = _publish(workspace, document)
    return [known[document["name"]] for document in documents]


def _publish(workspace: Workspace, document: JSON) -> Workflow:
    workflow = Workflow.objects.create(workspace=workspace, name=document["name"])
    version = WorkflowVersion.objects.create(
        workspace=workspace,
        workflow=workflow,
        number=1,
        definition=document,
        content_hash="",
        start=start_plan(compile_version(parse_definition(document))),
    )
    workflow.published_version = version
    workflow.save()
    return workflow
