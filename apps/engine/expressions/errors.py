"""What can be wrong with an expression."""

from apps.engine.errors import InvalidError

_SHOWN_LENGTH = 200


class ExpressionError(InvalidError):
    """An expression does not compile, or failed at run time.

    offset       characters of `expression` before the fault, None when it has no one place
    suggestion   the nearest name that would be right
    pointer      JSON pointer of the text that holds the expression, inside its template
    """

    code = "expression_failed"

    def __init__(
        self, message: str, /, *, expression: str = "", offset: int | None = None, suggestion: str | None = None, pointer: str = ""
    ) -> None:
        hint = f" Did you mean '{suggestion}'?" if suggestion else ""
        super().__init__(
            message + hint,
            expression=expression[:_SHOWN_LENGTH],
            **(_place(expression, offset) if offset is not None else {}),
            suggestion=suggestion,
            pointer=pointer,
        )
        self.bare_message = message
        self.expression = expression
        self.offset = offset
        self.suggestion = suggestion
        self.pointer = pointer

    def placed(self, *, expression: str | None = None, pointer: str | None = None) -> "ExpressionError":
        """The same fault, with what the one who raised it could not know."""
        return ExpressionError(
            self.bare_message,
            expression=self.expression if expression is None else expression,
            offset=self.offset,
            suggestion=self.suggestion,
            pointer=self.pointer if pointer is None else pointer,
        )


def _place(expression: str, offset: int) -> dict[str, int]:
    before = expression[:offset]
    return {"offset": offset, "line": before.count("\n") + 1, "column": offset - (before.rfind("\n") + 1) + 1}
