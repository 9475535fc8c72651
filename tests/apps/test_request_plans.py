"""What the commonest requests ask of PostgreSQL, explained behind the fence: each finds its rows by an index."""

import json
import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import ApiKey, Membership, User
from apps.core import fence
from apps.core.ids import uuid7
from apps.executions.models import Execution, ExecutionEvent, NodeRun
from apps.workflows.models import Grant, Workflow, WorkflowVersion
from tests import database
from tests.api.clients import ApiClient, client_of
from tests.apps.test_listing_plans import indexes, nodes, scanned
from tests.factories import make_version

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]

ROWS = 2000
LARGE = {"execution", "node_run", "execution_event", "workflow_version", "membership", "api_key", "workflow_grant"}
KEY = "sf_for_this_test_alone"


@pytest.fixture
def execution() -> Execution:
    """One of many, of a workflow with many versions, in a workspace with many members, keys and shares; and another workspace alike."""
    database.truncate()
    for username in ("bob", "ada"):
        version = make_version(username=username)
        _people(version)
        _history(version)
    with connection.cursor() as cursor:
        cursor.execute("analyze")  # as autovacuum does it at its own time
    return Execution.objects.filter(workspace=version.workspace).latest("created_at")


def _people(version: WorkflowVersion) -> None:
    workspace, owner = version.workspace, version.workspace.owner
    people = User.objects.bulk_create([User(username=f"{owner.username}-{number}", password="!") for number in range(ROWS)])
    Membership.objects.bulk_create([Membership(workspace=workspace, user=each, role="viewer") for each in people])
    Grant.objects.bulk_create([Grant(workspace=workspace, workflow=version.workflow, user=each, level="viewer") for each in people])
    ApiKey.objects.bulk_create(
        [
            ApiKey(
                user=each,
                workspace=workspace,
                name="ci",
                prefix="sf_",
                digest=sha256(str(each.pk).encode()).hexdigest(),
                scopes=["workflow.view"],
            )
            for each in people
        ]
    )


def _history(version: WorkflowVersion) -> None:
    workspace, now = version.workspace, timezone.now()
    definition = {"workspace": workspace, "definition": version.definition, "start": version.start}
    WorkflowVersion.objects.bulk_create(
        [WorkflowVersion(**definition, workflow=version.workflow, number=number + 2, content_hash=str(number)) for number in range(ROWS)]
    )
    others = Workflow.objects.bulk_create([Workflow(workspace=workspace, name=f"other {number}") for number in range(20)])
    executions = Execution.objects.bulk_create(
        [
            Execution(
                id=uuid7(),
                workspace=workspace,
                workflow=others[number % 20] if number % 10 else version.workflow,
                version=version,
                status="failed" if number % 50 == 0 else "success",
                open_nodes=0,
                priority="normal",
                trigger="api",
                business_key=f"order-{number}",
                created_at=now + timedelta(seconds=number),
                finished_at=now + timedelta(seconds=number),
            )
            for number in range(ROWS)
        ]
    )
    inside: dict[str, Any] = {"workspace": workspace}
    NodeRun.objects.bulk_create(
        [
            NodeRun(**inside, execution=each, key=key, status="success", queue="default", queued_at=now, finished_at=now)
            for each in executions
            for key in ("start", "check", "end")
        ]
    )
    ExecutionEvent.objects.bulk_create(
        [ExecutionEvent(**inside, execution=each, sequence=number, kind="settled", at=now) for each in executions for number in (1, 2)]
    )


# Address, and the index that finds the rows; of a page, of one thing, of what comes with it.
REQUESTS = [
    ("/executions", "execution_newest"),
    ("/executions?workflow={workflow}", "execution_by_workflow"),
    ("/executions?workflow={workflow}&status=failed", "execution_by_workflow"),
    ("/executions?status=success", "execution_newest"),
    ("/executions?business_key=order-7", "execution_business_key"),
    ("/executions/{execution}", "execution_pkey"),
    ("/executions/{execution}/nodes", "node_run_unique"),
    ("/executions/{execution}/events", "execution_event_sequence"),
    ("/workflows/{workflow}/versions", "workflow_version_"),
    ("/workflows/{workflow}/versions/7", "workflow_version_number_unique"),
    ("/workspaces/{workspace}/members", "membership_"),
    ("/users/me/api-keys", "api_key_"),
    ("/workflows?shared_with_me=true", "workflow_grant_"),
]


def explained(statements: list[str], user: User | None) -> list[dict[str, Any]]:
    """The nodes of the plans of all that was asked."""
    found = []
    with fence.around(user.access.as_caller() if user else None), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"explain (format json) {statement}")
            plan = cursor.fetchone()[0]
            found += nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    return found


def asked(client: ApiClient, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        client.get_json(address)
    return [
        each["sql"] for each in captured if re.match(r"\s*(select|with)\b", each["sql"], re.IGNORECASE) and " from " in each["sql"].lower()
    ]


def test_a_common_request_finds_its_rows_by_an_index(execution):
    user = User.objects.get(username="ada-3")  # a member; there are no keys of her own
    client = client_of(user)
    known = {"execution": execution.pk, "workflow": execution.version.workflow_id, "workspace": execution.workspace_id}
    wrong = {}
    for address, index in REQUESTS:
        plan = explained(asked(client, address.format(**known)), user)
        used, read = indexes(plan), scanned(plan) & LARGE
        if read or not any(name.startswith(index) for name in used):
            wrong[address] = (index, used, read)

    assert wrong == {}


def test_a_key_is_found_by_its_digest(execution):
    made = {"name": "x", "prefix": "sf_", "digest": sha256(KEY.encode()).hexdigest(), "scopes": ["workflow.view"]}
    ApiKey.objects.create(user=execution.workspace.owner, workspace=execution.workspace, **made)
    plan = explained(asked(ApiClient(headers={"Authorization": f"Bearer {KEY}"}), "/users/me"), None)

    assert any(name.startswith("api_key_digest") for name in indexes(plan)), indexes(plan)
    assert not scanned(plan) & LARGE
