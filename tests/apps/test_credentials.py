"""Making, changing, sharing and deleting credentials; who may name them in a workflow; new keys for old ones."""

import threading
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Membership, Role, Team, TeamMember, User, Workspace
from apps.accounts.permissions import BUILT_IN_ROLES, Permission
from apps.accounts.queries import personal_workspace
from apps.core import quotas
from apps.core.quotas import QuotaName
from apps.credentials import actions, queries
from apps.credentials.actions import CredentialInUseError, CredentialNameTakenError, InvalidCredentialError, SecretsNeededError
from apps.credentials.models import Credential, CredentialGrant
from apps.credentials.opening import open_secrets
from apps.credentials.sealing import DERIVED, SealError, UnknownKeyError, new_key
from apps.engine.problems import InvalidDefinitionError
from apps.workflows.actions import create_workflow, publish_version, save_version, unpublish_workflow
from apps.workflows.credentials import CredentialNotUsableError
from apps.workflows.models import CredentialReference, Grant
from tests.apps.credentials import CANARY, make_credential, person

pytestmark = pytest.mark.django_db


def secrets_of(credential: Credential) -> dict[str, str]:
    fresh = Credential.objects.get(pk=credential.pk)
    return {name: secret.reveal() for name, secret in open_secrets(actions.sealed_of(fresh)).items()}


def join(workspace: Workspace, username: str, role: str) -> User:
    Membership.objects.create(workspace=workspace, user=person(username), role=role)
    return person(username)


def share(credential: Credential, level: str = "user", **party) -> CredentialGrant:
    return CredentialGrant.objects.create(credential=credential, level=level, **party)


class TestFields:
    def test_secret_ones_are_sealed_and_the_others_are_not(self):
        credential = make_credential(type_name="basic", username="ada", password=CANARY)

        assert (credential.fields, credential.secret_names) == ({"username": "ada"}, ["password"])
        assert secrets_of(credential) == {"password": CANARY}
        with connection.cursor() as cursor:
            cursor.execute("select c::text from credential c")
            assert CANARY not in cursor.fetchone()[0]

    def test_of_the_generic_type_are_all_secret(self):
        credential = make_credential(type_name="generic", hosts=[], first="one", second="two")

        assert (credential.fields, credential.secret_names) == ({}, ["first", "second"])
        assert secrets_of(credential) == {"first": "one", "second": "two"}

    @pytest.mark.parametrize(
        ("type_name", "fields", "pointer"),
        [
            ("bearer", {"token": f"{CANARY}\nX-Other: 1"}, "/fields/token"),
            ("bearer", {"token": ["secret-in-a-list"]}, "/fields/token"),
            ("bearer", {"token": ""}, "/fields/token"),
            ("bearer", {"token": "s" * 20_001}, "/fields/token"),
            ("bearer", {}, "/fields/token"),
            ("bearer", {"token": "good", "tokken": "x"}, "/fields/tokken"),
            ("api_key", {"value": "good", "name": "Host"}, "/fields/name"),
            ("api_key", {"value": "good", "name": "a b"}, "/fields/name"),
            ("basic", {"username": "a:b", "password": "good"}, "/fields/username"),
            ("oauth2_client_credentials", {"token_url": "file:///etc", "client_id": "a", "client_secret": "b"}, "/fields/token_url"),
            ("database", {"host": "/var/run", "database": "a", "username": "b", "password": "c"}, "/fields/host"),
            ("database", {"host": "a,b", "database": "a", "username": "b", "password": "c"}, "/fields/host"),
            ("generic", {}, "/fields"),
            ("generic", {"a b": "secret-text"}, "/fields"),
            ("bearrer", {"token": "good"}, "/type"),
        ],
    )
    def test_that_do_not_fit_are_refused_without_showing_a_secret(self, type_name, fields, pointer):
        workspace = personal_workspace(person("ada"))

        with pytest.raises(InvalidCredentialError) as refused:
            actions.create_credential(workspace=workspace, name="x", type_name=type_name, fields=fields, allowed_hosts=["api.example.com"])

        errors = refused.value.details["errors"]
        assert errors[0]["pointer"] == pointer
        assert not any(secret in str(errors) for secret in (CANARY, "secret-in-a-list", "secret-text", "sss"))
        assert not Credential.objects.exists()

    def test_that_are_not_named_stay_and_null_takes_away(self):
        credential = make_credential(type_name="generic", hosts=[], first="one", second="two")

        actions.update_credential(credential=credential, fields={"second": "zwei", "third": "three", "first": None})

        assert secrets_of(credential) == {"second": "zwei", "third": "three"}

    def test_a_change_leaves_what_it_does_not_name(self):
        credential = make_credential(type_name="basic", username="ada", password="a password")
        later = timezone.now() + timedelta(days=1)

        actions.update_credential(credential=credential, name="other", fields={"username": "grace"}, expires_at=later)
        actions.update_credential(credential=credential, fields={})

        credential.refresh_from_db()
        assert (credential.name, credential.fields, credential.expires_at) == ("other", {"username": "grace"}, later)
        assert (credential.allowed_hosts, secrets_of(credential)) == (["api.example.com"], {"password": "a password"})


class TestHosts:
    def test_are_kept_in_one_spelling_and_once(self):
        credential = make_credential(hosts=["API.example.com", "api.example.com", "*.bücher.example:443"])

        assert credential.allowed_hosts == ["api.example.com", "*.xn--bcher-kva.example:443"]

    @pytest.mark.parametrize("hosts", [[], ["*"], ["https://api.example.com"], [f"h{n}.example.com" for n in range(51)]])
    def test_that_are_none_are_refused(self, hosts):
        with pytest.raises(InvalidCredentialError) as refused:
            make_credential(hosts=hosts)

        assert refused.value.details["errors"][0]["pointer"].startswith("/allowed_hosts")

    def test_may_be_fewer_but_not_others_for_one_who_does_not_know_the_secrets(self):
        credential = make_credential(hosts=["api.example.com", "www.example.com"])

        actions.update_credential(credential=credential, allowed_hosts=["www.example.com"])
        with pytest.raises(SecretsNeededError) as refused:
            actions.update_credential(credential=credential, allowed_hosts=["www.example.com", "evil.test"])
        assert refused.value.details == {"fields": ["token"]}
        actions.update_credential(credential=credential, allowed_hosts=["evil.test"], fields={"token": "another"})

        credential.refresh_from_db()
        assert (credential.allowed_hosts, secrets_of(credential)) == (["evil.test"], {"token": "another"})

    @pytest.mark.parametrize(
        ("type_name", "fields", "change"),
        [
            (
                "oauth2_client_credentials",
                {"token_url": "https://id.example.com/token", "client_id": "a", "client_secret": "b"},
                {"token_url": "https://evil.test/token"},
            ),
            ("database", {"host": "db.example.com", "database": "a", "username": "b", "password": "c"}, {"host": "evil.test"}),
            ("smtp", {"host": "mail.example.com", "username": "b", "password": "c"}, {"security": "none"}),
        ],
    )
    def test_in_the_fields_count_too(self, type_name, fields, change):
        credential = make_credential(type_name=type_name, **fields)

        with pytest.raises(SecretsNeededError):
            actions.update_credential(credential=credential, fields=change)


def test_a_name_is_there_once_in_a_workspace():
    make_credential("ada")
    make_credential("grace")

    with pytest.raises(CredentialNameTakenError):
        make_credential("ada")
    other = make_credential("ada", name="other")
    with pytest.raises(CredentialNameTakenError):
        actions.update_credential(credential=other, name="key")


def test_a_sealed_text_moved_to_another_row_does_not_open():
    ada, grace = make_credential("ada"), make_credential("grace")
    Credential.objects.filter(pk=grace.pk).update(sealed=ada.sealed)

    with pytest.raises(SealError):
        secrets_of(grace)


def test_one_whose_key_is_lost_says_so_and_can_be_filled_again(settings):
    settings.CREDENTIAL_KEYS = new_key("lost")
    credential = make_credential()
    settings.CREDENTIAL_KEYS = new_key("other")

    came = actions.try_credential(credential=credential)
    assert (came.is_ok, came.message) == (False, "Sealed with the key 'lost', which CREDENTIAL_KEYS lacks.")
    with pytest.raises(UnknownKeyError):
        actions.update_credential(credential=credential, fields={})
    actions.update_credential(credential=credential, fields={"token": "another"})
    assert secrets_of(credential) == {"token": "another"}


class TestSight:
    @pytest.mark.parametrize("role", BUILT_IN_ROLES)
    def test_of_a_member_is_that_of_the_role(self, role):
        credential = make_credential("ada")
        member = join(credential.workspace, "grace", role)

        for permission, found in (
            (Permission.CREDENTIAL_VIEW, Credential.objects.visible_to(member)),
            (Permission.CREDENTIAL_USE, Credential.objects.usable_by(member)),
            (Permission.CREDENTIAL_MANAGE, Credential.objects.managed_by(member)),
        ):
            assert found.exists() is (permission in BUILT_IN_ROLES[role]), permission

    @pytest.mark.parametrize(("level", "manages"), [("user", False), ("owner", True)])
    @pytest.mark.parametrize("by_team", [False, True])
    def test_of_one_whom_it_was_shared_with_is_that_of_the_level(self, level, manages, by_team):
        credential = make_credential("ada")
        team = Team.objects.create(workspace=credential.workspace, name="shop")
        TeamMember.objects.create(team=team, user=person("grace"))
        share(credential, level, **({"team": team} if by_team else {"user": person("grace")}))
        grace = person("grace")

        assert Credential.objects.visible_to(grace).exists()
        assert Credential.objects.usable_by(grace).exists()
        assert Credential.objects.managed_by(grace).exists() is manages
        assert not Credential.objects.visible_to(person("mallory")).exists()

    def test_through_a_key_does_not_reach_what_was_shared(self):
        credential = make_credential("ada")
        share(credential, "owner", user=person("grace"))
        grace = person("grace")
        home = personal_workspace(grace)
        grace.__dict__["access"] = grace.access.restricted_to(home.pk, frozenset(Permission))

        assert not Credential.objects.visible_to(grace).exists()
        assert queries.types_for_use(grace, home.pk, [credential.pk]) == {}


def naming(*credentials: object, name: str = "calls", **more) -> dict:
    """A definition whose nodes name credentials."""
    nodes = [
        {"key": f"n{index}", "type": "http.request", "config": {"url": "https://api.example.com/"}, "credentials": {"default": str(each)}}
        for index, each in enumerate(credentials)
    ]
    edges = [{"source": "start", "target": node["key"]} for node in nodes]
    return {"name": name, "nodes": [{"key": "start", "type": "trigger.manual"}, *nodes], "edges": edges, **more}


class TestDefinition:
    def save(self, author: User | None, *credentials: object, username: str = "ada", **more):
        return create_workflow(workspace=personal_workspace(person(username)), definition=naming(*credentials, **more), created_by=author)

    def test_may_name_what_its_author_may_use_and_each_place_is_recorded(self):
        credential = make_credential("ada")

        version = self.save(person("ada"), credential.pk, credential.pk).version

        assert list(CredentialReference.objects.values_list("version", "credential", "key", "slot").order_by("key")) == [
            (version.pk, credential.pk, "n0", "default"),
            (version.pk, credential.pk, "n1", "default"),
        ]

    def test_that_names_none_costs_no_query_more(self):
        ada = person("ada")
        workspace = personal_workspace(ada)

        with CaptureQueriesContext(connection) as queries:
            create_workflow(
                workspace=workspace, definition={"name": "a", "nodes": [{"key": "s", "type": "trigger.manual"}]}, created_by=ada
            )

        assert not [query["sql"] for query in queries if '"credential' in query["sql"]]

    def test_may_not_name_what_is_not_there_and_a_foreign_one_looks_the_same(self):
        foreign, missing = make_credential("grace").pk, uuid4()

        answers = []
        for credential in (foreign, missing):
            with pytest.raises(InvalidDefinitionError) as refused:
                self.save(person("ada"), make_credential("ada", name=str(credential)).pk, credential)
            (error,) = refused.value.details["errors"]
            assert error["pointer"] == "/nodes/2/credentials/default"
            answers.append(str(refused.value.details).replace(str(credential), "ID"))
        assert answers[0] == answers[1]
        assert not CredentialReference.objects.exists()

    def test_of_one_who_may_see_but_not_use_is_forbidden(self):
        credential = make_credential("ada")
        looker = Role.objects.create(workspace=credential.workspace, name="looker", permissions=["workflow.edit", "credential.view"])
        Membership.objects.create(workspace=credential.workspace, user=person("grace"), own_role=looker)

        with pytest.raises(CredentialNotUsableError) as refused:
            self.save(person("grace"), credential.pk)
        assert refused.value.details["errors"][0]["pointer"] == "/nodes/1/credentials/default"

    def test_of_an_editor_from_elsewhere_may_name_only_what_was_granted(self):
        credential = make_credential("ada")
        workflow = create_workflow(workspace=credential.workspace, definition=naming(name="w"), created_by=person("ada")).version.workflow
        Grant.objects.create(workspace=credential.workspace, workflow=workflow, level="editor", user=person("grace"))

        with pytest.raises(InvalidDefinitionError):
            save_version(workflow=workflow, definition=naming(credential.pk), created_by=person("grace"))
        share(credential, user=person("grace"))
        save_version(workflow=workflow, definition=naming(credential.pk), created_by=person("grace"))

    def test_may_name_one_of_another_workspace_by_a_grant_and_not_by_membership(self):
        credential = make_credential("grace")
        join(credential.workspace, "ada", "builder")

        with pytest.raises(InvalidDefinitionError):
            self.save(person("ada"), credential.pk)
        share(credential, user=person("ada"))
        self.save(person("ada"), credential.pk)

    def test_of_the_operator_at_a_shell_may_name_what_belongs_to_the_workspace(self):
        self.save(None, make_credential("ada").pk)
        with pytest.raises(InvalidDefinitionError):
            self.save(None, make_credential("grace").pk, name="other")

    def test_may_not_name_one_of_a_type_that_does_not_fit(self):
        credential = make_credential("ada", type_name="generic", hosts=[], a="secret")

        with pytest.raises(InvalidDefinitionError, match="type generic does not fit"):
            self.save(person("ada"), credential.pk)

    def test_with_many_nodes_is_checked_in_few_queries(self, django_assert_max_num_queries):
        credentials = [make_credential("ada", name=f"c{number}").pk for number in range(30)]
        ada = person("ada")
        workspace = personal_workspace(ada)

        quotas.limits_of(QuotaName.WORKFLOWS)  # which the process keeps
        with django_assert_max_num_queries(13):
            create_workflow(workspace=workspace, definition=naming(*credentials, *credentials), created_by=ada)


class TestDeletion:
    def test_is_refused_while_a_published_version_names_it(self):
        credential, ada = make_credential("ada"), person("ada")
        saved = create_workflow(workspace=credential.workspace, definition=naming(credential.pk), created_by=ada, publish=True)

        with pytest.raises(CredentialInUseError) as refused:
            actions.delete_credential(credential=credential, deleted_by=ada)
        assert refused.value.details == {"workflows": [{"id": str(saved.version.workflow_id), "name": "calls"}]}
        unpublish_workflow(workflow=saved.version.workflow)
        actions.delete_credential(credential=credential, deleted_by=ada)
        assert not Credential.objects.exists()

    def test_does_not_tell_of_workflows_that_may_not_be_seen(self):
        credential = make_credential("grace")
        share(credential, "user", user=person("ada"))
        version = create_workflow(
            workspace=personal_workspace(person("ada")), definition=naming(credential.pk, name="hidden"), created_by=person("ada")
        ).version
        publish_version(version=version)

        with pytest.raises(CredentialInUseError) as refused:
            actions.delete_credential(credential=credential, deleted_by=person("grace"))
        assert refused.value.details == {"workflows": []}
        assert "hidden" not in refused.value.message
        assert not any(sign.isdigit() for sign in refused.value.message)

    def test_of_one_that_only_an_old_version_names_goes_through(self):
        credential, ada = make_credential("ada"), person("ada")
        saved = create_workflow(workspace=credential.workspace, definition=naming(credential.pk), created_by=ada)
        save_version(workflow=saved.version.workflow, definition=naming(), created_by=ada, publish=True)

        actions.delete_credential(credential=credential, deleted_by=ada)


class TestRotation:
    @pytest.fixture
    def keys(self, settings):
        settings.CREDENTIAL_KEYS = old = new_key("old")
        return old, new_key("new")

    def test_seals_anew_what_other_keys_sealed_and_no_more(self, settings, keys):
        old, new = keys
        settings.CREDENTIAL_KEYS = ""
        derived = make_credential(name="derived", token="one")
        settings.CREDENTIAL_KEYS = old
        of_old = make_credential(name="old", token="two")
        settings.CREDENTIAL_KEYS = f"{new},{old}"
        of_new = make_credential(name="new", token="three")
        untouched = bytes(of_new.sealed)

        assert (derived.key_id, of_old.key_id, of_new.key_id) == (DERIVED, "old", "new")
        assert actions.rotate_credentials(batch=1) == (2, 0)
        assert actions.rotate_credentials() == (0, 0)

        settings.CREDENTIAL_KEYS = new
        assert set(Credential.objects.values_list("key_id", flat=True)) == {"new"}
        assert [secrets_of(each)["token"] for each in (derived, of_old, of_new)] == ["one", "two", "three"]
        of_new.refresh_from_db()
        assert bytes(of_new.sealed) == untouched

    def test_leaves_the_time_of_the_last_change(self, settings, keys):
        credential = make_credential()
        settings.CREDENTIAL_KEYS = ",".join(reversed(keys))

        actions.rotate_credentials()

        assert Credential.objects.get().updated_at == credential.updated_at

    def test_by_the_command_shows_how_far_it_is_and_what_does_not_open(self, settings, keys):
        old, new = keys
        for number in range(5):
            make_credential(name=str(number))
        settings.CREDENTIAL_KEYS = new_key("lost")
        lost = make_credential(name="lost")
        settings.CREDENTIAL_KEYS = f"{new},{old}"

        out = StringIO()
        with pytest.raises(CommandError, match="1 credentials do not open"):
            call_command("rotate_credentials", batch=2, stdout=out)

        assert out.getvalue().splitlines()[:3] == ["2 sealed anew", "4 sealed anew", "5 sealed anew, 1 do not open"]
        with pytest.raises(UnknownKeyError):
            secrets_of(lost)

    def test_makes_a_key_on_request(self, settings, keys):
        out = StringIO()
        call_command("rotate_credentials", new_key=True, stdout=out)
        settings.CREDENTIAL_KEYS = f"{out.getvalue().strip()},{keys[0]}"

        assert make_credential().key_id.startswith("k2")

    @pytest.mark.django_db(transaction=True)
    def test_of_a_thousand_while_threads_open_them_fails_none(self, settings, keys):
        old, new = keys
        first = make_credential(token="secret-0")
        rows = []
        for number in range(1, 1000):
            row = Credential(workspace=first.workspace, name=str(number), type="bearer", allowed_hosts=["a.example.com"])
            actions._put(row, actions._type("bearer"), actions._checked(actions._type("bearer"), {"token": f"secret-{number}"}))
            rows.append(row)
        Credential.objects.bulk_create(rows)
        expected = {row.pk: f"secret-{number}" for number, row in enumerate([first, *rows])}
        settings.CREDENTIAL_KEYS = f"{new},{old}"
        is_done, wrong, opened = threading.Event(), [], []

        def use(start: int) -> None:
            try:
                ids = list(expected)[start:] + list(expected)[:start]
                while True:
                    is_last = is_done.is_set()
                    for row in Credential.objects.filter(pk__in=ids[:400]):
                        if open_secrets(actions.sealed_of(row))["token"].reveal() != expected[row.pk]:
                            wrong.append(row.pk)
                        opened.append(row.key_id)
                    if is_last:
                        return
            except Exception as error:
                wrong.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=use, args=(start,)) for start in (0, 250, 500, 750)]
        for thread in threads:
            thread.start()
        came = actions.rotate_credentials(batch=20)
        is_done.set()
        for thread in threads:
            thread.join(60)

        assert came == (1000, 0)
        assert wrong == []
        assert {"old", "new"} <= set(opened)

    @pytest.mark.django_db(transaction=True)
    def test_twice_at_once_seals_each_once(self, settings, keys):
        old, new = keys
        for number in range(40):
            make_credential(name=str(number))
        settings.CREDENTIAL_KEYS = f"{new},{old}"
        barrier, came = threading.Barrier(2), []

        def rotate() -> None:
            barrier.wait()
            came.append(actions.rotate_credentials(batch=5))
            connection.close()

        threads = [threading.Thread(target=rotate) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert sum(done for done, _ in came) == 40
        assert not Credential.objects.exclude(key_id="new").exists()
