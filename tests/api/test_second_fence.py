"""Where the first fence is forgotten: with `visible_to` and every check of rights switched off, still nothing of others is seen."""

import orjson
import pytest
from django.apps import apps
from django.db import connection

from apps.accounts import queries
from apps.accounts.access import Access
from apps.accounts.api import authentication
from apps.core.postgresql.base import WEB_ROLE
from apps.workflows.models import WorkflowVersionQuerySet
from tests.api.clients import ApiClient
from tests.api.test_routes import ROUTES, Route, ada, call, label, made, things  # noqa: F401  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _without_first_fence(monkeypatch):
    kinds = {type(model._default_manager.all()) for model in apps.get_models()}
    patched = [kind for kind in kinds if hasattr(kind, "visible_to")]
    assert len(patched) >= 9
    for kind in patched:
        monkeypatch.setattr(kind, "visible_to", lambda self, user: self)
    monkeypatch.setattr(WorkflowVersionQuerySet, "startable_by", lambda self, user: self)
    monkeypatch.setattr(Access, "allows", lambda self, workspace_id, permission: True)


@pytest.mark.usefixtures("_without_first_fence")
@pytest.mark.parametrize("route", ROUTES, ids=label)
def test_a_stranger_reaches_nothing_though_the_first_fence_is_down(route: Route, things, bob: ApiClient):  # noqa: F811
    assert call(bob, route, things) == route.others


@pytest.mark.usefixtures("_without_first_fence")
def test_with_both_fences_down_a_stranger_would_see_everything(things, bob: ApiClient, monkeypatch):  # noqa: F811
    monkeypatch.setattr("apps.core.fence.put_up", lambda caller: None)
    shown = [route for route in ROUTES if route.method == "get" and route.others == 404 and call(bob, route, things) == 200]
    assert len(shown) >= 15


@pytest.mark.usefixtures("_without_first_fence")
@pytest.mark.parametrize("path", ["/workflows", "/executions", "/workspaces", "/invitations"])
def test_a_list_holds_nothing_of_others_though_the_first_fence_is_down(path, things, ada, bob):  # noqa: F811
    answer = bob.get_json(path)
    found = orjson.dumps(answer).decode()
    assert not [name for name, value in things.items() if len(value) > 30 and value in found and value != str(bob.user.pk)]
    if path != "/workspaces":
        assert answer in ([], {"next": None, "results": []})


def test_each_way_to_say_who_one_is_puts_the_fence_up(settings):
    for name in settings.REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"]:
        assert issubclass(getattr(authentication, name.rpartition(".")[2]), authentication.Fenced), name


def role_in(client: ApiClient, path: str, monkeypatch) -> tuple[str, int]:
    """The role that the view of GET /users/me works as, and the status; then the role after the request is looked at."""
    seen = []

    def look(user):
        with connection.cursor() as cursor:
            cursor.execute("select current_user::text")
            seen.append(cursor.fetchone()[0])
        if "fail" in path:
            raise RuntimeError("on purpose")
        return original(user)

    original = queries.personal_workspace
    monkeypatch.setattr(queries, "personal_workspace", look)
    status = client.get(f"/api/v1/users/me?{path}").status_code
    monkeypatch.undo()
    with connection.cursor() as cursor:
        cursor.execute("select current_user::text")
        assert cursor.fetchone()[0] != WEB_ROLE, "after the request"
    return seen[0], status


@pytest.mark.parametrize(("path", "status"), [("", 200), ("fail", 500)])
def test_a_request_works_as_the_web_role_and_leaves_none_behind(path, status, ada, monkeypatch):  # noqa: F811
    ada.raise_request_exception = False
    assert role_in(ada, path, monkeypatch) == (WEB_ROLE, status)


def test_a_browser_is_behind_the_fence_too(ada, client, monkeypatch):  # noqa: F811
    client.force_login(ada.user)
    assert role_in(client, "", monkeypatch) == (WEB_ROLE, 200)


def test_an_operator_has_no_fence(operator, monkeypatch):
    assert role_in(operator, "", monkeypatch)[0] != WEB_ROLE
