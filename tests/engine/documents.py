"""Random definition documents, alike enough that changes of one meet changes of another. They need not be valid definitions."""

from typing import Any

from hypothesis import strategies as st

KEYS = "abcdef"
WORDS = st.text("xy", max_size=2)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from([0.5, 1.0]) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
PLACES = st.fixed_dictionaries({"x": st.integers(0, 2), "y": st.integers(0, 2)})
ENTRIES = st.dictionaries(WORDS, VALUES, max_size=2)


def nodes_of(keys: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.tuples(
        *(
            st.fixed_dictionaries(
                {"key": st.just(key), "type": st.sampled_from(["data.set", "http.request"])},
                optional={"config": ENTRIES, "name": WORDS, "position": PLACES},
            )
            for key in keys
        )
    ).map(list)


@st.composite
def documents(draw: st.DrawFn, *, keys: str = KEYS) -> dict[str, Any]:
    """A document whose edges run between its nodes, each once."""
    chosen = draw(st.permutations(draw(st.lists(st.sampled_from(keys), unique=True))))
    ends = st.tuples(st.sampled_from(chosen or KEYS), st.sampled_from(["out", "true"]), st.sampled_from(chosen or KEYS))
    drawn = draw(st.lists(ends, unique=True, max_size=5)) if chosen else []
    edges = [{"source": source, "port": port, "target": target} for source, port, target in drawn]
    fields = draw(
        st.fixed_dictionaries(
            {"name": WORDS}, optional={"description": WORDS, "inputs": ENTRIES, "variables": ENTRIES, "settings": ENTRIES, "output": VALUES}
        )
    )
    spelled = [
        {"source": edge["source"], "target": edge["target"]} if edge["port"] == "out" and draw(st.booleans()) else edge for edge in edges
    ]
    return {**fields, "nodes": draw(nodes_of(list(chosen))), **({"edges": spelled} if spelled or draw(st.booleans()) else {})}


def unordered(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what has no meaning: the order of nodes and edges, and the spelling of the port `out`."""
    return {
        **document,
        "nodes": {node["key"]: node for node in document["nodes"]},
        "edges": {(edge["source"], edge.get("port", "out"), edge["target"]) for edge in document.get("edges", [])},
    }
