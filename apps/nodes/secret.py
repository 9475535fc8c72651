"""Texts that must not be shown: a type that nothing prints, formats, serializes or copies by accident."""

from typing import Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

MASK = "•••"
MAX_SECRET_LENGTH = 20_000


class Secret:
    """A text that only `reveal` gives out.

    `repr` shows a mask; `str`, formatting, JSON and pickle raise TypeError, since whoever asks for one of them is about to leak it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one who sends it to where it belongs."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> NoReturn:  # noqa: PLE0307  # it returns nothing at all
        _refuse("a text")

    def __format__(self, spec: str) -> NoReturn:
        _refuse("a text")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        _refuse("bytes")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True, min_length=1, max_length=MAX_SECRET_LENGTH)
        return core_schema.no_info_after_validator_function(cls, core_schema.no_info_before_validator_function(_unwrapped, text))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": MAX_SECRET_LENGTH, "format": "password", "writeOnly": True}


def _unwrapped(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value


def _refuse(form: str) -> NoReturn:
    raise TypeError(f"A secret does not become {form}; `reveal()` gives it to the one place that needs it.")
