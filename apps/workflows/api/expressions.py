"""Checking an expression before it stands in a definition."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.serializers import AnyJson, ErrorSerializer, InputSerializer, JsonObject
from apps.engine.definition import parse_definition
from apps.engine.expressions import ExpressionError, Names, Scope, Template, check_template

MAX_NAMES = 1000


class NamesInput(InputSerializer):
    inputs = serializers.ListField(child=serializers.CharField(max_length=256), max_length=MAX_NAMES, required=False, default=list)
    variables = serializers.ListField(child=serializers.CharField(max_length=256), max_length=MAX_NAMES, required=False, default=list)


class SampleInput(InputSerializer):
    """Values to evaluate it with."""

    input = JsonObject(required=False, default=dict)
    variables = JsonObject(required=False, default=dict)
    nodes = JsonObject(required=False, default=dict, help_text="{node key: its output}")
    execution = JsonObject(required=False, default=dict)
    env = JsonObject(required=False, default=dict)


class ExpressionInput(InputSerializer):
    expression = serializers.CharField(
        max_length=100_000, trim_whitespace=False, help_text="`amount > 1000`, or text with expressions in it: `Dear ${input.name}`."
    )
    definition = AnyJson(required=False, default=None, help_text="Whose inputs and variables are the bare names.")
    names = NamesInput(required=False, default=None, help_text="The bare names, in place of a definition. Without either: the sample's.")
    sample = SampleInput(required=False, default=None, help_text="With it the answer has the value.")


class ExpressionFaultOutput(serializers.Serializer[Any]):
    message = serializers.CharField()
    offset = serializers.IntegerField(allow_null=True, help_text="Characters of the expression before the fault.")
    line = serializers.IntegerField(allow_null=True)
    column = serializers.IntegerField(allow_null=True)
    suggestion = serializers.CharField(allow_null=True, help_text="The nearest name that would be right.")


class ExpressionOutput(serializers.Serializer[Any]):
    is_valid = serializers.BooleanField(help_text="It compiles and, with a sample, has a value.")
    errors = ExpressionFaultOutput(many=True)
    nodes = serializers.ListField(child=serializers.CharField(), help_text="Keys of the nodes that it reads.")
    value = AnyJson(help_text="Its value with the sample; null without one.")


class ExpressionCheckView(APIView):
    @extend_schema(
        operation_id="check_expression",
        tags=["expressions"],
        request=ExpressionInput,
        responses={200: ExpressionOutput, 422: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        """Compile an expression and, with a sample, evaluate it. The language is CEL: it has no side effects and is bounded."""
        data = ExpressionInput.read_body(request)
        text: str = data["expression"]
        template, faults = check_template(text if "${" in text else f"${{{text}}}", _names(data))
        value, fault = _evaluate(template, data["sample"]) if data["sample"] is not None and not faults else (None, None)
        found = [*faults, *([fault] if fault else [])]
        body = {"is_valid": not found, "errors": [_shown(each) for each in found], "nodes": sorted(template.nodes), "value": value}
        return Response(body)


def _names(data: dict[str, Any]) -> Names:
    if data["definition"] is not None:
        return Names.of(parse_definition(data["definition"]))
    if data["names"] is not None:
        return Names(frozenset(data["names"]["inputs"]), frozenset(data["names"]["variables"]))
    sample = data["sample"] or {"input": {}, "variables": {}}
    return Names(frozenset(sample["input"]), frozenset(sample["variables"]))


def _evaluate(template: Template, sample: dict[str, Any]) -> tuple[Any, ExpressionError | None]:
    try:
        return template.resolve(Scope(**sample)), None
    except ExpressionError as error:
        return None, error


def _shown(error: ExpressionError) -> dict[str, Any]:
    details = error.details
    return {"message": error.message, **{name: details.get(name) for name in ("offset", "line", "column", "suggestion")}}
