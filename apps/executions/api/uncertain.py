"""The node runs that wait for a decision, over HTTP; `views.ResolveView` takes it."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.serializers import ErrorSerializer, JsonObject
from apps.executions.api.serializers import EventsQuery
from apps.executions.models import NodeRun
from apps.executions.queries_uncertain import MAX_UNCERTAIN, list_uncertain


class UncertainQuery(EventsQuery):
    workspace = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)


class UncertainOutput(serializers.ModelSerializer[NodeRun]):
    execution = serializers.UUIDField(source="execution_id")
    workspace = serializers.UUIDField(source="workspace_id")
    workflow = serializers.UUIDField(source="workflow_id")
    workflow_name = serializers.CharField()
    error = JsonObject(allow_null=True)
    resolve_url = serializers.SerializerMethodField(help_text="Where to POST the decision.")

    class Meta:
        model = NodeRun
        fields = [
            "execution",
            "workspace",
            "workflow",
            "workflow_name",
            "key",
            "path",
            "attempt",
            "losses",
            "worker",
            "queued_at",
            "started_at",
            "effect_started_at",
            "error",
            "resolve_url",
        ]
        read_only_fields = fields

    def get_resolve_url(self, node_run: NodeRun) -> str:
        return reverse("resolve-node-run", args=[node_run.execution_id, node_run.key])


class UncertainListOutput(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True)
    results = UncertainOutput(many=True)


class UncertainView(APIView):
    @extend_schema(
        operation_id="list_uncertain_node_runs",
        tags=["executions"],
        parameters=[UncertainQuery],
        responses={200: UncertainListOutput, 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """Node runs whose worker died after their effect may have begun, over all executions that the caller may see, oldest first."""
        query = UncertainQuery.read_query(request)
        rows = list(list_uncertain(request.user, **query))
        more = urlencode({**query, "after": rows[-1].id}) if len(rows) == MAX_UNCERTAIN else None
        following = f"{reverse('uncertain-node-runs')}?{more}" if more else None
        return Response({"next": following, "results": UncertainOutput(rows, many=True).data})
