"""Where nodes are drawn."""

from time import thread_time

from hypothesis import given
from hypothesis import strategies as st

from apps.workflows.layout import Place, lay_out
from apps.workflows.picture import MAX_NODES, picture_of


def edges_of(*chains: str) -> list[tuple[str, str]]:
    """Edges of chains such as "a b c"."""
    return [edge for chain in chains for edge in zip(chain.split(), chain.split()[1:], strict=False)]


def test_a_diamond_is_drawn_as_one():
    #  a ─┬▶ b ─┬▶ d
    #     └▶ c ─┘
    layout = lay_out("abcd", edges_of("a b d", "a c d"))
    assert layout.places == {"a": Place(0, 0), "b": Place(1, -0.5), "c": Place(1, 0.5), "d": Place(2, 0)}


def test_a_long_edge_passes_beside_the_nodes_between():
    #  a ─▶ b ─▶ c, and a ─▶ c
    layout = lay_out("abc", edges_of("a b c", "a c"))
    between = layout.routes[2][1]
    assert between.column == layout.places["b"].column == 1
    assert between.row != layout.places["b"].row


def test_lines_are_untangled():
    #  a ─▶ d, b ─▶ c: c moves beside b
    layout = lay_out("abcd", edges_of("a d", "b c"))
    assert (layout.places["a"].row < layout.places["b"].row) == (layout.places["d"].row < layout.places["c"].row)


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=60))
def test_every_edge_leads_to_the_right_and_no_two_nodes_share_a_place(pairs):
    keys = [f"n{number}" for number in range(15)]
    edges = [(f"n{min(pair)}", f"n{max(pair)}") for pair in pairs if pair[0] != pair[1]]
    layout = lay_out(keys, edges)
    assert len(set(layout.places.values())) == len(keys)
    for (source, target), route in zip(edges, layout.routes, strict=True):
        assert (route[0], route[-1]) == (layout.places[source], layout.places[target])
        assert [place.column for place in route] == list(range(route[0].column, route[-1].column + 1))
        assert not set(route[1:-1]) & set(layout.places.values())


def test_the_largest_picture_is_drawn_within_a_second():
    nodes = [{"key": f"n{number}", "type": "data.set"} for number in range(MAX_NODES)]
    edges = [{"source": f"n{number // 3}", "target": f"n{number}"} for number in range(1, MAX_NODES)]
    begun = thread_time()
    assert picture_of({"nodes": nodes, "edges": edges}) is not None
    assert thread_time() - begun < 1
    assert picture_of({"nodes": [*nodes, {"key": "one_more", "type": "data.set"}], "edges": edges}) is None


def test_an_empty_definition_is_an_empty_picture():
    assert lay_out([], []).columns == 0
