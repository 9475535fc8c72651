"""The protocol holds under every interleaving that Hypothesis finds. `MODEL_EXAMPLES` and `MODEL_STEPS` set the size."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.workers.model import ProtocolModel


@pytest.mark.timeout(1800)
def test_the_protocol_holds_whatever_order_things_happen_in(committed_rows):
    class Model(ProtocolModel):
        rows = committed_rows

    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=int(os.environ.get("MODEL_EXAMPLES", "300")),
            stateful_step_count=int(os.environ.get("MODEL_STEPS", "40")),
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            database=None,
        ),
    )
