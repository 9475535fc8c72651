"""The description of the API is true for every kind of caller, and is the one in docs/."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from django.dispatch import Signal
from django.test import TestCase
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from apps.accounts.actions import create_user
from apps.accounts.models import Workspace
from apps.accounts.permissions import BUILT_IN_ROLES, Permission
from apps.executions.actions import Start, start_executions
from apps.workflows.models import WorkflowVersion
from structforge.wsgi import application
from tests import database
from tests.api.clients import client_of
from tests.api.test_routes import make_things
from tests.api.workspaces import join, workspace_of

SNAPSHOT = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
EXAMPLES_EACH = int(os.environ.get("API_EXAMPLES", "3"))  # well-formed ones, and as many that are not, each sent by every caller
CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]

DESCRIPTION = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
DESCRIPTION.app = application
OPERATIONS = {operation.label: operation for operation in (found.ok() for found in DESCRIPTION.get_all_operations())}
WITHOUT_WORKERS = {label for label in OPERATIONS if label.endswith("/health")}  # no worker runs here, so it rightly answers 503


def test_the_description_in_docs_is_up_to_date(tmp_path):
    """`make openapi` writes it anew."""
    call_command("spectacular", file=str(tmp_path / "openapi.yaml"), validate=True, fail_on_warn=True)
    assert (tmp_path / "openapi.yaml").read_text() == SNAPSHOT.read_text()


@dataclass(frozen=True)
class World:
    """What requests are about, and who sends them.

    known    {name of a parameter or key of a body: value that exists}
    callers  {kind of caller: headers}
    running  {label of an operation: id of an execution that runs}; the engine commits what it does to it
    """

    known: dict[str, str]
    callers: dict[str, dict[str, str]]
    running: dict[str, str]

    def of_its_own(self, label: str) -> dict[str, str]:
        return {"execution_id": self.running[label], "execution": self.running[label]}


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker) -> Iterator[World]:
    """Committed once, since the engine has connections of its own; what a request changes is undone after it."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        # A mail takes a random number, which Hypothesis would hold to be a strategy's.
        patch.setattr("apps.accounts.tenancy.invitations.send_invitation", lambda *_: None)
        try:
            yield make_world()
        finally:
            database.empty()


def make_world() -> World:
    ada = client_of(create_user(username="ada", password=None))
    things = {re.sub(r"<(?:\w+:)?(\w+)>", r"\1", name): value for name, value in make_things(ada).items()}
    inside = [workspace_of(ada), Workspace.objects.get(pk=things["workspace_id"])]
    callers = {"owner": ada, "stranger": client_of(create_user(username="mallory", password=None))}
    for role in BUILT_IN_ROLES.keys() - callers.keys():
        callers[role] = client_of(create_user(username=f"the-{role}", password=None))
        for workspace in inside:
            join(callers[role], workspace, role)
    headers = {name: {"Authorization": client.defaults["HTTP_AUTHORIZATION"]} for name, client in sorted(callers.items())}
    key = ada.post_json("/users/me/api-keys", {"name": "all", "scopes": [str(permission) for permission in Permission]}, 201)["key"]
    version = WorkflowVersion.objects.select_related("workflow").get(pk=things["version_id"])
    started = start_executions(workflow=version.workflow, version=version, starts=[Start(input={"amount": 1})] * len(OPERATIONS))
    return World(
        known={**things, **_in_bodies(things)},
        callers={**headers, "key": {"Authorization": f"Bearer {key}"}, "anonymous": {}},
        running={label: str(execution.execution_id) for label, execution in zip(sorted(OPERATIONS), started, strict=True)},
    )


def _in_bodies(things: dict[str, str]) -> dict[str, str]:
    """What exists, by the names that bodies and queries have for it."""
    ids = {name.removesuffix("_id"): value for name, value in things.items() if name.endswith("_id")}
    return {**ids, "parent": ids["folder"], "user": "mallory", "username": "mallory", "ids": ids["workflow"]}


def put_in(container: Any, known: dict[str, str]) -> Any:
    """The same with what exists in the place of texts that were made up."""
    if not isinstance(container, dict):
        return container
    return {name: known[name] if name in known and isinstance(value, str) else value for name, value in container.items()}


@contextmanager
def deaf(signal: Signal) -> Iterator[None]:
    """Within the block the signal closes no connection, as Django's own test client has it."""
    signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        signal.connect(close_old_connections)


def answer_to(case: Any, headers: dict[str, str]) -> Any:
    """What a request is answered; what it changed is undone, after its constraints were checked as a commit would."""
    # The transaction outlives the request.
    with transaction.atomic(), deaf(request_started), deaf(request_finished):
        with TestCase.captureOnCommitCallbacks(execute=True):
            response = case.call(headers=headers)
        if response.status_code < 400:
            connection.check_constraints()
        transaction.set_rollback(True)
    return response


@pytest.mark.django_db
@pytest.mark.parametrize("label", sorted(OPERATIONS.keys() - WITHOUT_WORKERS))
def test_no_request_makes_the_server_stumble_and_every_answer_is_as_described(label, world):
    known = {**world.known, **world.of_its_own(label)}

    def holds(case: Any, names_what_exists: bool) -> None:
        case.path_parameters = {name: known[name] for name in case.path_parameters}
        if names_what_exists:
            case.query, case.body = put_in(case.query, known), put_in(case.body, known)
        for caller, headers in world.callers.items():
            with noted(f"as {caller}"):
                case.validate_response(answer_to(case, headers), checks=CHECKS)

    try_examples(holds, OPERATIONS[label].as_strategy(generation_mode=GenerationMode.POSITIVE), st.booleans())
    with suppress(Unsatisfiable):  # where nothing is asked, nothing can be asked wrongly
        try_examples(holds, OPERATIONS[label].as_strategy(generation_mode=GenerationMode.NEGATIVE), st.booleans())


def try_examples(check: Callable[..., None], *strategies: st.SearchStrategy[Any]) -> None:
    """The same ones each time."""
    settings(
        max_examples=EXAMPLES_EACH,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )(given(*strategies)(check))()


@contextmanager
def noted(note: str) -> Iterator[None]:
    try:
        yield
    except Exception as failure:
        failure.add_note(note)
        raise
