"""What needs a credential: the apps above say so, since this one does not know them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apps.accounts.models import User
from apps.credentials.models import Credential


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that would break without the credential."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Uses:
    """What uses a credential, for somebody.

    seen         what that person may see
    has_hidden   there is more; neither what nor how much is said
    """

    seen: tuple[Use, ...]
    has_hidden: bool


Finder = Callable[[Credential, User | None], Uses]
_finders: list[Finder] = []


def register_finder(finder: Finder) -> Finder:
    """Have `uses_of` ask this too; the user None sees everything."""
    _finders.append(finder)
    return finder


def uses_of(credential: Credential, user: User | None) -> Uses:
    """All that uses a credential."""
    found: Sequence[Uses] = [finder(credential, user) for finder in _finders]
    return Uses(tuple(use for each in found for use in each.seen), any(each.has_hidden for each in found))
