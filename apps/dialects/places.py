"""From a place in a definition to the place in the form that it was made of, so that faults name what the caller sent."""

from collections.abc import Sequence

from apps.engine.problems import InvalidDefinitionError, Problem


class Places:
    """Pointers of a definition, each with the pointer of the form that it comes from; what is below goes with it."""

    def __init__(self) -> None:
        self._origins: dict[str, str] = {}

    def note(self, pointer: str, origin: str) -> None:
        """What stands at `pointer` in the definition comes from `origin` in the form."""
        self._origins[pointer] = origin

    def origin(self, pointer: str) -> str:
        """The place in the form: "/nodes/2/config/url" → "/steps/1/config/url" where node 2 is step 1."""
        known = pointer
        while known and known not in self._origins:
            known = known.rpartition("/")[0]
        return self._origins[known] + pointer.removeprefix(known) if known else pointer

    def problem(self, problem: Problem) -> Problem:
        """The same fault, at its place in the form."""
        return Problem(self.origin(problem.pointer), problem.message, problem.found, problem.expected, problem.suggestion)

    def error(self, error: InvalidDefinitionError) -> InvalidDefinitionError:
        """The same error, with its faults at their places in the form."""
        return InvalidDefinitionError([self.problem(Problem(**each)) for each in error.details["errors"]])

    def problems(self, problems: Sequence[Problem]) -> list[Problem]:
        return [self.problem(each) for each in problems]
