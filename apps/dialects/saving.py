"""What saving has in common for both vocabularies."""

from collections.abc import Iterator
from contextlib import contextmanager

from apps.dialects.places import Places
from apps.engine.errors import NotFoundError
from apps.engine.problems import InvalidDefinitionError


class NumberNotFoundError(NotFoundError):
    """There is nothing of this number that the caller may see."""

    code = "not_found"


@contextmanager
def at_its_place(places: Places) -> Iterator[None]:
    """Let faults of the definition that is saved inside name their places in the form."""
    try:
        yield
    except InvalidDefinitionError as error:
        raise places.error(error) from error
