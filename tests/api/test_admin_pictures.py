"""The picture of an execution with loops, on its page in the admin."""

from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.executions.models import Execution, Iteration, NodeRun
from apps.executions.standings import standings_of
from apps.executions.tallies import Tally, tallies_of
from apps.workflows.picture import Standing
from tests.api.test_loops import started
from tests.workers.driving import drive
from tests.workers.test_loops import fails_at, foreach, inside
from tests.workers.test_runner import START, document, put

pytestmark = pytest.mark.django_db(transaction=True)

NODES = {
    "start": START,
    "outer": foreach("${input.rows}", on_failure="collect"),
    "large": inside("outer", {"type": "control.if", "config": {"condition": "${index > 0}"}}),
    "inner": inside("outer", foreach("${item}", on_failure="collect")),
    "cell": inside("inner", fails_at("item == 6")),
    "after": put(x=1),
}
LINES = ("start -> outer -> after", "large:true -> inner")
ROWS = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.fixture
def rows(ada) -> str:
    """Id of an execution of two of three rows with three cells each, of which one failed."""
    execution = started(ada, document(NODES, *LINES), {"rows": ROWS})
    assert drive(UUID(execution)).status == "success"
    return execution


def standings(execution_id: str, user: User) -> dict[str, Standing]:
    execution = Execution.objects.select_related("version").get(pk=execution_id)
    return dict(
        standings_of(
            execution.version.definition,
            tallies_of(user, execution.id),
            is_over=execution.finished_at is not None,
            url=lambda key, _: f"/runs/{key}",
            iterations_url=lambda key: f"/iterations/{key}",
        )
    )


class Texts(HTMLParser):
    """What stands in the picture of a page, and its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: dict[str, str] = {}
        self.roles: set[str] = set()
        self.feed(page[page.index('<div class="sf-picture"') : page.index('<ul class="sf-legend"')])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.roles |= {str(found["role"])} if "role" in found else set()
        if tag == "a":
            self.links[str(found["aria-label"])] = str(found["href"])

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []


def shown(client: Any, execution: str) -> Texts:
    return Texts(client.get(f"/admin/executions/execution/{execution}/change/").content.decode())


def test_nodes_in_loops_are_counted_over_their_iterations(ada, rows):
    found = standings(rows, ada.user)

    assert {key: each.words for key, each in found.items()} == {
        "start": "success",
        "outer": "success",
        "large": "3 ok",
        "inner": "2 ok · 1 skipped",
        "cell": "5 ok · 1 failed",
        "after": "success",
    }
    assert {key: (each.iterations, each.failures) for key, each in found.items() if each.iterations} == {
        "outer": ("3 of 3 done", ""),
        "inner": ("6 of 6 done", "1 failed"),
    }
    assert found["cell"].look.tone == "bad"


def test_the_counts_agree_with_the_rows(ada, rows):
    tallies = tallies_of(ada.user, UUID(rows))

    for key, tally in tallies.items():
        assert tally.runs.total() == NodeRun.objects.filter(execution=rows, key=key).count()
        assert tally.iterations.total() == Iteration.objects.filter(execution=rows, key=key).count()


def test_a_stranger_counts_nothing(bob, rows):
    assert tallies_of(bob.user, UUID(rows)) == {}


def test_the_page_shows_loops_with_their_counts_and_where_they_lead(client, operator, rows):
    client.force_login(operator.user)
    found = shown(client, rows)

    for said in ("5 ok · 1 failed", "2 ok · 1 skipped", "6 of 6 done", "1 failed", "Loop inner contains cell."):
        assert any(said in text for text in found.texts), said
    listed = {label: client.get(url).content.decode() for label, url in found.links.items()}
    assert "1 result" not in listed["cell: 5 ok · 1 failed"]
    assert "6 results" in listed["cell: 5 ok · 1 failed"]
    assert "6 results" in listed["Iterations of inner: 6 of 6 done 1 failed"]
    assert found.links["after: success"].startswith("/admin/executions/noderun/")
    assert found.roles == {"region", "group", "img"}


def test_a_page_takes_the_same_queries_for_few_iterations_and_for_many(client, operator, ada):
    client.force_login(operator.user)
    few = started(ada, document(NODES, *LINES), {"rows": ROWS[:1]})
    many = started(ada, document({**NODES, "more": inside("inner", put(x=1))}, *LINES), {"rows": ROWS * 10})
    counts = []
    for execution in (few, many):
        drive(UUID(execution))
        shown(client, execution)
        with CaptureQueriesContext(connection) as queries:
            shown(client, execution)
        counts.append(len(queries))
        of_node_runs = [query["sql"] for query in queries if "GROUP BY" in query["sql"]]
        assert len(of_node_runs) == 1
    assert counts[0] == counts[1]


def test_what_lies_behind_a_long_loop_is_shown(client, operator, ada):
    client.force_login(operator.user)
    nodes = {"start": START, "each": foreach("${input.items}"), "work": inside("each", put(x=1)), "after": put(x=1)}
    execution = started(ada, document(nodes, "start -> each -> after"), {"items": list(range(250))})
    drive(UUID(execution))
    page = client.get(f"/admin/executions/execution/{execution}/change/").content.decode()

    assert "after: success" in Texts(page).links
    assert "250 of 250 done" in page
    assert f"These are the first 200 of {NodeRun.objects.filter(execution=execution).count()}." in page


def test_a_loop_that_runs_says_how_far_it_has_come_and_decides_no_edge_early(ada):
    nodes = {
        "start": START,
        "each": foreach([1, 2, 3]),
        "check": inside("each", {"type": "control.if", "config": {"condition": "${item > 1}"}}),
        "wait": inside("each", {"type": "control.wait_event", "config": {"event": "paid"}}),
        "large": inside("each", put(x=1)),
    }
    execution = started(ada, document(nodes, "start -> each", "check:false -> wait", "check:true -> large"))
    drive(UUID(execution))
    found = standings(execution, ada.user)

    assert (found["each"].look.label, found["each"].iterations) == ("waiting", "0 of 3 done")
    assert (found["check"].words, found["check"].ports, found["check"].is_settled) == ("1 ok", frozenset({"false"}), False)
    assert found["wait"].look.label == "waiting"


def test_a_loop_over_nothing_says_so(ada):
    execution = started(ada, document({"start": START, "each": foreach([]), "work": inside("each", put(x=1))}, "start -> each"))
    drive(UUID(execution))
    found = standings(execution, ada.user)

    assert (found["each"].iterations, found["each"].iterations_url) == ("no iterations", "")
    assert "work" not in found


def test_little_room_is_left_to_the_worst():
    tally = Tally(is_repeated=True, total=None)
    tally.runs.update(success=1_234, failed=56, cancelled=9, running=10, skipped=11)
    definition = {"nodes": [{"key": "work", "type": "data.set"}]}
    (found,) = standings_of(definition, {"work": tally}, is_over=False, url=lambda *_: "", iterations_url=lambda _: "").values()

    assert found.words == "1,234 ok · 56 failed · 10 running · 9 cancelled · 11 skipped"
    assert found.short == "56 failed of 1,320"
    assert found.look.label == "failed"


def test_versions_and_templates_show_frames_without_counts(client, operator, ada, rows):
    client.force_login(operator.user)
    execution = Execution.objects.get(pk=rows)
    page = client.get(f"/admin/workflows/workflowversion/{execution.version_id}/change/").content.decode()

    assert page.count('class="sf-frame') == 2
    assert 'role="img" aria-labelledby="sf-picture-title"' in page
    assert "sf-legend" not in page
    assert "not begun" not in page
