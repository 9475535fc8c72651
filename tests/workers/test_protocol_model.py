"""The protocol holds under every interleaving that Hypothesis finds. `MODEL_EXAMPLES` and `MODEL_STEPS` set the size."""

import os
import sys

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.errors import FlakyStrategyDefinition, HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from tests.workers.model import ProtocolModel

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "300"))
STEPS = int(os.environ.get("MODEL_STEPS", "40"))


class Played(ProtocolModel):
    """The model, which keeps count of its examples, and the first fault that it found."""

    examples = 0
    fault: BaseException | None = None

    def teardown(self) -> None:
        type(self).examples += 1
        self._note(sys.exc_info()[1])
        try:
            super().teardown()
        except Exception as error:
            self._note(error)
            raise

    def _note(self, error: BaseException | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, HypothesisException) and self.fault is None:
            type(self).fault = error


@pytest.mark.timeout(1800)
def test_the_protocol_holds_whatever_order_things_happen_in(committed_rows):
    class Model(Played):
        rows = committed_rows

    while Model.examples < EXAMPLES:
        try:
            play(Model, EXAMPLES - Model.examples)
            break
        except FlakyStrategyDefinition:
            # The same choices led elsewhere: a real server is not bound to repeat itself in every order and at every instant, as Hypothesis
            # wishes it to. That is no fault of the protocol; it goes on with other choices.
            if Model.fault is not None:
                raise Model.fault from None
    assert Model.fault is None


def play(model: type[ProtocolModel], examples: int) -> None:
    run_state_machine_as_test(
        model,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            database=None,
        ),
    )
