"""The description of the API is true, and is the one in docs/."""

from pathlib import Path
from uuid import uuid4

import pytest
import schemathesis
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from structforge.wsgi import application
from tests.api.clients import make_organisation, make_workflow
from tests.api.workspaces import make_folder, make_team, share, workspace_of

pytestmark = pytest.mark.django_db(transaction=True)

SNAPSHOT = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
EXAMPLES_EACH = 25

DESCRIPTION = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
DESCRIPTION.app = application
OPERATIONS = {operation.label: operation for operation in (found.ok() for found in DESCRIPTION.get_all_operations())}


def test_the_description_in_docs_is_up_to_date(tmp_path):
    """`make openapi` writes it anew."""
    call_command("spectacular", file=str(tmp_path / "openapi.yaml"), validate=True, fail_on_warn=True)
    assert (tmp_path / "openapi.yaml").read_text() == SNAPSHOT.read_text()


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_makes_the_server_stumble_and_every_answer_is_as_described(label, ada, monkeypatch):
    if label.endswith("/health"):
        pytest.skip("no worker runs here, so it rightly answers 503")
    # A mail is made in a thread of its own and takes a random number, which Hypothesis would hold to be a strategy's.
    monkeypatch.setattr("apps.accounts.tenancy.invitations.send_invitation", lambda *_: None)
    made = make_workflow(ada)
    started = ada.post_json("/executions", {"workflow": made["id"], "input": {"amount": 1}}, 202)
    organisation = make_organisation(ada)
    workspace = organisation["workspace_id"]
    account = ada.post_json(f"/workspaces/{workspace}/service-accounts", {"name": "ci", "role": "viewer"}, 201)
    key = ada.post_json("/users/me/api-keys", {"name": "ci", "scopes": ["workflow.view"]}, 201)
    template = ada.post_json("/workflow-templates", {"workflow": made["id"]}, 201)
    node_template = ada.post_json("/node-templates", {"name": "minute", "type": "control.delay", "config": {"seconds": 60}}, 201)
    link = ada.post_json(f"/workflows/{made['id']}/links", {"level": "executor"}, 201)
    known = {
        "workflow_id": made["id"],
        "execution_id": started["id"],
        "other_id": started["id"],
        "bulk_id": str(uuid4()),  # for one of hers, an execution would have to have ended
        "key": "start",
        "number": 1,
        "name": "trigger.manual",
        **organisation,
        "account_id": account["id"],
        "key_id": key["id"],
        "session_id": key["id"],
        "passkey_id": 1,
        "template_id": template["id"],
        "node_template_id": node_template["id"],
        "folder_id": make_folder(ada, "folder"),
        "tag_id": ada.post_json("/tags", {"name": "tag"}, 201)["id"],
        "share_id": share(ada, f"/workflows/{made['id']}", "viewer", team=make_team(workspace_of(ada), "team").name)["id"],
        "link_id": link["id"],
        "token": link["token"],
    }

    @settings(max_examples=EXAMPLES_EACH, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(OPERATIONS[label].as_strategy())
    def holds(case):
        for name in case.path_parameters or {}:
            case.path_parameters[name] = known[name]
        response = case.call(headers={"Authorization": ada.defaults["HTTP_AUTHORIZATION"]})
        case.validate_response(response, checks=[not_a_server_error, response_schema_conformance, status_code_conformance])

    holds()
