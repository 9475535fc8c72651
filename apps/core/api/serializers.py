"""Serializers for what comes in."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request


class InputSerializer(serializers.Serializer[Any]):
    """Reads a body or query and refuses keys that it does not know, with the nearest known one.

    Its fields keep nothing of a request, so that one set of them serves all; making them takes longer than reading with them.
    """

    _shared_fields: ClassVar[Any] = None

    @property
    def fields(self) -> Any:
        kind = type(self)
        if self.partial:  # as the description of the API makes one for PATCH; its fields would ask for nothing ever after
            return super().fields
        if "_shared_fields" not in kind.__dict__:
            kind._shared_fields = super().fields
        return kind._shared_fields

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := [name for name in data if name not in self.fields]):
            raise serializers.ValidationError({name: [self._unknown(name)] for name in unknown[:20]})
        return super().to_internal_value(data)

    def _unknown(self, name: str) -> serializers.ErrorDetail:  # type: ignore[name-defined]
        near = get_close_matches(name[:80], self.fields, n=1)
        hint = f" Is '{near[0]}' meant?" if near else f" Known are {', '.join(self.fields)}."
        return serializers.ErrorDetail(f"Unknown key.{hint}", code="unknown_key")  # type: ignore[attr-defined]

    @classmethod
    def read_body(cls, request: Request) -> dict[str, Any]:
        """The checked body."""
        return _checked(cls(data=request.data))

    @classmethod
    def read_query(cls, request: Request, *, besides: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The checked query string.

        besides   names of parameters that somebody else reads
        """
        return _checked(cls(data={name: value for name, value in request.query_params.items() if name not in besides}))


def _checked(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data  # type: ignore[no-any-return]


@extend_schema_field({})
class AnyJson(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value; the parser has checked that it is one."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        # null is a value like any other; with `allow_null` the description would name it twice.
        return (True, None) if data is None else super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": {}})
class JsonObject(serializers.Field[Any, Any, Any, Any]):
    """A JSON object of any keys."""

    default_error_messages = {"not_an_object": "Expected an object, found {found}."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_an_object", found={list: "an array", str: "a text", bool: "a boolean"}.get(type(data), "a number"))
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error answer."""

    code = serializers.CharField(help_text="Stable, for programs.")
    message = serializers.CharField(help_text="What was found and what was expected.")
    details = JsonObject(help_text='Data that locates the fault, such as {"errors": [{"pointer", "message"}]}.')
