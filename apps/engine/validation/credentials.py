"""Do nodes name credentials where their types have a place for them? Whether those exist, and may be used, is not the engine's to know."""

from collections.abc import Iterator

from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, listed, nearest
from apps.engine.validation.draft import Draft


def check_credentials(draft: Draft) -> Iterator[Problem]:
    """Faults of the slots that nodes name, or leave empty."""
    for index, node in enumerate(draft.nodes):
        if (node_type := draft.catalog.get(node.type)) is None:
            continue
        slots = node_type.credentials
        for slot in node.credentials:
            if slot not in slots:
                expected = f"one of {listed(slots)}" if slots else "no credentials"
                yield Problem(
                    pointer_to("nodes", index, "credentials", slot),
                    f"A node of type {node.type} has no place '{slot}' for a credential.",
                    found=slot,
                    expected=expected,
                    suggestion=nearest(slot, slots),
                )
        for slot, wanted in slots.items():
            if wanted.is_required and slot not in node.credentials and not node.disabled:
                yield Problem(pointer_to("nodes", index, "credentials"), f"'{slot}' is missing.", expected="the id of a credential")
