"""Puts the definitions of a load into the installation. Needs Django to be set up."""

from collections.abc import Sequence

from apps.accounts.actions import create_user
from apps.accounts.models import User, Workspace
from apps.accounts.queries import personal_workspace
from apps.workflows.actions import create_workflow
from apps.workflows.models import Workflow
from tests.chaos.shapes import JSON

OPERATOR = "operator"


def ensure_operator() -> Workspace:
    """The workspace of the person who owns the load."""
    user = User.objects.filter(username=OPERATOR).first() or create_user(username=OPERATOR, password=None, is_superuser=True)
    return personal_workspace(user)


def publish(documents: Sequence[JSON]) -> list[Workflow]:
    """A published workflow for each definition, the same one for the same name."""
    workspace = ensure_operator()
    known: dict[str, Workflow] = {}
    for document in documents:
        if document["name"] not in known:
            known[document["name"]] = create_workflow(workspace=workspace, definition=document, publish=True).version.workflow
    return [known[document["name"]] for document in documents]
