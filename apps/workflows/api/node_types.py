"""What nodes there are."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.serializers import ErrorSerializer, JsonObject
from apps.nodes import catalog
from apps.nodes.registry import get_type


class PortsOutput(serializers.Serializer[Any]):
    outputs = serializers.ListField(child=serializers.CharField())
    can_fail = serializers.BooleanField(help_text="It has the port `error` too.")


class CredentialSlotOutput(serializers.Serializer[Any]):
    types = serializers.ListField(child=serializers.CharField(), help_text="Names of the credential types that fit.")
    is_required = serializers.BooleanField()


class NodeTypeOutput(serializers.Serializer[Any]):
    """A node type. Effect and ports are those of the example; a node's own may depend on its config."""

    name = serializers.CharField(help_text="What `type` of a node names.")
    version = serializers.IntegerField()
    title = serializers.CharField()
    category = serializers.CharField()
    icon = serializers.CharField()
    description = serializers.CharField()
    help = serializers.CharField()
    effect = serializers.ChoiceField(choices=["pure", "idempotent", "external"])
    queue = serializers.CharField(help_text="Fleet that runs it.")
    ports = PortsOutput()
    credentials = serializers.DictField(child=CredentialSlotOutput(), help_text="{slot: what fits there}")
    errors = serializers.DictField(child=serializers.CharField(), help_text="{code: when it fails with it}")
    verbatim = serializers.ListField(child=serializers.CharField(), help_text="Config fields in which ${ … } is not an expression.")
    config_schema = JsonObject(help_text="JSON Schema of the config.")
    example = JsonObject(help_text="A config that works.")


class ParameterOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    is_required = serializers.BooleanField()


class FunctionOutput(serializers.Serializer[Any]):
    """A Python function that a node of type `function` may call."""

    name = serializers.CharField()
    description = serializers.CharField()
    effect = serializers.ChoiceField(choices=["pure", "idempotent", "external"])
    parameters = ParameterOutput(many=True)


class NodeTypesOutput(serializers.Serializer[Any]):
    node_types = NodeTypeOutput(many=True)
    functions = FunctionOutput(many=True)


class NodeTypesView(APIView):
    @extend_schema(operation_id="list_node_types", tags=["node types"], responses=NodeTypesOutput)
    def get(self, request: Request) -> Response:
        """The installed node types, and the functions that nodes may call."""
        return Response({"node_types": catalog.node_types(), "functions": catalog.functions()})


class NodeTypeView(APIView):
    @extend_schema(operation_id="get_node_type", tags=["node types"], responses={200: NodeTypeOutput, 404: ErrorSerializer})
    def get(self, request: Request, name: str) -> Response:
        """One node type."""
        return Response(catalog.described(get_type(name)))
