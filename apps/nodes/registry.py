"""Which node types there are: the built-in ones, and those of installed packages (entry point `structforge.nodes`)."""

from functools import cache
from importlib.metadata import entry_points

from apps.engine.errors import NotFoundError
from apps.nodes.contract import NodeType

ENTRY_POINT_GROUP = "structforge.nodes"

_registered: dict[str, NodeType] = {}  # type: ignore[type-arg]  # node types of any config
_internal: dict[str, NodeType] = {}  # type: ignore[type-arg]  # what the engine itself puts into graphs


class UnknownNodeTypeError(NotFoundError):
    code = "unknown_node_type"


def register(node_type: type[NodeType]) -> type[NodeType]:  # type: ignore[type-arg]
    """Class decorator: make a node type known under its name."""
    _registered[node_type.name] = node_type()
    return node_type


def register_internal(node_type: type[NodeType]) -> type[NodeType]:  # type: ignore[type-arg]
    """Class decorator: make a node type known to the engine alone; no definition may name it."""
    _internal[node_type.name] = node_type()
    return node_type


@cache
def load() -> None:
    """Import the built-in node types and every installed package of node types, once per process."""
    import apps.nodes.builtin  # noqa: PLC0415  # registers on import
    import apps.nodes.internal  # noqa: F401, PLC0415

    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        entry_point.load()


def all_types() -> dict[str, NodeType]:  # type: ignore[type-arg]
    """{name: node type}, sorted by name."""
    load()
    return dict(sorted(_registered.items()))


def find_type(name: str) -> NodeType | None:  # type: ignore[type-arg]
    load()
    return _registered.get(name) or _internal.get(name)


def get_type(name: str) -> NodeType:  # type: ignore[type-arg]
    if (found := find_type(name)) is None:
        raise UnknownNodeTypeError(f"There is no node type '{name}'.", name=name)
    return found
