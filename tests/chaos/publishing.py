"""Puts the definitions of a load into the installation. Needs Django to be set up."""

from collections.abc import Mapping, Sequence

from apps.accounts.actions import create_user
from apps.accounts.models import User, Workspace
from apps.accounts.queries import personal_workspace
from apps.workflows.actions import create_workflow
from apps.workflows.models import Workflow
from tests.chaos.deep import CALLS
from tests.chaos.shapes import JSON

OPERATOR = "operator"


def ensure_operator() -> Workspace:
    """The workspace of the person who owns the load."""
    user = User.objects.filter(username=OPERATOR).first() or create_user(username=OPERATOR, password=None, is_superuser=True)
    return personal_workspace(user)


def publish(documents: Sequence[JSON]) -> list[Workflow]:
    """A published workflow for each definition, the same one for the same name, also of an earlier call.

    What a node calls by name must come before it.
    """
    workspace = ensure_operator()
    names = [document["name"] for document in documents]
    known = {workflow.name: workflow for workflow in workspace.workflows.filter(name__in=names).select_related("published_version")}
    for document in documents:
        if document["name"] not in known:
            known[document["name"]] = create_workflow(
                workspace=workspace, definition=_linked(document, known), publish=True
            ).version.workflow
    return [known[document["name"]] for document in documents]


def _linked(document: JSON, known: Mapping[str, Workflow]) -> JSON:
    """With the ids of the workflows that its nodes call, in place of their names."""
    nodes = [
        {**node, "config": {**node["config"], "workflow": str(known[node["config"]["workflow"]].pk)}} if node["type"] == CALLS else node
        for node in document["nodes"]
    ]
    return {**document, "nodes": nodes}
