"""How long lists of 100,000 workflows take to answer a page: `python -m tests.bench.lists [rows]`.

The database is made anew in a folder that goes with the process. Each list is asked through the whole web stack, without a network; the
figures are best, median and worst of so many calls, in ms, once the caches are warm.
"""

# ruff: noqa: PLC0415  # what needs Django is imported once it is set up

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from apps.fleet.embedded.ports import free_port
from apps.fleet.embedded.postgres import Postgres
from apps.fleet.embedded.valkey import Valkey

CALLS = 15
FOLDERS = 200
DRAWN = 10_000
# All rows are drawn up to here; the rest are copies of them under other names, ids and dates.
COPY = (
    """
    insert into workflow (id, workspace_id, name, description, folder_id, created_by_id, archived_at, created_at, updated_at)
    select md5(id::text || %(copy)s)::uuid, workspace_id, name || '-' || %(copy)s, replace(replace(description, 'needle', ''), '龘靐', ''),
           folder_id, created_by_id, archived_at, created_at + %(copy)s * interval '1 hour', updated_at + random() * interval '1 day'
      from workflow where name not like '%%-%%'
    """,
    """
    insert into workflow_version
           (id, workspace_id, workflow_id, number, label, definition, content_hash, start, changelog, created_at, updated_at)
    select gen_random_uuid(), v.workspace_id, md5(v.workflow_id::text || %(copy)s)::uuid, 1, '', v.definition, 'x', '{}', '', now(), now()
      from workflow_version v join workflow w on w.id = v.workflow_id where w.name not like '%%-%%'
    """,
    """
    insert into workflow_tag (workflow_id, tag_id)
    select md5(t.workflow_id::text || %(copy)s)::uuid, t.tag_id from workflow_tag t join workflow w on w.id = t.workflow_id
     where w.name not like '%%-%%'
    """,
)
WORDS = (
    "order",
    "invoice",
    "customer",
    "sync",
    "report",
    "客户",
    "订单",
    "发票",
    "同步",
    "财务报表",
    "import",
    "export",
    "nightly",
    "审批",
)


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="structforge-lists-") as folder:
        postgres, valkey = (
            Postgres(Path(folder) / "postgres", free_port(), is_durable=False),
            Valkey(Path(folder) / "valkey", free_port(), is_durable=False),
        )
        for server in (postgres, valkey):
            server.directory.mkdir()
        with open(Path(folder) / "log", "wb") as log:
            processes = [(server.start(log), server) for server in (postgres, valkey)]
            try:
                os.environ.update(
                    DJANGO_SETTINGS_MODULE="structforge.settings.test",
                    DATABASE_URL=postgres.url,
                    REDIS_URL=valkey.url,
                    STRUCTFORGE_STATE_DIR=folder,
                    LOG_LEVEL="error",
                )
                measure(rows)
            finally:
                for process, server in processes:
                    process.send_signal(server.program.stop_signal)
                    process.wait(30)


def measure(rows: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.test.utils import setup_test_environment

    setup_test_environment()

    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    clients = fill(rows)
    print(f"{rows:,} workflows made in {time.perf_counter() - began:.0f} s; {sizes()}\n")
    for name, who, query in LISTS:
        times = [once(clients[who], query) for _ in range(CALLS + 3)][3:]
        print(f"{name:52} {who:8} best {min(times):6.1f}   median {statistics.median(times):6.1f}   worst {max(times):6.1f}")


LISTS = [
    ("newest first", "owner", ""),
    ("by name", "owner", "sort=name"),
    ("last changed", "owner", "sort=updated_at"),
    ("of one workspace", "owner", "workspace=WORKSPACE"),
    ("a folder", "owner", "folder=FOLDER"),
    ("a folder and all below", "owner", "folder=FOLDER&recursive=true"),
    ("one tag", "owner", "tag=tag3"),
    ("two tags", "owner", "tag=tag3&tag=tag4"),
    ("favourites", "owner", "favourite=true"),
    ("archived", "owner", "archived=true"),
    ("unpublished", "owner", "published=false"),
    ("search: frequent word", "owner", "search=customer"),
    ("search: rare word", "owner", "search=needle"),
    ("search: two words", "owner", "search=nightly invoice"),
    ("search: name of a node", "owner", "search=http.request"),
    ("search: 1 frequent Chinese character", "owner", "search=单"),
    ("search: 1 rare Chinese character", "owner", "search=龘"),
    ("search: 2 frequent Chinese characters", "owner", "search=订单"),
    ("search: 2 rare Chinese characters", "owner", "search=龘靐"),
    ("search: 4 Chinese characters", "owner", "search=财务报表"),
    ("search: 2 Latin letters that nothing has", "owner", "search=zq"),
    ("search: nothing has it", "owner", "search=zzzzzz"),
    ("search: a tag", "owner", "search=tag3"),
    ("search: frequent, by name", "owner", "search=customer&sort=name"),
    ("search: rare word, in a folder and below", "owner", "search=needle&folder=FOLDER&recursive=true"),
    ("newest first, member of three workspaces", "member", ""),
    ("by name, member of three workspaces", "member", "sort=name"),
    ("search: rare word, member of three workspaces", "member", "search=needle"),
    ("newest first, one folder and 200 workflows shared", "guest", ""),
    ("shared with me", "guest", "shared_with_me=true"),
    ("search: frequent word in what was shared", "guest", "search=customer"),
    ("nothing shared, nothing made", "stranger", ""),
    ("search: frequent word, nothing to be seen", "stranger", "search=customer"),
    ("newest first, operator", "operator", ""),
    ("search: rare word, operator", "operator", "search=needle"),
    ("groups by tag", "owner", "GROUPS&by=tag"),
    ("groups by folder", "owner", "GROUPS&by=folder"),
    ("the folders", "owner", "TREE"),
    ("the tags", "owner", "TAGS"),
]


def fill(rows: int) -> dict:
    """Half of the rows in one workspace of the owner and half in the member's second; clients by name."""
    import random

    from django.db import connection, transaction
    from django.utils import timezone

    from apps.accounts.actions import create_user
    from apps.accounts.models import Membership, Workspace
    from apps.accounts.queries import personal_workspace
    from apps.workflows.models import Favourite, Folder, Grant, Tag, Workflow, WorkflowVersion
    from tests.api.clients import client_of

    draw = random.Random(1)
    people = {name: create_user(username=name, password=None, is_superuser=name == "operator") for name in WHO}
    owner, member = people["owner"], people["member"]
    big = personal_workspace(owner)
    other = Workspace.objects.create(name="other", owner=member)
    Membership.objects.bulk_create(
        [Membership(workspace=other, user=member, role="admin"), Membership(workspace=big, user=member, role="builder")]
    )
    folders: list[Folder] = []
    for number in range(FOLDERS):
        parent = folders[(number - 1) // 5] if number else None
        folder = Folder(workspace=big, name=f"folder {number}", parent=parent)
        folder.ancestors = [*(parent.ancestors if parent else []), folder.pk]
        folders.append(folder)
    Folder.objects.bulk_create(folders)
    tags = Tag.objects.bulk_create([Tag(workspace=big, name=f"tag{number}") for number in range(50)])
    through = Workflow.tags.through
    with connection.cursor() as cursor:  # made at the end, all at once
        cursor.execute("select indexdef, indexname from pg_indexes where indexdef like '%USING gin%' and tablename = 'workflow_text'")
        indexes = []
        for statement, name in cursor.fetchall():
            indexes.append(statement)
            cursor.execute(f"drop index {name}")
    for start in range(0, min(rows, DRAWN), 5000):
        made = [
            Workflow(
                workspace=big if (start + index) % 20 else other,
                name=f"{draw.choice(WORDS)} {draw.choice(WORDS)} {start + index}",
                description=" ".join(draw.choices(WORDS, k=20)) + (" needle 龘靐" if (start + index) % 5_000 == 7 else ""),
                folder=draw.choice(folders) if (start + index) % 20 else None,
                created_by=owner,
                archived_at=timezone.now() if draw.random() < 0.1 else None,
            )
            for index in range(min(5000, rows - start))
        ]
        with transaction.atomic():
            Workflow.objects.bulk_create(made)
            WorkflowVersion.objects.bulk_create(
                [
                    WorkflowVersion(workspace_id=each.workspace_id, workflow=each, number=1, definition=definition(draw), content_hash="x")
                    for each in made
                ]
            )
            through.objects.bulk_create(
                [
                    through(workflow_id=each.pk, tag_id=tag.pk)
                    for each in made
                    if each.workspace_id == big.pk
                    for tag in draw.sample(tags, k=2)
                ]
            )
    some = list(Workflow.objects.filter(workspace=big)[:500])
    Favourite.objects.bulk_create([Favourite(user=owner, workflow=each) for each in some[:50]])
    grants = [Grant(workspace=big, workflow=each, user=people["guest"], level="viewer", granted_by=owner) for each in some[:200]]
    Grant.objects.bulk_create([*grants, Grant(workspace=big, folder=folders[1], user=people["guest"], level="viewer", granted_by=owner)])
    with connection.cursor() as cursor:
        for copy in range(1, rows // DRAWN):
            for statement in COPY:
                cursor.execute(statement, {"copy": copy})
        cursor.execute(
            "update workflow w set published_version_id = v.id from workflow_version v where v.workflow_id = w.id and random() < 0.9"
        )
        for index in indexes:
            cursor.execute(index)
        cursor.execute("vacuum analyze")
    NAMES.update(WORKSPACE=str(big.pk), FOLDER=str(folders[1].pk))
    return {name: client_of(user) for name, user in people.items()}


WHO = ("owner", "member", "guest", "stranger", "operator")
NAMES: dict[str, str] = {}


def definition(draw) -> dict:
    types = ("http.request", "data.set", "data.transform", "control.if", "code.python")
    nodes = [{"key": f"n{number}", "type": draw.choice(types), "name": " ".join(draw.choices(WORDS, k=2))} for number in range(8)]
    return {"name": "x", "nodes": nodes}


def once(client, query: str) -> float:
    for name, value in NAMES.items():
        query = query.replace(name, value)
    path = f"/api/v1/workflows?{query}"
    for word, address in (("GROUPS", "workflows/groups"), ("TREE", "folders"), ("TAGS", "tags")):
        if query.startswith(word):
            path = f"/api/v1/{address}?{query.removeprefix(word).removeprefix('&')}"
    began = time.perf_counter()
    response = client.get(path)
    took = (time.perf_counter() - began) * 1000
    assert response.status_code == 200, response.content
    return took


def sizes() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "select name, pg_size_pretty(pg_relation_size(name::regclass)) from unnest(%s::text[]) as name",
            [["workflow", "workflow_text", "workflow_text_trigrams", "workflow_text_grams"]],
        )
        return ", ".join(f"{name} {size}" for name, size in cursor.fetchall())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
