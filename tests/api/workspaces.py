"""Who is in which workspace, and what was shared with whom."""

from typing import Any

from apps.accounts.models import Membership, Team, TeamMember, Workspace
from apps.accounts.queries import personal_workspace
from tests.api.clients import ORDER, ApiClient

LEVELS = ("owner", "editor", "executor", "viewer")


def workspace_of(client: ApiClient) -> Workspace:
    assert client.user is not None
    return personal_workspace(client.user)


def join(client: ApiClient, workspace: Workspace, role: str) -> None:
    """Make somebody a member."""
    Membership.objects.update_or_create(workspace=workspace, user=client.user, defaults={"role": role})


def make_team(workspace: Workspace, name: str, *clients: ApiClient) -> Team:
    team = Team.objects.create(workspace=workspace, name=name)
    TeamMember.objects.bulk_create([TeamMember(team=team, user=client.user) for client in clients])
    return team


def make_named(client: ApiClient, name: str, **fields: Any) -> str:
    """The id of a new published workflow of this name, with these fields of its definition."""
    body = {"definition": {**ORDER, "name": name, **fields}, "publish": True}
    return str(client.post_json("/workflows", body, 201)["id"])


def make_folder(client: ApiClient, name: str, parent: str | None = None) -> str:
    return str(client.post_json("/folders", {"name": name, "parent": parent}, 201)["id"])


def share(client: ApiClient, address: str, level: str, status: int = 201, **party: str) -> Any:
    return client.post_json(f"{address}/shares", {"level": level, **party}, status)


def names(page: Any) -> list[str]:
    return [row["name"] for row in page["results"]]
