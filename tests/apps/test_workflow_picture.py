"""Loops as frames around their bodies."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.workflows.arrange import BOX_HEIGHT, BOX_WIDTH, Area
from apps.workflows.lettering import shorten, width_of
from apps.workflows.picture import MARGIN, NAME_SIZE, Look, Picture, Standing, picture_of
from apps.workflows.svg import svg_of

LOOK = Look("success", "check_circle", "good")


def node(key: str, parent: str | None = None, **rest: object) -> dict[str, object]:
    return {"key": key, "type": "data.set", **({"parent": parent} if parent else {}), **rest}


def edges_of(*chains: str) -> list[dict[str, str]]:
    return [{"source": a, "target": b} for chain in chains for a, b in zip(chain.split(), chain.split()[1:], strict=False)]


def drawn(*nodes: dict[str, object], edges: tuple[str, ...] = (), **rest: object) -> Picture:
    picture = picture_of({"nodes": nodes, "edges": edges_of(*edges)}, **rest)
    assert picture is not None
    return picture


def areas(picture: Picture) -> dict[str, Area]:
    return {box.key: box.area for box in (*picture.frames, *picture.boxes)}


def contains(outer: Area, inner: Area) -> bool:
    return outer.x < inner.x and inner.right < outer.right and outer.y < inner.y and inner.y + inner.height < outer.y + outer.height


def touch(one: Area, other: Area) -> bool:
    return one.x < other.right and other.x < one.right and one.y < other.y + other.height and other.y < one.y + one.height


NESTED = (node("start"), node("outer"), node("first", "outer"), node("inner", "outer"), node("cell", "inner"), node("end"))
WAYS = ("start outer end", "first inner")


def test_a_loop_is_a_frame_that_contains_its_body_and_nothing_else():
    found = drawn(*NESTED, edges=WAYS)
    place = areas(found)

    assert [frame.key for frame in found.frames] == ["outer", "inner"]
    assert {key for key, area in place.items() if contains(place["outer"], area)} == {"first", "inner", "cell"}
    assert {key for key, area in place.items() if contains(place["inner"], area)} == {"cell"}
    assert not any(touch(place["outer"], place[key]) for key in ("start", "end"))
    assert found.summary == "6 nodes, 3 edges. Loop outer contains first, inner. Loop inner contains cell."


def test_lines_lead_from_side_to_side_of_frames_and_boxes():
    found = drawn(*NESTED, edges=WAYS)
    place = areas(found)

    for line, (source, target) in zip(found.lines, [("start", "outer"), ("outer", "end"), ("first", "inner")], strict=True):
        assert line.path.startswith(f"M{place[source].right:g} {place[source].middle:g}")
        assert (line.end_x, line.end_y) == (place[target].x, place[target].middle)


def test_without_loops_boxes_stand_in_rows_and_columns():
    #  a ─┬▶ b ─┬▶ d
    #     └▶ c ─┘
    found = drawn(*map(node, "abcd"), edges=("a b d", "a c d"))

    corners = {box.key: (box.area.x, box.area.y) for box in found.boxes}
    assert corners == {"a": (12, 52), "b": (240, 12), "c": (240, 92), "d": (468, 52)}
    assert (found.width, found.height) == (652, 158)
    assert found.lines[0].path == "M184 79 C212 79 212 39 240 39"


@given(
    st.lists(st.tuples(st.integers(0, 11), st.booleans()), min_size=1, max_size=12),
    st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11))),
)
def test_boxes_touch_only_the_frames_around_them(parents, pairs):
    nodes = [node(f"n{at}", f"n{parent}" if is_inside and parent < at else None) for at, (parent, is_inside) in enumerate(parents)]
    known = {each["key"]: each.get("parent") for each in nodes}
    chains = [f"n{min(pair)} n{max(pair)}" for pair in pairs if len({*pair}) == 2 and max(pair) < len(nodes)]
    chains = [chain for chain in chains if len({known[key] for key in chain.split()}) == 1]
    found = drawn(*nodes, edges=tuple(chains))
    place = areas(found)

    assert place.keys() == known.keys()
    assert len(found.lines) == len(chains)
    assert all(each.x >= MARGIN and each.right <= found.width - MARGIN and each.y >= MARGIN for each in place.values())
    for one, other in combinations(known, 2):
        if one in around(other, known) or other in around(one, known):
            outer, inner = (one, other) if one in around(other, known) else (other, one)
            assert contains(place[outer], place[inner])
        else:
            assert not touch(place[one], place[other])


def around(key: str, parents: dict[str, str | None]) -> set[str]:
    parent = parents[key]
    return set() if parent is None else {parent, *around(parent, parents)}


def test_a_frame_is_as_wide_as_what_is_said_on_it():
    many = Standing(LOOK, "ok", "1,000 ok", iterations="100,000 of 100,000 done", failures="12,345 failed")
    found = drawn(node("loop", name="W" * 80), node("work", "loop"), standings={"loop": many})
    (frame,) = found.frames

    assert frame.area.width >= width_of("1,000 ok · 100,000 of 100,000 done · 12,345 failed", 12)
    assert frame.label.endswith("…")
    assert width_of(frame.label, NAME_SIZE) < frame.area.width


@pytest.mark.parametrize("name", ["W" * 40, "mmmmmmmm@@@@@@@@", "订单处理订单处理订单处理订单处理", "an ordinary name of a node"])
def test_no_name_is_wider_than_its_box(name):
    (box,) = drawn(node("a", name=name), standings={}).boxes

    assert (box.area.width, box.area.height) == (BOX_WIDTH, BOX_HEIGHT)
    assert box.label.endswith("…")
    assert width_of(box.label, NAME_SIZE) <= BOX_WIDTH - 42


def test_what_fits_is_not_shortened():
    assert shorten("Large order?", 13, 120) == "Large order?"


def test_a_file_has_frames_with_a_title_and_words_for_those_who_do_not_see():
    text = svg_of(drawn(*NESTED, edges=WAYS), title="Orders")

    assert 'role="img"' in text
    assert "<title>Orders</title>" in text
    assert "<desc>6 nodes, 3 edges. Loop outer contains first, inner." in text
    assert text.index("outer</text>") < text.index("inner</text>") < text.index("cell</text>")
