"""Running places in loops again over HTTP."""

from uuid import UUID

import pytest
from django.urls import reverse

from apps.executions.models import Execution
from tests.api.test_admin_reruns import browser
from tests.api.test_loops import started
from tests.workers import functions
from tests.workers.driving import drive
from tests.workers.test_loops import call, fails_at, foreach, inside
from tests.workers.test_runner import START, document, put

__all__ = ["browser"]

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def finished(client, definition, **input) -> str:
    execution = started(client, definition, input)
    drive(UUID(execution))
    return execution


@pytest.fixture
def nested(ada) -> str:
    """3 × 4 iterations, of which 1.2 failed; the inner loops collect."""
    nodes = {
        "start": START,
        "outer": foreach("${input.rows}"),
        "inner": inside("outer", foreach("${item}", on_failure="collect")),
        "cell": inside("inner", fails_at("item == 6")),
        "told": inside("inner", call("tests.echo", value="${item}")),
        "after": put(all="${nodes.outer}"),
    }
    return finished(ada, document(nodes, "start -> outer -> after", "cell -> told"), rows=ROWS)


@pytest.fixture
def stopped(ada) -> str:
    """Of five iterations the third failed, and two never began."""
    nodes = {
        "start": START,
        "each": foreach("${input.rows}"),
        "half": inside("each", put(x="${10 / item}")),
        "after": put(all="${nodes.each}"),
    }
    return finished(ada, document(nodes, "start -> each -> after"), rows=[1, 2, 0, 5, 10])


def rerun(client, execution, status=202, **body):
    functions.calls.clear()
    answer = client.post_json(f"/executions/{execution}/rerun", body, status)
    if status == 202:
        drive(UUID(answer["id"]))
    return answer


def test_failed_iterations_are_found_by_status_and_run_again_alone(ada, nested):
    found = ada.get_json(f"/executions/{nested}/iterations?node=inner&status=failed")["results"]
    assert [row["path"] for row in found] == ["1.2"]

    items = {f"inner[{row['path']}]": 60 for row in found}
    made = rerun(ada, nested, **{"from": {"loop": "inner", "status": "failed"}}, items=items)

    assert functions.calls == [60]
    new = ada.get_json(f"/executions/{made['id']}")
    assert (new["status"], new["rerun_of"]) == ("success", nested)
    assert new["output"] == {"all": [ROWS[0], [4, 5, 60, 7], ROWS[2]]}
    assert ada.get_json(f"/executions/{made['id']}/iterations?status=failed")["results"] == []
    assert {row["origin"] for row in ada.get_json(f"/executions/{made['id']}/nodes?path=1.1")["results"]} == {"reused"}
    assert ada.get_json(f"/executions/{nested}/iterations?node=inner&status=failed")["results"] == found


@pytest.mark.parametrize(
    "origin",
    ["told[1.1]", {"key": "told", "path": "1.1"}, [{"key": "told", "path": "1.1"}, "told[1.1]"], {"loop": "inner", "path": "1.1"}],
)
def test_a_place_is_named_in_several_ways(ada, nested, origin):
    rerun(ada, nested, **{"from": origin})

    assert functions.calls == [5]


def test_several_places_and_a_given_output(ada, nested):
    made = rerun(ada, nested, **{"from": ["told[0.0]", "told[2.3]"]}, outputs={"told[0.1]": 100})

    assert sorted(functions.calls) == [0, 11]
    assert ada.get_json(f"/executions/{made['id']}")["output"]["all"][0] == [0, 100, 2, 3]


def test_a_preview_tells_of_loops_and_makes_nothing(ada, nested):
    body = {"from": "told[1.1]", "outputs": {"told[0.1]": 100}}

    answer = ada.post_json(f"/executions/{nested}/rerun?preview=true", body, 200)

    assert Execution.objects.count() == 1
    assert [(row["key"], row["path"], row["is_edited"]) for row in answer["reused"]] == [("start", "", False), ("told", "0.1", True)]
    places = [(row["key"], row["path"], row["has_run"], row["starts_now"]) for row in answer["runs"]]
    assert places == [
        ("outer", "", True, True),
        ("after", "", True, False),
        ("inner", "0", True, True),
        ("inner", "1", True, True),
        ("told", "1.1", True, True),
    ]
    assert [(row["key"], row["path"], row["reused"], row["again"], row["begin"]) for row in answer["loops"]] == [
        ("outer", "", 1, 2, 0),
        ("inner", "0", 3, 1, 0),
        ("inner", "1", 3, 1, 0),
    ]
    assert answer["has_more_runs"] is False


def test_a_preview_tells_of_iterations_that_never_began(ada, stopped):
    answer = ada.post_json(f"/executions/{stopped}/rerun?preview=true", {"from": "failed"}, 200)

    assert answer["loops"] == [{"key": "each", "path": "", "reused": 2, "again": 1, "begin": 2}]
    places = [(row["key"], row["path"], row["has_run"]) for row in answer["runs"]]
    assert places == [("each", "", True), ("after", "", False), ("half", "2", True), ("half", "*", False)]


@pytest.mark.parametrize(
    ("body", "status", "code", "names"),
    [
        ({"from": "half[9]"}, 409, "node_not_reached", "each[9]"),
        ({"from": "half[4]"}, 409, "node_not_reached", "each[4]"),
        ({"from": "half"}, 422, "unknown_node", "half"),
        ({"from": "half[1.2]"}, 422, "unknown_node", "half[1.2]"),
        ({"from": "half[x]"}, 422, "unknown_node", "half[x]"),
        ({"from": "start[0]"}, 422, "unknown_node", "start[0]"),
        ({"from": "$end:each"}, 422, "unknown_node", "$end:each"),
        ({"from": {"loop": "half", "path": "1"}}, 422, "unknown_node", "half[1]"),
        ({"from": {"loop": "half", "status": "failed"}}, 422, "unknown_node", "half"),
        ({"from": {"loop": "each", "status": "cancelled"}}, 409, "nothing_to_rerun", "each"),
        ({"from": {"loop": "each", "status": "success"}}, 422, "invalid", "from"),
        ({"from": {"loop": "each"}}, 422, "invalid", "from"),
        ({"from": []}, 422, "invalid", "from"),
        ({"from": [["half[1]"]]}, 422, "invalid", "from"),
        ({"from": "failed", "outputs": {"half[0]": []}}, 422, "wrong_output_type", "/outputs/half[0]"),
        ({"from": "each", "outputs": {"half[0]": {}}}, 422, "edited_node_runs_again", "half[0]"),
        ({"from": "half[2]", "outputs": {"half[2]": {}}}, 422, "edited_node_runs_again", "half[2]"),
        ({"from": "half[2]", "outputs": {"half 2": {}}}, 422, "unknown_node", "half 2"),
        ({"from": "failed", "items": {"each[2]": "a"}}, 422, "wrong_output_type", "/items/each[2]"),
        ({"from": "failed", "items": {"each[0]": 1}}, 422, "item_not_read", "/items/each[0]"),
        ({"from": "failed", "items": {"each[5]": 1}}, 409, "node_not_reached", "each[5]"),
        ({"from": "failed", "items": {"each": 1}}, 422, "unknown_node", "each"),
        ({"from": "failed", "items": {"half[1]": 1}}, 422, "unknown_node", "half[1]"),
        ({"from": "failed", "items": []}, 422, "invalid", "items"),
    ],
)
def test_a_wrong_place_in_a_loop_is_refused_and_named(ada, stopped, body, status, code, names):
    answer = rerun(ada, stopped, status=status, **body)

    assert answer["code"] == code, answer
    assert names in str(answer)
    assert Execution.objects.count() == 1


def test_too_many_outputs_are_refused(ada, stopped):
    answer = rerun(ada, stopped, status=422, **{"from": "failed"}, items={f"each[{number}]": 1 for number in range(1001)})

    assert (answer["code"], answer["details"]["pointer"]) == ("too_many_given", "/items")


def save_newer(client, execution, **configs):
    """Save a version of the workflow in which these nodes have another config."""
    version = Execution.objects.get(id=execution).version
    nodes = [{**node, **({"config": configs[node["key"]]} if node["key"] in configs else {})} for node in version.definition["nodes"]]
    client.post_json(f"/workflows/{version.workflow_id}/versions", {"definition": {**version.definition, "nodes": nodes}}, 201)


def test_in_a_newer_version_iterations_that_ended_well_stay(ada, stopped):
    save_newer(ada, stopped, half={"values": {"x": "${item == 0 ? -1 : 100 / item}"}})

    made = rerun(ada, stopped, **{"from": "failed"}, version="newest")

    assert ada.get_json(f"/executions/{made['id']}")["output"] == {"all": [{"x": 10}, {"x": 5}, {"x": -1}, {"x": 20}, {"x": 10}]}


def test_a_loop_that_others_read_changed_in_its_body_is_not_reused(ada, nested):
    save_newer(ada, nested, told={"function": "tests.echo", "arguments": {"value": "${item + 1}"}})

    answer = rerun(ada, nested, status=409, **{"from": "after"}, version="newest")

    assert answer["code"] == "upstream_differs"
    assert answer["details"]["nodes"] == [{"key": "outer", "reason": "body"}]


def test_others_may_not(bob, stopped):
    assert rerun(bob, stopped, status=404, **{"from": "half[2]"})["code"] == "execution_not_found"


def test_the_admin_shows_a_re_run_with_iterations_that_wait(browser, ada, nested):
    answer = ada.post_json(f"/executions/{nested}/rerun", {"from": {"loop": "inner", "status": "failed"}}, 202)

    page = browser.get(reverse("admin:executions_execution_change", args=[answer["id"]]))
    assert page.status_code == 200
    page = browser.get(reverse("admin:executions_iteration_changelist"), {"q": answer["id"]})
    assert page.status_code == 200
    assert "pending" in page.content.decode()
