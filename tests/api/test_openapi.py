"""The description of the API is true, and is the one in docs/."""

from pathlib import Path

import pytest
import schemathesis
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from structforge.wsgi import application
from tests.api.clients import make_workflow

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
def test_no_request_makes_the_server_stumble_and_every_answer_is_as_described(label, ada):
    if label.endswith("/health"):
        pytest.skip("no worker runs here, so it rightly answers 503")
    made = make_workflow(ada)
    started = ada.post_json("/executions", {"workflow": made["id"], "input": {"amount": 1}}, 202)
    bearer = {"name": "key", "type": "bearer", "fields": {"token": "a-secret-token"}, "allowed_hosts": ["api.example.com"]}
    credential = ada.post_json("/credentials", bearer, 201)["id"]
    grant = ada.post_json(f"/credentials/{credential}/grants", {"user": str(ada.user.pk), "level": "user"}, 201)["id"]
    known = {
        "credential_id": credential,
        "grant_id": grant,
        "workflow_id": made["id"],
        "execution_id": started["id"],
        "key": "start",
        "number": 1,
        "name": "trigger.manual",
    }

    @settings(max_examples=EXAMPLES_EACH, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(OPERATIONS[label].as_strategy())
    def holds(case):
        for name in case.path_parameters or {}:
            case.path_parameters[name] = known[name]
        response = case.call(headers={"Authorization": ada.defaults["HTTP_AUTHORIZATION"]})
        case.validate_response(response, checks=[not_a_server_error, response_schema_conformance, status_code_conformance])

    holds()
