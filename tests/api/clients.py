"""HTTP clients that are logged in, and definitions to send."""

from importlib import import_module
from typing import Any

from allauth.headless.tokens.strategies.jwt import internal
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.accounts.tokens import TokenStrategy

ORDER: dict[str, Any] = {
    "name": "order",
    "inputs": {"amount": "number"},
    "nodes": [{"key": "start", "type": "trigger.manual"}],
    "output": {"is_large": "${amount > 1000}"},
}


class ApiClient(APIClient):
    """Sends JSON to paths under /api/v1 and keeps `user`."""

    user: User | None = None

    def get_json(self, path: str, status: int = 200, **headers: Any) -> Any:
        return self._call("get", path, status, headers=headers)

    def post_json(self, path: str, body: Any = None, status: int = 200, **headers: Any) -> Any:
        return self._call("post", path, status, data=body, format="json", headers=headers)

    def delete_json(self, path: str, status: int = 204, **headers: Any) -> Any:
        return self._call("delete", path, status, headers=headers)

    def patch_json(self, path: str, body: Any, status: int = 200) -> Any:
        return self._call("patch", path, status, data=body, format="json")

    def put_json(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self._call("put", path, status, data=body, format="json")

    def _call(self, method: str, path: str, status: int, **options: Any) -> Any:
        response = getattr(self, method)(f"/api/v1{path}", **options)
        assert response.status_code == status, (response.status_code, response.content[:2000])
        return response.json() if response.content else None


def client_of(user: User) -> ApiClient:
    """A client with an access token of a new session; the password is not asked."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    token = internal.create_access_token(user, session, TokenStrategy().get_claims(user))
    client = ApiClient(headers={"Authorization": f"Bearer {token}"})
    client.user = user
    return client


def make_workflow(client: ApiClient, definition: dict[str, Any] | None = None, *, publish: bool = True) -> dict[str, Any]:
    """The answer to making a workflow over HTTP."""
    answer: dict[str, Any] = client.post_json("/workflows", {"definition": definition or ORDER, "publish": publish}, 201)
    return answer


def make_organisation(client: ApiClient) -> dict[str, str]:
    """An organisation with a role, a team and an open invitation, by the names that addresses have for their ids."""
    workspace = client.post_json("/workspaces", {"name": "Analytical Engines"}, 201)["id"]
    inside = f"/workspaces/{workspace}"
    return {
        "workspace_id": workspace,
        "user_id": str(client.user.pk) if client.user else "",
        "role_id": client.post_json(f"{inside}/roles", {"name": "on call", "permissions": ["execution.operate"]}, 201)["id"],
        "team_id": client.post_json(f"{inside}/teams", {"name": "night shift"}, 201)["id"],
        "invitation_id": client.post_json(f"{inside}/invitations", {"email": "d@example.com", "role": "viewer"}, 201)["id"],
    }
