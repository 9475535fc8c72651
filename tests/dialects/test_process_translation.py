"""Process forms as definitions: pure. Graphs are written as sorted edges."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import apps.dialects.services.node  # noqa: F401  # registers service.call
from apps.dialects.processes.drafting import Service
from apps.dialects.processes.translation import Translated, translate
from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from apps.nodes.registry import all_types

SERVICES = [Service("Orders"), Service("Limited", frozenset({"check"}))]


def made(*steps: dict[str, Any], **form: Any) -> Translated:
    translated = translate({"name": "p", "steps": list(steps), **form}, services=SERVICES)
    validate(translated.definition, all_types())
    return translated


def wires(translated: Translated) -> set[str]:
    ends = [(f"{edge['source']}.{edge['port']}".removesuffix(".out"), edge["target"]) for edge in translated.definition["edges"]]
    return {f"{source} -> {target}" for source, target in ends}


def nodes(translated: Translated) -> dict[str, dict[str, Any]]:
    return {node["key"]: node for node in translated.definition["nodes"]}


def refused(*steps: dict[str, Any], **form: Any) -> list[dict[str, Any]]:
    with pytest.raises(InvalidDefinitionError) as caught:
        translate({"name": "p", "steps": list(steps), **form}, services=SERVICES)
    errors: list[dict[str, Any]] = caught.value.details["errors"]
    return errors


def service(key: str, *after: str, **config: Any) -> dict[str, Any]:
    return {"id": key, "type": "service_task", "config": {"service_name": "Orders", "method": "run", **config}, "next": list(after)}


def gateway(key: str, kind: str, **config: Any) -> dict[str, Any]:
    after = config.pop("next", [])
    return {"id": key, "type": f"{kind}_gateway", "config": config, **({"next": after} if after else {})}


def test_a_service_task_calls_its_service_with_all_variables():
    [node] = nodes(made(service("a", timeout="30s"), variables={"order_id": "string", "note": "string?"})).values()
    assert (node["type"], node["timeout_seconds"]) == ("service.call", 30)
    arguments = {"order_id": "${input.order_id}", "note": "${input.?note.orValue(null)}"}
    assert node["config"] == {"service_name": "Orders", "method": "run", "arguments": arguments}


def test_an_exclusive_gateway_takes_one_way():
    conditions = [{"expression": "${amount > 1000}", "next": "manager"}, {"expression": "amount <= 1000", "next": "auto"}]
    translated = made(gateway("g", "exclusive", conditions=conditions), service("manager"), service("auto"), variables={"amount": "number"})
    assert wires(translated) == {"g.case_0 -> manager", "g.case_1 -> auto"}
    cases = nodes(translated)["g"]["config"]["cases"]
    assert [case["when"] for case in cases] == ["${amount > 1000}", "${amount <= 1000}"]


@pytest.mark.parametrize(
    "default",
    [{"default": "auto"}, {"next": ["auto"]}, {"next": ["manager", "auto"]}],
)
def test_an_exclusive_gateway_has_a_default_way(default):
    conditions = [{"expression": "${amount > 1000}", "next": "manager"}]
    translated = made(
        gateway("g", "exclusive", conditions=conditions, **default), service("manager"), service("auto"), variables={"amount": "number"}
    )
    assert wires(translated) == {"g.case_0 -> manager", "g.default -> auto"}


def test_a_parallel_gateway_meets_again_before_what_comes_next():
    #        ┌▶ a ──────┐
    #  fork ─┼▶ b ─▶ b2 ┼▶ fork__join ─▶ end
    #        └▶ c ──────┘
    fork = gateway("fork", "parallel", parallel_tasks=["a", "b", "c"], join_condition="all_complete", next=["end"])
    translated = made(fork, service("a"), service("b", "b2"), service("b2"), service("c", "end"), service("end"))
    assert wires(translated) == {
        *("fork -> a", "fork -> b", "fork -> c", "b -> b2"),
        *("a -> fork__join", "b2 -> fork__join", "c -> fork__join", "fork__join -> end"),
    }
    assert nodes(translated)["fork__join"]["join"] == "all"


def test_a_branch_that_goes_past_the_meeting_waits_there_first():
    #  fork ─┬▶ a ─┬▶ fork__join ─▶ c ─▶ d       a names d, which comes after c
    #        └▶ b ─┘
    fork = gateway("fork", "parallel", parallel_tasks=["a", "b"], next=["c"])
    translated = made(fork, service("a", "d"), service("b"), service("c", "d"), service("d"))
    assert wires(translated) == {"fork -> a", "fork -> b", "a -> fork__join", "b -> fork__join", "fork__join -> c", "c -> d"}


def test_a_parallel_gateway_inside_another_ends_before_it():
    inner = gateway("in", "parallel", parallel_tasks=["x", "y"])
    outer = gateway("out", "parallel", parallel_tasks=["in", "z"], next=["end"])
    translated = made(outer, inner, *map(service, ("x", "y", "z", "end")))
    assert {"x -> in__join", "y -> in__join", "in__join -> out__join", "z -> out__join", "out__join -> end"} <= wires(translated)


@pytest.mark.parametrize(
    ("config", "join"),
    [({"join_condition": "any_complete"}, "any"), ({"join_condition": "n_complete", "n": 2}, {"at_least": 2}), ({}, "all")],
)
def test_join_conditions_say_how_many_complete(config, join):
    translated = made(gateway("g", "parallel", parallel_tasks=["a", "b", "c"], **config), *map(service, "abc"))
    assert nodes(translated)["g__join"]["join"] == join


def test_an_inclusive_gateway_takes_each_way_that_holds():
    conditions = [{"expression": "${amount > 10}", "next": "a"}, {"expression": "${amount > 20}", "next": "b"}, {"next": "c"}]
    translated = made(gateway("g", "inclusive", conditions=conditions), *map(service, "abc"), variables={"amount": "number"})
    assert {"g__0.true -> a", "g__1.true -> b", "g__none.true -> c"} <= wires(translated)
    assert nodes(translated)["g__none"]["config"]["condition"] == "${!(amount > 10) && !(amount > 20)}"


def test_an_event_gateway_goes_on_with_what_comes_first():
    events = [{"event": "order.paid", "correlation_key": "${order_id}", "next": "a"}, {"duration": "2h", "next": "b"}]
    translated = made(gateway("g", "event", events=events), service("a"), service("b"), variables={"order_id": "string"})
    assert {"g__0 -> g__first", "g__1 -> g__first", "g__chosen.event_0 -> a", "g__chosen.event_1 -> b"} <= wires(translated)
    first = nodes(translated)["g__first"]
    assert (first["join"], first["cancel_rest"]) == ("any", True)
    assert nodes(translated)["g__1"]["config"] == {"seconds": 7200}


def test_a_timer_leads_to_its_action():
    timer = {"id": "t", "type": "timer_event", "config": {"duration": "2h", "action": "b"}, "next": "a"}
    translated = made(timer, service("a"), service("b"))
    assert wires(translated) == {"t -> a", "t -> b"}
    assert nodes(translated)["t"]["config"] == {"seconds": 7200}


def test_a_user_task_is_for_whoever_starts_unless_it_says_otherwise():
    said = {"id": "mine", "type": "user_task", "name": "Sign", "config": {"assignee": "ada", "due": "1d", "form": {"signed": "boolean"}}}
    translated = made({"id": "any", "type": "user_task", "next": "mine"}, said)
    first, second = nodes(translated).values()
    assert (first["config"]["assignee"], first["config"]["candidate_roles"]) == ("${input.?initiator.orValue(null)}", ["owner"])
    own = {"title": "Sign", "form": {"signed": "boolean"}, "keep_answers": True, "assignee": "ada", "due_seconds": 86_400}
    assert second["config"] == own
    assert translated.definition["variables"].keys() == {"approved", "comments", "signed"}


def test_a_variable_that_the_start_brings_and_a_task_writes_begins_with_what_was_brought():
    steps = ({"id": "s", "type": "start_event", "next": "ask"}, {"id": "ask", "type": "user_task"})
    translated = made(*steps, variables={"approved": "boolean", "other": "string"})
    assert translated.definition["inputs"] == {"initiator": "string?", "approved": "boolean?", "other": "string"}
    assert wires(translated) == {"s -> process__variables", "process__variables -> ask"}
    without_start = made(steps[1], variables={"approved": "boolean"})
    assert wires(without_start) == {"process__variables -> ask"}


def test_what_others_name_and_nobody_describes_is_work_for_a_person_and_is_told():
    translated = made(service("a", "payment_check"), service("payment_chek"))
    assert nodes(translated)["payment_check"]["type"] == "human.task"
    [warning] = translated.warnings
    assert (warning.pointer, warning.found, warning.suggestion) == ("/steps/0/next/0", "payment_check", "payment_chek")


def test_steps_without_an_id_are_named_by_their_type():
    timer = {"type": "timer_event", "config": {"duration": "5s"}}
    assert list(nodes(made(timer, {"id": "timer_event_2", **timer}, timer))) == ["timer_event", "timer_event_2", "timer_event_3"]


def test_a_cycle_is_named_at_its_place():
    [problem] = refused(service("a", "b"), service("b", "c"), service("c", "a"))
    assert set(problem["found"].split(" -> ")) == {"a", "b", "c"}
    source = problem["found"].split(" -> ")[-2]
    assert problem["pointer"] == f"/steps/{'abc'.index(source)}/next/0"


@pytest.mark.parametrize(
    ("step", "pointer", "suggestion"),
    [
        ({"type": "servise_task"}, "/steps/0/type", "service_task"),
        (gateway("g", "parallel", parallel_tasks=["a", "b"], next=["a"]), "/steps/0/config/parallel_tasks/0", None),
        (service("a", service_name="Order"), "/steps/0/config/service_name", "Orders"),
        (service("a", service_name="Limited", method="chek"), "/steps/0/config/method", "check"),
        (service("a", timeout="soon"), "/steps/0/config/timeout", None),
        (service("a", metod="run"), "/steps/0/config/metod", "method"),
        (gateway("g", "exclusive", conditions=[]), "/steps/0/config/conditions", None),
        (gateway("g", "exclusive", conditions=[{"expression": "${true}"}]), "/steps/0/config/conditions/0/next", None),
        (gateway("g", "exclusive", conditions=[{"next": "a"}]), "/steps/0/config/conditions", None),
        (
            gateway("g", "exclusive", conditions=[{"expression": "${true}", "next": "a"}, {"next": "b"}], default="c"),
            "/steps/0/config/conditions/1/next",
            None,
        ),
        (gateway("g", "parallel", parallel_tasks=["a", "b"], join_condition="n_complete"), "/steps/0/config/n", None),
        (gateway("g", "parallel", parallel_tasks=["a", "b"], join_condition="n_complete", n=3), "/steps/0/config/n", None),
        (gateway("g", "parallel", parallel_tasks=["a"], join_condition="some"), "/steps/0/config/join_condition", None),
        (gateway("g", "parallel", join_condition="all_complete"), "/steps/0/config", None),
        (gateway("g", "event", events=[{"event": "x", "next": "a"}], next=["b"]), "/steps/0/next", None),
        ({"id": "t", "type": "timer_event", "config": {}}, "/steps/0/config", None),
        ({"id": "t", "type": "timer_event", "config": {"duration": "2 moons"}}, "/steps/0/config/duration", None),
        ({"id": "e", "type": "end_event", "next": "a"}, "/steps/0/next", None),
        ({"id": "1", "type": "user_task"}, "/steps/0/id", None),
    ],
)
def test_faults_name_their_place_in_the_form(step, pointer, suggestion):
    [problem] = refused(step)
    assert (problem["pointer"], problem["suggestion"]) == (pointer, suggestion), problem["message"]


@pytest.mark.parametrize(
    ("steps", "form", "pointer"),
    [
        ([service("a"), service("a")], {}, "/steps/1/id"),
        ([service("a")], {"steps": []}, "/steps"),
        ([service("a")], {"step": []}, "/step"),
    ],
)
def test_faults_of_the_whole_name_their_place(steps, form, pointer):
    assert refused(*steps, **form)[0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("steps", "variables", "pointer"),
    [
        ([{"id": "h", "type": "http.request", "config": {"url": "nowhere"}}], {}, "/steps/0/config/url"),
        ([{"id": "h", "type": "http.reqest", "config": {}}], {}, "/steps/0/type"),
        (
            [service("a", "g"), gateway("g", "exclusive", conditions=[{"next": "b"}, {"expression": "${amont > 1}", "next": "b"}])],
            {"amount": "number"},
            "/steps/1/config/conditions/1/expression",
        ),
        ([service("a")], {"amount": "nummer"}, "/variables/amount"),
        ([{"id": "u", "type": "user_task", "config": {"titel": "x"}}], {}, "/steps/0/config/titel"),
    ],
)
def test_faults_that_only_the_whole_definition_shows_come_back_to_the_form(steps, variables, pointer):
    translated = translate({"name": "p", "steps": steps, "variables": variables}, services=SERVICES)
    with pytest.raises(InvalidDefinitionError) as caught:
        validate(translated.definition, all_types())
    assert translated.places.error(caught.value).details["errors"][0]["pointer"] == pointer


IDS = [f"s{number}" for number in range(8)]


@st.composite
def forms(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Steps that lead on to any others, forward for the most part."""
    count = draw(st.integers(1, len(IDS)))
    return [draw(step_of(IDS[index], IDS[index + 1 : count] or ["beyond"])) for index in range(count)]


@st.composite
def step_of(draw: st.DrawFn, key: str, others: list[str]) -> dict[str, Any]:
    some = st.lists(st.sampled_from(others), unique=True, max_size=3)
    one = st.sampled_from(others)
    kind = draw(st.sampled_from(["service", "user", "timer", "exclusive", "parallel", "inclusive", "event", "end"]))
    match kind:
        case "service":
            return service(key, *draw(some))
        case "user":
            return {"id": key, "type": "user_task", "next": draw(some), "ports": {"rejected": draw(some)}}
        case "timer":
            return {"id": key, "type": "timer_event", "config": {"duration": "5s", "action": draw(one)}, "next": draw(some)}
        case "exclusive" | "inclusive":
            conditions = [{"expression": "${amount > 1}", "next": each} for each in draw(some)] or [
                {"expression": "true", "next": draw(one)}
            ]
            return gateway(key, kind, conditions=conditions, **draw(st.sampled_from([{}, {"default": draw(one)}])))
        case "parallel":
            tasks = draw(some)
            # What comes after the gateway stands behind its tasks, and so leads to none of them.
            after = [each for each in draw(some) if not tasks or each > max(tasks)]
            return gateway(key, kind, **({"parallel_tasks": tasks} if tasks else {}), next=after)
        case "event":
            return gateway(key, kind, events=[{"event": "e", "next": draw(one)}, {"duration": 5, "next": draw(one)}])
    return {"id": key, "type": "end_event"}


@given(forms())
def test_every_form_without_faults_is_a_definition_that_can_run(steps):
    translated = made(*steps, variables={"amount": "number"})
    described = {step["id"] for step in steps}
    assert described <= nodes(translated).keys()
    assert all(translated.places.origin(f"/nodes/{index}").startswith("/steps/") for index in range(len(steps)))


@given(forms())
def test_the_same_form_always_gives_the_same_definition(steps):
    assert made(*steps, variables={"amount": "number"}).definition == made(*steps, variables={"amount": "number"}).definition
