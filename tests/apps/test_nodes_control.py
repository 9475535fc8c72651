"""What the nodes do that steer, set and call."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.engine.outcomes import Deferred, Failed, Succeeded
from apps.nodes.contract import Effect, NodeConfig, NodeFailure, NodeType, Ports, RunContext
from apps.nodes.execute import perform
from apps.nodes.functions import DuplicateFunctionError, node_function
from apps.nodes.registry import get_type
from tests.apps.nodes import context_of, failure_of, outcome_of, output_of


class TestManualTrigger:
    def test_gives_the_input_of_the_execution(self):
        assert output_of("trigger.manual", {}, input={"a": [1]}) == {"a": [1]}
        assert output_of("trigger.manual", {}) == {}

    def test_refuses_an_input_that_does_not_fit_and_says_where(self):
        schema = {"type": "object", "properties": {"lines": {"items": {"type": "object", "required": ["id"]}}}, "required": ["customer"]}

        failed = failure_of("trigger.manual", {}, input={"lines": [{"id": 1}, {"di": 2}]}, inputs_schema=schema)

        assert failed.error.code == "invalid_input"
        assert failed.is_final
        assert [(each["pointer"], each["message"]) for each in failed.error.details["errors"]] == [
            ("", "'customer' is a required property"),
            ("/lines/1", "'id' is a required property"),
        ]

    def test_says_that_a_schema_cannot_be_applied(self):
        assert failure_of("trigger.manual", {}, inputs_schema={"$ref": "#/nowhere"}).error.code == "unusable_schema"


class TestSet:
    def test_gives_values_and_writes_variables(self):
        outcome = outcome_of("data.set", {"values": {"a": 1}, "variables": {"b": [2]}})

        assert outcome == Succeeded({"a": 1}, variables={"b": [2]})


class TestIf:
    @pytest.mark.parametrize("condition", [True, False])
    def test_takes_the_port_of_the_condition(self, condition):
        assert outcome_of("control.if", {"condition": condition}) == Succeeded({"result": condition}, port=str(condition).lower())

    @pytest.mark.parametrize(("value", "shown"), [(1, "1"), ("true", '"true"'), (None, "null"), ([], "[]"), ({"a": 1}, "an object with a")])
    def test_takes_nothing_else_for_a_truth_and_says_what_it_found(self, value, shown):
        failed = failure_of("control.if", {"condition": value})

        assert f"Expected true or false, found {shown}" in failed.error.message

    def test_has_two_ports(self):
        assert get_type("control.if").ports({}) == Ports(("true", "false"))


class TestSwitch:
    @pytest.mark.parametrize(
        ("value", "port"),
        [(1, "one"), (1.0, "one"), (True, "yes"), ("1", "other"), (None, "none"), ({"a": [1, True]}, "object"), ({"a": [1, 1]}, "other")],
    )
    def test_takes_the_first_case_that_equals(self, value, port):
        cases = [
            {"equals": 1, "port": "one"},
            {"equals": True, "port": "yes"},
            {"equals": None, "port": "none"},
            {"equals": {"a": [1.0, True]}, "port": "object"},
            {"equals": 1, "port": "never"},
        ]

        assert outcome_of("control.switch", {"value": value, "cases": cases, "default": "other"}) == Succeeded({"port": port}, port=port)

    def test_takes_the_first_condition_that_holds(self):
        cases = [{"when": False, "port": "a"}, {"when": True, "port": "b"}, {"when": True, "port": "c"}]

        assert output_of("control.switch", {"cases": cases}) == {"port": "b"}

    def test_fails_when_nothing_matches_and_there_is_no_default(self):
        failed = failure_of("control.switch", {"value": "x", "cases": [{"equals": "y", "port": "a"}]})

        assert failed.error.code == "no_matching_case"
        assert '"x"' in failed.error.message
        assert failed.is_final

    def test_has_the_ports_of_its_cases_once_and_the_default_last(self):
        cases = [{"when": True, "port": "b"}, {"when": True, "port": "a"}, {"when": True, "port": "b"}]

        assert get_type("control.switch").ports({"cases": cases, "default": "z"}).outputs == ("b", "a", "z")


class TestMerge:
    UPSTREAM = {"b": {"x": 1, "y": 1}, "a": {"x": 2}}

    @pytest.mark.parametrize(
        ("mode", "output"),
        [("collect", UPSTREAM), ("list", [{"x": 1, "y": 1}, {"x": 2}]), ("object", {"x": 2, "y": 1}), ("first", {"x": 1, "y": 1})],
    )
    def test_makes_one_output_of_those_of_its_branches(self, mode, output):
        assert output_of("control.merge", {"mode": mode}, upstream=self.UPSTREAM) == output

    @pytest.mark.parametrize(("mode", "output"), [("collect", {}), ("list", []), ("object", {}), ("first", None)])
    def test_has_an_empty_output_when_no_branch_ran(self, mode, output):
        assert output_of("control.merge", {"mode": mode}) == output

    def test_names_the_node_whose_output_is_no_object(self):
        failed = failure_of("control.merge", {"mode": "object"}, upstream={"a": {}, "b": [1]})

        assert failed.error.code == "not_an_object"
        assert failed.error.details == {"node": "b"}

    def test_asks_for_the_outputs_of_its_predecessors(self):
        assert get_type("control.merge").reads_upstream


class TestDelay:
    def test_waits_for_seconds_on_the_clock_of_the_database(self):
        assert outcome_of("control.delay", {"seconds": 1.5}) == Deferred(delay_seconds=1.5)

    def test_waits_until_an_instant(self):
        outcome = outcome_of("control.delay", {"until": "2030-01-31T09:00:00+01:00"})

        assert outcome == Deferred(until=datetime(2030, 1, 31, 8, tzinfo=UTC))

    def test_says_when_it_went_on(self):
        outcome = perform(get_type("control.delay"), {"seconds": 1}, context_of(), True)

        assert isinstance(outcome, Succeeded)
        assert timezone.now() - parse_datetime(outcome.output["waited_until"]) < timedelta(seconds=10)


def test_fail_fails_for_good_with_its_own_code():
    failed = failure_of("control.fail", {"message": "Order 3 has no items.", "code": "empty_order"})

    assert (failed.error.code, failed.error.message, failed.is_final) == ("empty_order", "Order 3 has no items.", True)


@node_function("tests.nodes.call", effect=Effect.IDEMPOTENT, brief=True)
def call(how: str, context: RunContext, factor: int = 2) -> object:
    """Do what is asked.

    More about it.
    """
    match how:
        case "return":
            return {"factor": factor, "key": context.idempotency_key}
        case "raise":
            raise LookupError("no such order")
        case "fail":
            raise NodeFailure("busy", "Come back.", retry_after_seconds=3, is_final=False, queue=7)
        case "exit":
            raise SystemExit(3)
        case "signal":
            raise SystemExit(-241)  # as a pool child that gets SIGTERM
    return object()


class TestFunction:
    def config(self, how: str) -> dict:
        return {"function": "tests.nodes.call", "arguments": {"how": how}}

    def test_gives_what_the_function_returns(self):
        assert output_of("function", self.config("return")) == {"factor": 2, "key": "key-of-node"}

    def test_fails_with_the_exception_of_the_function_and_its_place(self):
        failed = failure_of("function", self.config("raise"))

        assert failed.error.code == "function_error"
        assert failed.error.message == "LookupError: no such order"
        assert failed.error.details["in"] == "call"
        assert not failed.is_final

    def test_fails_as_the_function_says(self):
        error = failure_of("function", self.config("fail")).error

        assert (error.code, error.message, error.retry_after_seconds, error.details) == ("busy", "Come back.", 3, {"queue": 7})

    def test_does_not_end_the_worker_when_the_function_exits(self):
        assert failure_of("function", self.config("exit")).error.message == "SystemExit: 3"

    def test_lets_the_pool_end_its_child(self):
        with pytest.raises(SystemExit):
            outcome_of("function", self.config("signal"))

    def test_refuses_a_result_that_is_not_json(self):
        assert failure_of("function", self.config("object")).error.code == "output_not_json"

    def test_says_which_function_the_worker_does_not_know(self):
        failed = failure_of("function", {"function": "gone"})

        assert (failed.error.code, failed.is_final) == ("unknown_function", True)

    def test_says_which_arguments_do_not_fit(self):
        failed = failure_of("function", {"function": "tests.nodes.call", "arguments": {"how": "return", "facto": 1}})

        assert failed.error.code == "invalid_arguments"
        assert "did you mean 'factor'?" in failed.error.message

    def test_has_the_effect_and_brevity_of_its_registration(self):
        node_type = get_type("function")

        assert node_type.effect_of(self.config("return")) is Effect.IDEMPOTENT
        assert node_type.is_brief(self.config("return"))
        assert node_type.effect_of({"function": "unknown"}) is Effect.EXTERNAL
        assert node_type.queue_of({}) == "code"

    def test_a_name_belongs_to_one_function(self):
        with pytest.raises(DuplicateFunctionError, match=r"tests\.nodes\.call"):
            node_function("tests.nodes.call")(lambda: None)

    @pytest.mark.parametrize("function", [lambda *args: None, lambda **more: None, lambda a, /: None])
    def test_each_parameter_needs_a_name(self, function):
        with pytest.raises(TypeError, match="parameters all have names"):
            node_function("tests.nodes.nameless")(function)

    def test_a_coroutine_is_no_node_function(self):
        async def wait() -> None: ...

        with pytest.raises(TypeError, match="no async"):
            node_function("tests.nodes.wait")(wait)


class StrangeConfig(NodeConfig):
    returns: str


class Strange(NodeType[StrangeConfig]):
    """Return what no node should."""

    name, title, category, icon, effect = "tests.strange", "Strange", "tests", "bug", Effect.PURE
    Config = StrangeConfig

    def run(self, config: StrangeConfig, context: RunContext):
        match config.returns:
            case "nan":
                return Succeeded({"a": [1, float("nan")]})
            case "variables":
                return Succeeded(1, variables={"a": {1, 2}})
            case "deep":
                value: list = []
                for _ in range(5_000):
                    value = [value]
                return Succeeded(value)
            case "nul":
                return Succeeded("a\0b")
            case "huge":
                return Succeeded(10**30)
            case "state":
                return Deferred(state=object())
            case "details":
                return Failed(NodeFailure("code", "message", what=object()).outcome.error)
            case "nothing":
                return None
        raise ValueError("the password is hunter2")


class TestPerform:
    @pytest.mark.parametrize(("returns", "pointer"), [("nan", "/a/1"), ("variables", "/a"), ("nul", ""), ("huge", ""), ("state", "")])
    def test_what_is_not_json_fails_the_node_with_its_place(self, returns, pointer):
        outcome = perform(Strange(), {"returns": returns}, context_of())

        assert isinstance(outcome, Failed)
        assert (outcome.error.code, outcome.error.details, outcome.is_final) == ("output_not_json", {"pointer": pointer}, True)

    @pytest.mark.parametrize("returns", ["deep", "details"])
    def test_what_nests_too_deeply_or_hides_in_details_fails_the_node(self, returns):
        outcome = perform(Strange(), {"returns": returns}, context_of())

        assert isinstance(outcome, Failed)
        assert outcome.error.code == "output_not_json"

    @pytest.mark.parametrize("returns", ["nothing", "else"])
    def test_a_surprise_becomes_a_failure_that_tells_no_secret(self, returns):
        outcome = perform(Strange(), {"returns": returns}, context_of())

        assert isinstance(outcome, Failed)
        assert outcome.error.code == "internal_error"
        assert "hunter2" not in outcome.error.message

    def test_resuming_a_node_that_cannot_is_a_surprise_too(self):
        outcome = perform(Strange(), {"returns": "else"}, context_of(), True)

        assert isinstance(outcome, Failed)
        assert "NotImplementedError" in outcome.error.message
