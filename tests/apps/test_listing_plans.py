"""The commonest lists of workflows use their indexes."""

import json

import pytest
from django.db import connection

from apps.accounts.models import User
from apps.accounts.queries import personal_workspace
from apps.workflows.api.filters import SORTS
from apps.workflows.listing import Filters, described, matching
from apps.workflows.models import Favourite, Folder, Grant, Tag, Workflow
from tests import database
from tests.factories import make_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]

ROWS = 3000


@pytest.fixture
def person() -> User:
    """Somebody with many workflows, in an installation with as many of others."""
    database.truncate()
    for username in ("ada", "bob"):
        workspace = make_workspace(username)
        folder = Folder(workspace=workspace, name="folder")
        folder.ancestors = [folder.pk]
        folder.save()
        tag = Tag.objects.create(workspace=workspace, name="tag")
        made = Workflow.objects.bulk_create(
            [
                Workflow(
                    workspace=workspace,
                    name=f"{username} {number}",
                    description="customer 客户 " * 30 + str(number * 7919) + (" needle 龘靐" if number == 99 else ""),
                    folder=folder if number % 1000 == 0 else None,
                    created_by=workspace.owner,
                )
                for number in range(ROWS)
            ]
        )
        Workflow.tags.through.objects.bulk_create([Workflow.tags.through(workflow=each, tag=tag) for each in made[::200]])
        Favourite.objects.bulk_create([Favourite(user=workspace.owner, workflow=each) for each in made[:20]])
    guest = make_workspace("grace").owner
    shared = Workflow.objects.filter(name__startswith="ada")[:20]
    Grant.objects.bulk_create([Grant(workspace=each.workspace, workflow=each, user=guest, level="viewer") for each in shared])
    with connection.cursor() as cursor:
        # As autovacuum does it at its own time: the plan is not to depend on when.
        for index in ("workflow_text_trigrams", "workflow_text_grams"):
            cursor.execute("select gin_clean_pending_list(%s::regclass)", [index])
        cursor.execute("analyze")
    return User.objects.get(username="ada")


def nodes(plan: dict) -> list[dict]:
    return [plan, *(inner for child in plan.get("Plans", []) for inner in nodes(child))]


def plan_of(user: User, filters: Filters, sort: str = "created_at") -> list[dict]:
    """The nodes of the plan of a page, as the API asks for it."""
    column, is_downward = SORTS[sort]
    sign = "-" if is_downward else ""
    page = described(matching(user, filters), user).order_by(f"{sign}{column}", f"{sign}id")[:51]
    return nodes(json.loads(page.explain(format="json"))[0]["Plan"])


def indexes(plan: list[dict]) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


def scanned(plan: list[dict]) -> set[str]:
    """Tables that are read from one end to the other."""
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"}


CASES = [
    (Filters(), "created_at", "workflow_newest"),
    (Filters(), "updated_at", "workflow_changed"),
    (Filters(), "name", ("workflow_name_unique_in_workspace", "workflow_by_name_of_all")),
    (Filters(archived="true"), "created_at", "workflow_archived"),
    (Filters(search="needle"), "created_at", "workflow_text_trigrams"),
    (Filters(search="龘靐"), "created_at", "workflow_text_grams"),
    (Filters(search="龘"), "created_at", "workflow_text_grams"),
    (Filters(search="needle 龘"), "name", "workflow_text_"),
    (Filters(tags=("tag",)), "created_at", "workflow_pkey"),
    (Filters(favourite=True), "created_at", "workflow_pkey"),
]


def test_a_common_list_uses_its_index_and_reads_no_table_as_a_whole(person):
    folder = Folder.objects.get(workspace=personal_workspace(person)).pk
    in_folder = [
        (Filters(folder=folder), "created_at", "workflow_folder"),
        (Filters(folder=folder, recursive=True), "name", ("workflow_folder", "workflow_name_unique_in_workspace")),
    ]
    for filters, sort, used in (*CASES, *in_folder):
        plan = plan_of(person, filters, sort)
        assert any(name.startswith(used) for name in indexes(plan)), (filters, indexes(plan))
        assert not scanned(plan) & {"workflow", "workflow_text"}, (filters, scanned(plan))


def test_what_was_shared_with_a_guest_is_found_without_reading_what_is_others(person):
    guest = User.objects.get(username="grace")
    for filters in (Filters(), Filters(shared_with_me=True)):
        plan = plan_of(guest, filters)
        assert "workflow" not in scanned(plan)
        assert max(node["Plan Rows"] for node in plan) < ROWS
