"""Credentials over HTTP: secrets come in and never go out."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission as DjangoPermission
from django.utils import timezone
from pytest_httpserver import HTTPServer

from apps.accounts.models import Membership, Role, Team, User, Workspace
from apps.accounts.permissions import BUILT_IN_ROLES, Permission
from apps.credentials.models import Credential
from tests.api.clients import ApiClient, client_of
from tests.apps.credentials import CANARY, make_credential, person

pytestmark = pytest.mark.django_db

SHOP: dict[str, Any] = {
    "name": "shop",
    "type": "api_key",
    "fields": {"name": "X-Shop", "value": "a-secret-value"},
    "allowed_hosts": ["API.shop.example"],
}


def make(client: ApiClient, status: int = 201, **changes: Any) -> Any:
    return client.post_json("/credentials", {**SHOP, **changes}, status)


def naming(credential: str, name: str = "calls") -> dict[str, Any]:
    call = {"key": "call", "type": "http.request", "config": {"url": "https://api.shop.example"}, "credentials": {"default": credential}}
    start = {"key": "start", "type": "trigger.manual"}
    return {"name": name, "nodes": [start, call], "edges": [{"source": "start", "target": "call"}]}


def join(client: ApiClient, other: ApiClient, role: str) -> ApiClient:
    """`other` as a member of the workspace of `client`."""
    Membership.objects.create(workspace=Workspace.objects.get(owner=client.user), user=other.user, role=role)
    return other


def test_a_credential_is_made_and_shown_without_its_secrets(ada):
    made = make(ada)

    assert made["fields"] == {"name": "X-Shop", "placement": "header"}
    assert (made["secrets_set"], made["allowed_hosts"]) == (["value"], ["api.shop.example"])
    assert (made["created_by"], made["last_used_at"], made["expires_at"]) == (str(ada.user.pk), None, None)
    assert ada.get_json(f"/credentials/{made['id']}") == made
    assert ada.get_json("/credentials")["results"] == [made]


def test_no_answer_has_a_secret(ada):
    made = make(ada, type="basic", fields={"username": "ada", "password": CANARY})
    path = f"/api/v1/credentials/{made['id']}"
    bodies = [
        ada.get("/api/v1/credentials").content,
        ada.get(path).content,
        ada.patch(path, {"name": "other"}, format="json").content,
        ada.patch(path, {"fields": {"password": CANARY + "2"}}, format="json").content,
        ada.patch(path, {"fields": {"password": [CANARY]}}, format="json").content,
        ada.post("/api/v1/credentials", {**SHOP, "fields": {"value": f"{CANARY}\n"}}, format="json").content,
        ada.post("/api/v1/credentials", {**SHOP, "type": "bearer", "fields": {"token": {"x": CANARY}}}, format="json").content,
        ada.post(f"{path}/test").content,
        ada.get(f"{path}/grants").content,
    ]
    assert not any(b"cn4ry" in body for body in bodies), bodies


def test_a_patch_replaces_what_it_names_and_keeps_the_rest(ada):
    made = make(ada, type="generic", fields={"a": "one", "b": "two"}, allowed_hosts=[])
    later = timezone.now() + timedelta(days=1)

    changed = ada.patch_json(f"/credentials/{made['id']}", {"fields": {"b": None, "c": "three"}, "expires_at": later.isoformat()})
    assert (changed["secrets_set"], changed["name"]) == (["a", "c"], "shop")
    assert ada.patch_json(f"/credentials/{made['id']}", {"name": "other"})["expires_at"] is not None
    assert ada.patch_json(f"/credentials/{made['id']}", {"expires_at": None})["expires_at"] is None


def test_who_does_not_know_the_secret_cannot_send_it_elsewhere(ada, bob):
    made = make(ada)
    join(ada, bob, "admin")

    refused = client_of(bob.user).patch_json(f"/credentials/{made['id']}", {"allowed_hosts": ["evil.test"]}, 422)
    assert (refused["code"], refused["details"]) == ("secrets_needed", {"fields": ["value"]})


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 129}, "/name"),
        ({"type": "api_keyy"}, "/type"),
        ({"fields": []}, "/fields"),
        ({"fields": {}}, "/fields/value"),
        ({"fields": {"value": "a\nb"}}, "/fields/value"),
        ({"fields": {"value": "x", "vaule": "x"}}, "/fields/vaule"),
        ({"fields": {"value": "x", "placement": "cookie"}}, "/fields/placement"),
        ({"allowed_hosts": []}, "/allowed_hosts"),
        ({"allowed_hosts": ["*"]}, "/allowed_hosts/0"),
        ({"allowed_hosts": ["a.example.com", "https://b.example.com"]}, "/allowed_hosts/1"),
        ({"allowed_hosts": "a.example.com"}, "/allowed_hosts"),
        ({"expires_at": "soon"}, "/expires_at"),
        ({"secret": "x"}, "/secret"),
    ],
    ids=str,
)
def test_a_wrong_body_is_refused_with_its_place(ada, changes, pointer):
    refused = make(ada, 422, **changes)

    assert refused["details"]["errors"][0]["pointer"] == pointer
    assert not Credential.objects.exists()


def test_a_name_is_there_once_in_a_workspace(ada, bob):
    make(ada)
    make(bob)
    assert make(ada, 409)["code"] == "credential_name_taken"


def test_the_list_can_be_narrowed(ada, bob):
    make(ada, name="Shop one")
    other = make(ada, name="mail", type="generic", fields={"a": "b"})
    workspace = other["workspace"]
    make(bob)

    def names(query: str) -> list[str]:
        return [row["name"] for row in ada.get_json(f"/credentials?{query}")["results"]]

    assert names("") == ["mail", "Shop one"]
    assert names("type=generic") == ["mail"]
    assert names("search=SHOP") == ["Shop one"]
    assert names(f"workspace={workspace}&limit=1") == ["mail"]
    assert names(f"workspace={bob.get_json('/users/me')['workspace']['id']}") == []
    assert ada.get_json("/credentials?typ=x", 422)["details"]["errors"][0]["pointer"] == "/typ"


@pytest.mark.parametrize(("path", "queries"), [("/credentials", 2), ("/credentials/{id}/grants", 4)])
def test_lists_take_the_same_queries_for_one_row_and_for_many(ada, path, queries, django_assert_num_queries):
    made = make(ada)
    path = path.format(id=made["id"])
    for count in (1, 30):
        for number in range(count):
            make(ada, name=f"{count} {number}")
            ada.post_json(f"/credentials/{made['id']}/grants", {"user": str(person(f"p{count}{number}").pk), "level": "user"}, 201)
        with django_assert_num_queries(queries):
            assert len(ada.get_json(path)["results"]) >= count


def test_the_types_have_schemas_that_say_what_is_secret(ada):
    types = {each["name"]: each for each in ada.get_json("/credential-types")}

    assert set(types) == {"api_key", "basic", "bearer", "database", "generic", "oauth2_client_credentials", "s3", "smtp", "webhook_secret"}
    for each in types.values():
        secret = [name for name, field in each["schema"]["properties"].items() if "'format': 'password'" in str(field)]
        assert sorted(secret) == each["secret_fields"] or each["name"] == "generic"
        assert each["description"]
        assert all(field.get("title") and field.get("description") for field in each["schema"]["properties"].values())


class TestPermission:
    @pytest.mark.parametrize("role", [*BUILT_IN_ROLES, "user", "owner of it", "view only", "use only"])
    def test_of_each_role_and_each_grant_is_what_it_says(self, ada, bob, role):
        made, other = make(ada), person("grace")
        path = f"/credentials/{made['id']}"
        grant = ada.post_json(f"{path}/grants", {"user": str(other.pk), "level": "user"}, 201)["id"]
        client_of(bob.user).get_json(path, 404)
        views, uses, manages = self.enter(ada, bob.user, made, role)
        client = client_of(bob.user)

        def status(is_allowed: bool, ok: int) -> int:
            return ok if is_allowed else 403 if views else 404

        client.get_json(path, status(views, 200))
        client.post_json(f"{path}/test", status=200 if uses else status(False, 200))
        client.get_json(f"{path}/grants", status(manages, 200))
        client.post_json(f"{path}/grants", {"user": str(other.pk), "level": "user"}, status(manages, 201))
        client._call("delete", f"{path}/grants/{grant}", status(manages, 204))
        client.patch_json(path, {"name": "other"}, status(manages, 200))
        assert len(client.get_json("/credentials")["results"]) == views
        client._call("delete", path, status(manages, 204))

    def enter(self, ada: ApiClient, user: User, made: dict[str, Any], role: str) -> tuple[bool, bool, bool]:
        """Let a person in; what that person may: view, use, manage."""
        rights = {"view only": ["credential.view"], "use only": ["credential.use"]}
        if role in rights:
            own = Role.objects.create(workspace_id=made["workspace"], name=role, permissions=rights[role])
            Membership.objects.create(workspace_id=made["workspace"], user=user, own_role=own)
            return role == "view only", role == "use only", False
        if role in ("user", "owner of it"):
            ada.post_json(f"/credentials/{made['id']}/grants", {"user": str(user.pk), "level": role.split(maxsplit=1)[0]}, 201)
            return True, True, role == "owner of it"
        Membership.objects.create(workspace_id=made["workspace"], user=user, role=role)
        rights_of_role = BUILT_IN_ROLES[role]
        return (
            Permission.CREDENTIAL_VIEW in rights_of_role,
            Permission.CREDENTIAL_USE in rights_of_role,
            Permission.CREDENTIAL_MANAGE in rights_of_role,
        )

    def test_to_make_one_is_asked_of_the_workspace(self, ada, bob):
        workspace = ada.get_json("/users/me")["workspace"]["id"]
        make(bob, 404, workspace=workspace)
        make(client_of(join(ada, bob, "viewer").user), 403, workspace=workspace)
        Membership.objects.filter(user=bob.user, workspace=workspace).update(role="builder")
        assert make(client_of(bob.user), 201, workspace=workspace)["workspace"] == workspace

    def test_of_an_operator_is_all(self, ada, operator):
        path = f"/credentials/{make(ada)['id']}"
        operator.get_json(path)
        operator.patch_json(path, {"name": "other"}, 200)


class TestGrants:
    def test_are_given_changed_listed_and_taken_back(self, ada, bob):
        path = f"/credentials/{make(ada)['id']}/grants"
        given = ada.post_json(path, {"user": str(bob.user.pk), "level": "user"}, 201)
        changed = ada.post_json(path, {"user": str(bob.user.pk), "level": "owner"}, 201)

        assert (given["id"], given["user"]["name"], given["team"]) == (changed["id"], "bob", None)
        assert ada.get_json(path)["results"] == [changed]
        ada._call("delete", f"{path}/{given['id']}", 204)
        ada._call("delete", f"{path}/{given['id']}", 404)
        assert ada.get_json(path)["results"] == []

    def test_to_a_team_that_the_caller_cannot_see_look_like_those_to_none(self, ada, bob):
        path = f"/credentials/{make(ada)['id']}/grants"
        own = Team.objects.create(workspace=Workspace.objects.get(owner=ada.user), name="own")
        foreign = Team.objects.create(workspace=Workspace.objects.get(owner=bob.user), name="foreign")

        assert ada.post_json(path, {"team": str(own.pk), "level": "user"}, 201)["team"]["name"] == "own"
        unknown = [ada.post_json(path, {"team": team, "level": "user"}, 422) for team in (str(foreign.pk), str(ada.user.pk))]
        assert [each["code"] for each in unknown] == ["unknown_party"] * 2

    @pytest.mark.parametrize(
        "body",
        [{"level": "user"}, {"user": "x", "level": "user"}, {"user": "0" * 32, "level": "editor"}, {"user": "0" * 32, "level": "user"}],
    )
    def test_to_nobody_are_refused(self, ada, body):
        ada.post_json(f"/credentials/{make(ada)['id']}/grants", body, 422)

    def test_of_another_credential_are_not_there(self, ada, bob):
        first, second = make(ada), make(ada, name="second")
        grant = ada.post_json(f"/credentials/{first['id']}/grants", {"user": str(bob.user.pk), "level": "user"}, 201)

        ada._call("delete", f"/credentials/{second['id']}/grants/{grant['id']}", 404)


class TestInWorkflows:
    def test_a_definition_with_a_credential_of_ones_own_is_saved_and_keeps_it_from_deletion(self, ada):
        made = make(ada)
        workflow = ada.post_json("/workflows", {"definition": naming(made["id"]), "publish": True}, 201)

        refused = ada._call("delete", f"/credentials/{made['id']}", 409)
        assert refused["code"] == "credential_in_use"
        assert refused["details"] == {"workflows": [{"id": workflow["id"], "name": "calls"}]}
        ada.post_json(f"/workflows/{workflow['id']}/unpublish")
        ada._call("delete", f"/credentials/{made['id']}", 204)

    def test_a_foreign_one_is_refused_as_one_that_is_not_there(self, ada, bob):
        foreign = make(bob)["id"]
        answers = [ada.post_json("/workflows", {"definition": naming(each)}, 422) for each in (foreign, str(ada.user.pk))]

        assert [answer["details"]["errors"][0]["pointer"] for answer in answers] == ["/nodes/1/credentials/default"] * 2
        assert str(answers[0]).replace(foreign, "") == str(answers[1]).replace(str(ada.user.pk), "")

    def test_one_that_may_be_seen_but_not_used_is_forbidden(self, ada, bob):
        made = make(ada)
        rights = ["workflow.create", "workflow.view", "credential.view"]
        role = Role.objects.create(workspace_id=made["workspace"], name="looker", permissions=rights)
        Membership.objects.create(workspace_id=made["workspace"], user=bob.user, own_role=role)

        body = {"definition": naming(made["id"]), "workspace": made["workspace"]}
        assert client_of(bob.user).post_json("/workflows", body, 403)["code"] == "credential_not_usable"


@contextmanager
def mail_server(password: str) -> Iterator[int]:
    """The port of a mail server that speaks to one client, and lets in who gives this password."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw", newline="\r\n") as lines:

            def say(answer: str) -> str:
                lines.write(f"{answer}\n")
                lines.flush()
                return lines.readline()

            say("220 hello")
            sent = base64.b64decode(say("250-hello\n250 AUTH PLAIN").split()[-1]).decode()
            say("235 welcome" if sent.endswith(f"\0{password}") else f"535 not with {sent}")
            say("221 bye")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


class TestTest:
    @pytest.fixture
    def server(self, httpserver: HTTPServer, settings) -> HTTPServer:
        settings.EGRESS_ALLOWED = [f"{httpserver.host}:{httpserver.port}"]
        return httpserver

    def ask(self, ada, server: HTTPServer | None = None, **changes: Any) -> dict[str, Any]:
        hosts = [f"{server.host}:{server.port}"] if server else SHOP["allowed_hosts"]
        return ada.post_json(f"/credentials/{make(ada, **{'allowed_hosts': hosts, **changes})['id']}/test")

    def test_of_a_key_asks_the_test_url(self, ada, server):
        server.expect_request("/me", headers={"X-Shop": "a-secret-value"}).respond_with_data("")
        fields = {**SHOP["fields"], "test_url": server.url_for("/me")}

        assert self.ask(ada, server, fields=fields) == {"is_ok": True, "message": "localhost answered 200 OK."}
        wrong = self.ask(ada, server, name="wrong", fields={**fields, "value": "another"})
        assert (wrong["is_ok"], "500" in wrong["message"]) == (False, True)

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({}, "nothing to test"),
            ({"fields": {"value": "v", "test_url": "https://elsewhere.example/"}}, "may not be sent"),
            ({"fields": {"value": "v", "test_url": "nonsense"}}, "test_url"),
            (
                {"fields": {"value": "v", "test_url": "http://169.254.169.254/"}, "allowed_hosts": ["169.254.169.254:80"]},
                "not a public address",
            ),
            ({"type": "generic", "fields": {"a": "b"}}, "cannot be tested"),
            (
                {"type": "database", "fields": {"host": "127.0.0.1", "database": "a", "username": "b", "password": "c"}},
                "not a public address",
            ),
            ({"type": "smtp", "fields": {"host": "localhost", "username": "b", "password": "c"}}, "not a public address"),
            (
                {
                    "type": "s3",
                    "fields": {"bucket": "abc", "access_key_id": "b", "secret_access_key": "c", "endpoint_url": "http://127.0.0.1"},
                },
                "not a",
            ),
        ],
        ids=str,
    )
    def test_that_cannot_work_says_why(self, ada, changes, says):
        answer = self.ask(ada, **changes)

        assert answer["is_ok"] is False
        assert says in answer["message"]

    def test_of_an_oauth_client_fetches_a_token(self, ada, server):
        server.expect_request("/token").respond_with_json({"access_token": "t0ken"})
        fields = {"token_url": server.url_for("/token"), "client_id": "a", "client_secret": "b"}

        assert self.ask(ada, server, type="oauth2_client_credentials", fields=fields)["is_ok"] is True

    def test_of_a_database_logs_in(self, ada, settings):
        database = settings.DATABASES["default"]
        address = {"host": database["HOST"], "port": int(database["PORT"]), "database": "postgres", "username": database["USER"]}
        settings.EGRESS_ALLOWED = ["127.0.0.1/32", "::1/128"]
        fields = {**address, "password": database["PASSWORD"] or "none", "sslmode": "disable"}

        assert self.ask(ada, type="database", fields=fields) == {"is_ok": True, "message": "The database let us in."}
        refused = self.ask(ada, name="wrong", type="database", fields={**fields, "database": "no-such-database"})
        assert (refused["is_ok"], "no-such-database" in refused["message"]) == (False, True)

    @pytest.mark.parametrize(("password", "is_ok"), [("right-password", True), ("wrong-password", False)])
    def test_of_a_mail_server_logs_in(self, ada, settings, password, is_ok):
        with mail_server("right-password") as port:
            settings.EGRESS_ALLOWED = [f"127.0.0.1:{port}"]
            fields = {"host": "127.0.0.1", "port": port, "username": "ada", "password": password, "security": "none"}
            answer = self.ask(ada, type="smtp", fields=fields)

        assert answer["is_ok"] is is_ok
        assert password not in answer["message"]

    def test_of_a_bucket_signs_its_request(self, ada, server):
        server.expect_request("/abc").respond_with_data("")
        fields = {"bucket": "abc", "access_key_id": "AKID", "secret_access_key": "a-secret-value", "endpoint_url": server.url_for("")}

        assert self.ask(ada, server, type="s3", fields=fields)["is_ok"] is True
        authorization = server.log[0][0].headers["Authorization"]
        assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKID/")
        assert "a-secret-value" not in str(list(server.log[0][0].headers))


def test_the_admin_shows_and_tests_but_tells_no_secret(client, operator):
    credential = make_credential("ada", type_name="basic", username="ada", password=CANARY)
    Credential.objects.update(expires_at=timezone.now())
    client.force_login(operator.user)
    pages = [
        client.get("/admin/credentials/credential/"),
        client.get("/admin/credentials/credential/?q=key&type=basic&expiry=past"),
        client.get(f"/admin/credentials/credential/{credential.pk}/change/"),
        client.post(f"/admin/credentials/credential/{credential.pk}/test/", follow=True),
    ]
    for page in pages:
        assert page.status_code == 200
        assert credential.name in page.content.decode()
        assert "cn4ry" not in page.content.decode()
    assert "nothing to test" in pages[3].content.decode()
    assert "password" in pages[2].content.decode()
    assert client.get(f"/admin/credentials/credential/{credential.pk}/test/").status_code == 405


def test_the_admin_hides_what_staff_may_not_see(client, bob):
    credential = make_credential("ada", name="of ada alone")
    bob.user.is_staff = True
    bob.user.save()
    bob.user.user_permissions.set(DjangoPermission.objects.filter(codename="view_credential"))
    client.force_login(bob.user)
    assert credential.name not in client.get("/admin/credentials/credential/").content.decode()
    assert client.get(f"/admin/credentials/credential/{credential.pk}/change/").status_code == 404
    assert client.post(f"/admin/credentials/credential/{credential.pk}/test/").status_code == 404
