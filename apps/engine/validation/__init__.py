"""Everything that can be known to be wrong with a definition before it runs."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from apps.engine.definition import Definition, parse_definition
from apps.engine.problems import MAX_PROBLEMS, InvalidDefinitionError, Problem
from apps.engine.validation.compensation import check_compensation
from apps.engine.validation.configs import check_configs
from apps.engine.validation.credentials import check_credentials
from apps.engine.validation.draft import Draft, NodeTypeLike, Traits
from apps.engine.validation.effects import check_effects
from apps.engine.validation.levels import check_levels
from apps.engine.validation.lineage import Lineage
from apps.engine.validation.references import References
from apps.engine.validation.schemas import check_input_schema
from apps.engine.validation.structure import check_structure, order_of
from apps.engine.validation.writes import parallel_writes

__all__ = ["NodeTypeLike", "Validated", "validate"]


@dataclass(frozen=True, slots=True)
class Validated:
    """A definition that can run.

    warnings   what may be meant otherwise; at most a hundred
    """

    definition: Definition
    warnings: tuple[Problem, ...]


def validate(data: object, catalog: Mapping[str, NodeTypeLike]) -> Validated:
    """Read and check a definition; the work is linear in its size.

    catalog   {name: node type}
    Raises InvalidDefinitionError with the faults, at most a hundred. Faults of form hide those of meaning.
    """
    with _collection_paused():
        validation = _Validation(parse_definition(data), catalog)
        if problems := list(islice(validation.problems(), MAX_PROBLEMS)):
            raise InvalidDefinitionError(problems)
        return Validated(validation.definition, tuple(islice(validation.warnings(), MAX_PROBLEMS)))


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Hold the cycle collector: all that is made of a large definition stays, and looking through it again and again doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Validation:
    def __init__(self, definition: Definition, catalog: Mapping[str, NodeTypeLike]) -> None:
        self.definition = definition
        self._catalog = catalog

    def problems(self) -> Iterator[Problem]:
        traits: dict[int, Traits] = {}
        yield from check_input_schema(self.definition.inputs)
        yield from check_configs(self.definition, self._catalog, traits)
        draft = Draft(self.definition, self._catalog, traits)
        crossings = list(check_levels(draft))
        yield from crossings
        yield from check_structure(draft)
        yield from check_compensation(draft)
        yield from check_effects(draft)
        yield from check_credentials(draft)
        self._references = References(draft)
        yield from self._references.faults()
        if crossings:
            return
        order = order_of(draft)
        if isinstance(order, Problem):
            yield order
            return
        self._lineage = Lineage(draft, order)
        self._draft, self._order = draft, order
        yield from self._references.out_of_order(self._lineage)

    def warnings(self) -> Iterator[Problem]:
        """To be asked once `problems` has found none."""
        yield from self._references.warnings(self._lineage)
        yield from parallel_writes(self._draft, self._lineage, self._order)
