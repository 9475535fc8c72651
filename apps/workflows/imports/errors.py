"""What may be wrong with a document of another product."""

from collections.abc import Sequence

from apps.engine.errors import InvalidError
from apps.engine.problems import MAX_PROBLEMS, Problem


class InvalidForeignError(InvalidError):
    """The document is no export of the product that it looks like; details: {"errors": [problem]}, pointers into the document."""

    code = "invalid_import"

    def __init__(self, product: str, problems: Sequence[Problem]) -> None:
        first = problems[0]
        errors = [problem.as_json() for problem in problems[:MAX_PROBLEMS]]
        super().__init__(f"The export of {product} cannot be read: {first.message} (at '{first.pointer}')", errors=errors)


class UnknownFormatError(InvalidError):
    """The document is an export of nobody we know; details: {"expected": [formats]}."""

    code = "unknown_import_format"


class TooManyNodesError(InvalidError):
    """What the document becomes has more nodes than an import may make; details: {"max_nodes": int}."""

    code = "too_many_nodes"


class LeftOut(Exception):  # noqa: N818  # no fault: it is how a translation says that it ends here
    """Raised anywhere in the translation of one node: there is no way to say the same. The text tells what to do instead."""
