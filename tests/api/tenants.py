"""A workspace with one of everything, and what nobody outside may learn of it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Model, UUIDField

from apps.accounts.actions import create_user
from apps.accounts.models import User, Workspace
from tests.api.clients import ApiClient, client_of, make_workflow
from tests.api.test_routes import make_things
from tests.workers.driving import drive

LINK_PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Tenant:
    """A person, and the workspaces that are theirs alone.

    mark     a word that stands in every name, text, input and output of theirs
    things   {placeholder of an address or body: what it stands for}
    running  an execution that nobody has driven yet
    """

    mark: str
    client: ApiClient
    things: dict[str, str]
    running: UUID

    @property
    def user(self) -> User:
        assert self.client.user is not None
        return self.client.user

    def workspaces(self) -> list[UUID]:
        return list(Workspace.objects.filter(owner=self.user).values_list("pk", flat=True))

    def secrets(self) -> set[str]:
        """The mark, and the id of every row of theirs."""
        owned = [str(key) for model in apps.get_models() for key in _keys(model, self.workspaces())]
        return {self.mark, str(self.user.pk), *map(str, self.workspaces()), *owned}


def _keys(model: type[Model], workspaces: list[UUID]) -> list[Any]:
    """Ids that are like no others; numbers are in every answer."""
    names = {field.name for field in model._meta.get_fields()}
    if "workspace" not in names or not isinstance(model._meta.pk, UUIDField):
        return []
    return list(model._default_manager.filter(workspace__in=workspaces).values_list("pk", flat=True))


def make_tenant(mark: str) -> Tenant:
    client = client_of(create_user(username=f"{mark}-owner", password=None, email=f"{mark}@example.com"))
    things = make_things(client)
    _name(client, things, mark)
    running = _fill(client, things, mark)
    return Tenant(mark, client, {**things, "<folder_id>": things["<uuid:folder_id>"]}, running)


def _name(client: ApiClient, things: dict[str, str], mark: str) -> None:
    """Put the mark into what has fixed names."""
    workspace, workflow = f"/workspaces/{things['<uuid:workspace_id>']}", f"/workflows/{things['<uuid:workflow_id>']}"
    new: dict[str, Any] = {"name": f"{mark} thing", "description": f"of {mark}"}
    client.patch_json(workspace, new)
    client.patch_json(f"{workspace}/roles/{things['<uuid:role_id>']}", new)
    client.patch_json(f"{workspace}/teams/{things['<uuid:team_id>']}", new)
    client.patch_json(workflow, new)
    client.patch_json(f"/folders/{things['<uuid:folder_id>']}", {"name": f"{mark} folder"})
    client.patch_json(f"/tags/{things['<uuid:tag_id>']}", {"name": mark})
    client.patch_json(f"/workflow-templates/{things['<uuid:template_id>']}", {**new, "visibility": "workspace"})
    client.patch_json(f"/node-templates/{things['<uuid:node_template_id>']}", new)
    client.post_json(f"{workspace}/invitations", {"email": f"guest@{mark}.example", "role": "viewer"}, 201)
    client.put_json(f"{workspace}/teams/{things['<uuid:team_id>']}/members/{client.user.pk}")  # type: ignore[union-attr]
    client.post_json("/users/me/api-keys", {"name": f"{mark} key", "scopes": ["workflow.view"]}, 201)
    client.post_json(f"{workspace}/service-accounts", {"name": f"{mark} robot", "role": "viewer"}, 201)


def _fill(client: ApiClient, things: dict[str, str], mark: str) -> UUID:
    """Workflows with versions, and executions that succeeded, failed, and run."""
    made = make_workflow(client, _definition(mark))["id"]
    changed = {**_definition(mark), "description": f"{mark} again"}
    client.post_json(f"/workflows/{made}/versions", {"definition": changed, "changelog": f"why {mark} changed", "publish": True}, 201)
    client.put_json(f"/workflows/{made}/tags", {"tags": [mark, f"{mark} two"]})
    client.put_json(f"/workflows/{made}/favourite", status=204)
    client.patch_json(f"/workflows/{made}", {"folder": things["<uuid:folder_id>"]})
    client.post_json(f"/workflows/{made}/links", {"level": "viewer", "label": mark, "password": LINK_PASSWORD}, 201)
    client.put_json(f"/workflows/{made}/draft", {"definition": {**changed, "description": f"{mark} draft"}})
    for amount in (1, 2000):
        drive(_start(client, made, mark, amount))
    return _start(client, made, mark, 1)


def _start(client: ApiClient, workflow: str, mark: str, amount: int) -> UUID:
    body = {"workflow": workflow, "input": {"amount": amount, "who": mark}, "business_key": mark}
    return UUID(client.post_json("/executions", body, 202)["id"])


def _definition(mark: str) -> dict[str, Any]:
    #  start ─▶ check ─true──▶ refuse ✗
    #                 └false─▶ greet ✓
    return {
        "name": f"{mark} orders",
        "description": f"what {mark} does",
        "inputs": {"amount": "number", "who": "string"},
        "nodes": [
            {"key": "start", "type": "trigger.manual", "name": f"{mark} begins"},
            {"key": "check", "type": "control.if", "config": {"condition": "${amount > 1000}"}},
            {"key": "refuse", "type": "control.fail", "config": {"message": f"{mark} refuses", "code": "refused"}},
            {"key": "greet", "type": "data.set", "config": {"values": {"greeting": "hello ${who}"}}},
        ],
        "edges": [
            {"source": "start", "target": "check"},
            {"source": "check", "port": "true", "target": "refuse"},
            {"source": "check", "port": "false", "target": "greet"},
        ],
        "output": {"who": "${who}"},
    }
