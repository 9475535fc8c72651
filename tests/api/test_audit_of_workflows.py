"""What the audit log says of workflows, and of all that people keep beside them."""

from typing import Any

import pytest
from django.core.management import call_command

from apps.audit.models import AuditEntry
from apps.credentials.models import Credential
from tests.api.clients import ORDER, ApiClient, make_workflow
from tests.api.workspaces import join, make_folder, make_named, make_team, share, workspace_of

pytestmark = pytest.mark.django_db

CANARY = "cn4ry-secret"
CREDENTIAL = {"name": "key", "type": "bearer", "fields": {"token": CANARY}, "allowed_hosts": ["api.example.com"]}


class Log:
    """Entries since the last look, as (verb, before, after)."""

    def __init__(self) -> None:
        self._last = 0
        self.new()

    def entries(self) -> list[AuditEntry]:
        found = list(AuditEntry.objects.filter(id__gt=self._last).order_by("id"))
        self._last = found[-1].id if found else self._last
        return found

    def new(self) -> list[tuple[str, Any, Any]]:
        return [(entry.verb, entry.before, entry.after) for entry in self.entries()]


@pytest.fixture
def log(ada: ApiClient, bob: ApiClient) -> Log:
    return Log()


def patch(client: ApiClient, path: str, **body: Any) -> None:
    answer = client.patch(f"/api/v1{path}", body, format="json")
    assert answer.status_code == 200, answer.content


def put(client: ApiClient, path: str, **body: Any) -> None:
    answer = client.put(f"/api/v1{path}", body, format="json")
    assert answer.status_code == 200, answer.content


def delete(client: ApiClient, path: str) -> None:
    answer = client.delete(f"/api/v1{path}")
    assert answer.status_code == 204, answer.content


def test_folders(ada, log):
    outer, inner = make_folder(ada, "outer"), make_folder(ada, "inner")
    assert log.new() == [("folder.created", None, {"name": name, "parent": None}) for name in ("outer", "inner")]
    for _ in range(2):  # the second time nothing changes
        patch(ada, f"/folders/{inner}", name="new", parent=outer)
    assert log.new() == [
        ("folder.moved", {"parent": None}, {"parent": outer}),
        ("folder.renamed", {"name": "inner"}, {"name": "new"}),
    ]
    other = make_folder(ada, "other")
    log.new()
    delete(ada, f"/folders/{outer}?move_to={other}")
    delete(ada, f"/folders/{other}?move_to=none")
    delete(ada, f"/folders/{inner}")
    assert log.new() == [
        ("folder.deleted", {"name": "outer", "folders": 1, "workflows": 0}, {"moved_to": other}),
        ("folder.deleted", {"name": "other", "parent": None, "folders": 1, "workflows": 0}, None),
        ("folder.deleted", {"name": "new", "parent": None, "folders": 0, "workflows": 0}, None),
    ]


def test_where_a_workflow_lies_and_its_tags(ada, log):
    workflow, folder = f"/workflows/{make_workflow(ada)['id']}", make_folder(ada, "f")
    log.new()
    for target in (folder, folder, None):
        patch(ada, workflow, folder=target)
    for names in (["b", "a"], ["a", "b"], []):
        put(ada, f"{workflow}/tags", tags=names)
    assert log.new() == [
        ("workflow.moved", {"folder": None}, {"folder": folder}),
        ("workflow.moved", {"folder": folder}, {"folder": None}),
        ("workflow.tagged", {"tags": []}, {"tags": ["a", "b"]}),
        ("workflow.tagged", {"tags": ["a", "b"]}, {"tags": []}),
    ]


def test_tags(ada, log):
    blue = ada.post_json("/tags", {"name": "blue", "colour": "#0000FF"}, 201)["id"]
    for _ in range(2):
        patch(ada, f"/tags/{blue}", name="azure")
    other = ada.post_json("/tags", {"name": "other", "colour": "#0000ff"}, 201)["id"]
    ada.post_json(f"/tags/{blue}/merge", {"into": blue})
    ada.post_json(f"/tags/{blue}/merge", {"into": other})
    delete(ada, f"/tags/{other}")
    colour = {"colour": "#0000ff"}
    assert log.new() == [
        ("tag.created", None, {"name": "blue", **colour}),
        ("tag.updated", {"name": "blue"}, {"name": "azure"}),
        ("tag.created", None, {"name": "other", **colour}),
        ("tag.merged", {"name": "azure", **colour}, {"name": "other", "into": other}),
        ("tag.deleted", {"name": "other", **colour}, None),
    ]


def test_archive(ada, log):
    workflow = f"/workflows/{make_workflow(ada)['id']}"
    log.new()
    for verb in ("unarchive", "archive", "archive", "unarchive"):
        ada.post_json(f"{workflow}/{verb}")
    assert [verb for verb, _, _ in log.new()] == ["workflow.archived", "workflow.unarchived"]


@pytest.mark.parametrize("kind", ["workflow", "folder"])
def test_shares(kind, ada, bob, log):
    thing_id = make_named(ada, "orders") if kind == "workflow" else make_folder(ada, "orders")
    thing = f"/{kind}s/{thing_id}"
    make_team(workspace_of(ada), "team")
    log.new()
    made = share(ada, thing, "viewer", user="bob")
    share(ada, thing, "viewer", 200, user="bob")
    share(ada, thing, "editor", 200, user="bob")
    for _ in range(2):
        patch(ada, f"{thing}/shares/{made['id']}", level="owner")
    of_team = share(ada, thing, "viewer", team="team")
    for each in (made, of_team):
        delete(ada, f"{thing}/shares/{each['id']}")

    entries = log.entries()
    assert [(entry.verb, entry.before, entry.after) for entry in entries] == [
        (f"{kind}.shared", None, {"user": "bob", "level": "viewer"}),
        (f"{kind}.shared", {"level": "viewer"}, {"user": "bob", "level": "editor"}),
        (f"{kind}.shared", {"level": "editor"}, {"user": "bob", "level": "owner"}),
        (f"{kind}.shared", None, {"team": "team", "level": "viewer"}),
        (f"{kind}.unshared", {"user": "bob", "level": "owner"}, None),
        (f"{kind}.unshared", {"team": "team", "level": "viewer"}, None),
    ]
    assert {(entry.object_type, entry.object_id, entry.object_name) for entry in entries} == {(kind, thing_id, "orders")}


def test_a_guest_who_owns_a_workflow_takes_back_what_a_team_has_that_they_do_not_see(ada, bob, log):
    workflow = f"/workflows/{make_named(ada, 'orders')}"
    team = make_team(workspace_of(ada), "hidden")
    share(ada, workflow, "owner", user="bob")
    of_team = share(ada, workflow, "viewer", team="hidden")
    log.new()
    delete(bob, f"{workflow}/shares/{of_team['id']}")
    (entry,) = log.entries()
    assert (entry.verb, entry.workspace_id, entry.actor_name) == ("workflow.unshared", workspace_of(ada).pk, "bob")
    assert entry.before["team"] in (str(team.pk), "hidden")


def test_links(ada, bob, log):
    workflow = make_named(ada, "orders")
    log.new()
    made = ada.post_json(f"/workflows/{workflow}/links", {"level": "editor", "label": "Bob", "password": "12345678", "max_uses": 3}, 201)
    for _ in range(2):
        bob.post_json(f"/shared/{made['token']}/accept", {"password": "12345678"})
    for _ in range(2):
        delete(ada, f"/workflows/{workflow}/links/{made['id']}")
    entries = log.entries()
    link = {"link": made["id"], "level": "editor", "label": "Bob"}
    assert [(entry.verb, entry.actor_name, entry.via, entry.before, entry.after) for entry in entries] == [
        ("link.made", "ada", "api", None, {**link, "has_password": True, "expires_at": None, "max_uses": 3}),
        ("link.accepted", "bob", "link", None, {**link, "user": "bob"}),
        ("link.revoked", "ada", "api", {**link, "uses": 1}, None),
    ]
    assert {(entry.object_id, entry.workspace_id) for entry in entries} == {(workflow, workspace_of(ada).pk)}
    assert made["token"] not in str([entry.__dict__ for entry in entries])


def test_the_owner_changes_and_a_transfer_stands_in_both_workspaces(ada, bob, log):
    workflow, there = make_workflow(ada)["id"], workspace_of(bob)
    join(bob, workspace_of(ada), "admin")
    log.new()
    put(ada, f"/workflows/{workflow}/owner", user="bob")
    bob.post_json(f"/workflows/{workflow}/transfer", {"workspace": str(there.pk)})
    changed, left, came = log.entries()
    assert (changed.verb, changed.before, changed.after) == ("workflow.owner_changed", {"owner": "ada"}, {"owner": "bob"})
    for entry, workspace in ((left, workspace_of(ada)), (came, there)):
        assert (entry.verb, entry.workspace_id, entry.object_id) == ("workflow.transferred", workspace.pk, workflow)
        assert (entry.before, entry.after) == ({"workspace": str(workspace_of(ada).pk)}, {"workspace": str(there.pk)})


def test_how_many_versions_are_kept(ada, log):
    path = f"/workspaces/{workspace_of(ada).pk}/version-retention"
    for keep in (None, 5, 5, None):
        put(ada, path, keep=keep)
    assert log.new() == [("version_retention.set", {"keep": None}, {"keep": 5}), ("version_retention.set", {"keep": 5}, {"keep": None})]


def test_templates(ada, bob, log):
    join(bob, workspace_of(ada), "viewer")
    template = ada.post_json("/workflow-templates", {"definition": ORDER, "name": "t"}, 201)["id"]
    path = f"/workflow-templates/{template}"
    for _ in range(2):
        patch(ada, path, name="new", definition={**ORDER, "description": CANARY})
        patch(ada, path, sample_input={"amount": 7})
        put(ada, f"{path}/shares", users=[str(bob.user.pk)])
    delete(ada, path)
    entries = log.entries()
    assert [(entry.verb, entry.before, entry.after) for entry in entries] == [
        ("template.created", None, {"name": "t", "category": "other", "visibility": "private"}),
        ("template.updated", {"name": "t"}, {"name": "new", "replaced": ["definition"]}),
        ("template.updated", {}, {"replaced": ["sample_input"]}),
        ("template.shared", {"users": []}, {"users": ["bob"]}),
        ("template.deleted", {"name": "new", "visibility": "private"}, None),
    ]
    assert {entry.workspace_id for entry in entries} == {workspace_of(ada).pk}
    assert CANARY not in str([entry.after for entry in entries])


def test_node_templates(ada, log):
    pause = {"name": "pause", "type": "control.delay", "config": {"seconds": 1}}
    path = f"/node-templates/{ada.post_json('/node-templates', pause, 201)['id']}"
    for _ in range(2):
        patch(ada, path, config={"seconds": 2}, icon="clock")
    delete(ada, path)
    assert log.new() == [
        ("node_template.created", None, {"name": "pause", "type": "control.delay"}),
        ("node_template.updated", {"icon": ""}, {"icon": "clock", "replaced": ["config"]}),
        ("node_template.deleted", {"name": "pause", "type": "control.delay"}, None),
    ]


def test_credentials_and_none_of_their_secrets(ada, bob, log):
    credential = ada.post_json("/credentials", CREDENTIAL, 201)["id"]
    path = f"/credentials/{credential}"
    patch(ada, path, name="key")
    patch(ada, path, name="new", fields={"token": f"{CANARY}-2"}, allowed_hosts=["a.example.com"])
    for level in ("user", "user", "owner"):
        grant = ada.post_json(f"{path}/grants", {"user": str(bob.user.pk), "level": level}, 201)["id"]
    delete(ada, f"{path}/grants/{grant}")
    ada.post_json(f"{path}/test")
    delete(ada, path)

    entries = log.entries()
    hosts = {"allowed_hosts": ["a.example.com"]}
    assert [(entry.verb, entry.before, entry.after) for entry in entries] == [
        (
            "credential.created",
            None,
            {"type": "bearer", "name": "key", "allowed_hosts": ["api.example.com"], "expires_at": None, "fields": ["token"]},
        ),
        ("credential.updated", {"name": "key", "allowed_hosts": ["api.example.com"]}, {"name": "new", **hosts, "fields": ["token"]}),
        ("credential.shared", None, {"user": "bob", "level": "user"}),
        ("credential.shared", {"level": "user"}, {"user": "bob", "level": "owner"}),
        ("credential.unshared", {"user": "bob", "level": "owner"}, None),
        ("credential.tested", None, {"is_ok": False}),
        ("credential.deleted", {"type": "bearer", "name": "new", **hosts, "expires_at": None}, None),
    ]
    assert {(entry.object_id, entry.workspace_id) for entry in entries} == {(credential, workspace_of(ada).pk)}
    assert CANARY not in str([entry.__dict__ for entry in entries])


def test_a_rotation_is_for_operators(ada, log):
    ada.post_json("/credentials", CREDENTIAL, 201)
    log.new()
    call_command("rotate_credentials")
    assert log.new() == []
    Credential.objects.update(key_id="another")
    call_command("rotate_credentials")
    (entry,) = log.entries()
    assert (entry.verb, entry.workspace_id, entry.via) == ("credentials.rotated", None, "shell")
    assert (entry.after["count"], entry.after["failed"]) == (1, 0)


def test_an_import_is_told_by_what_it_makes(ada, log):
    document = ada.get_json(f"/workflows/{make_named(ada, 'orders')}/export")
    log.new()
    ada.post_json("/workflows/import", {**document}, 200)
    assert [verb for verb, _, _ in log.new()][:2] == ["workflow.created", "version.saved"]
