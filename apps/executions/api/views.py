"""Executions and node runs over HTTP; `starting` starts them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.executions import actions, queries
from apps.executions.api.relations import RelationsOutput, relations_body
from apps.executions.api.serializers import (
    ChildOutput,
    ExecutionOutput,
    ExecutionSummaryOutput,
    ExecutionWithNodeRunsOutput,
    IterationOutput,
    IterationsOutput,
    IterationsQuery,
    ListQuery,
    NodeRunDetailOutput,
    NodeRunOutput,
    NodeRunsOutput,
    NodeRunsQuery,
    PathQuery,
    ResolveInput,
    StatusOutput,
)
from apps.executions.api.starting import ExecutionStartView
from apps.executions.models import Iteration, NodeRun
from apps.executions.notes import with_notes
from apps.executions.queries import Filters
from apps.executions.waiting import with_waiting

PAGE_PARAMETERS = frozenset({"cursor", "limit"})
NOT_FOUND = {404: ErrorSerializer}
MOVED = {200: StatusOutput, 404: ErrorSerializer, 409: ErrorSerializer}
REFUSED = {404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}
JSON_VALUE = OpenApiTypes.ANY


class ExecutionDetailOutput(RelationsOutput, ExecutionWithNodeRunsOutput):
    """One execution with its node runs, and what it has to do with others."""

    class Meta(ExecutionWithNodeRunsOutput.Meta):
        fields = [*ExecutionWithNodeRunsOutput.Meta.fields, "follows", "follow_ups", "compensation"]
        read_only_fields = fields


class ExecutionsView(ExecutionStartView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_executions",
        tags=["executions"],
        parameters=[ListQuery],
        responses={200: ExecutionSummaryOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The executions that the caller may see, newest first."""
        filters = Filters(**ListQuery.read_query(request, besides=PAGE_PARAMETERS))
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_executions(request.user, filters), request)
        with_waiting(rows)
        return pages.get_paginated_response(ExecutionSummaryOutput(rows, many=True).data)


@method_decorator(conditional_page, name="dispatch")
class ExecutionView(APIView):
    @extend_schema(
        operation_id="get_execution",
        tags=["executions"],
        parameters=[
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The `ETag` of an earlier answer."),
            OpenApiParameter("ETag", str, OpenApiParameter.HEADER, description="Of this very answer.", response=[200]),
        ],
        responses={200: ExecutionDetailOutput, 304: OpenApiResponse(description="It is as it was."), **NOT_FOUND},
    )
    def get(self, request: Request, execution_id: UUID) -> Response:
        """One execution with its node runs, what has started it, and what it has started. 304: as with the `ETag` of the request."""
        execution = queries.get_execution(request.user, execution_id)
        with_waiting([execution])
        page = _node_runs_page(execution_id, queries.list_node_runs(request.user, execution_id))
        children = ChildOutput(queries.list_children(request.user, execution_id), many=True).data
        body = {**ExecutionOutput(execution).data, **relations_body(request.user, execution), "children": children}
        return Response({**body, "node_runs": page["results"], "node_runs_next": page["next"]})


class ExecutionOutputView(APIView):
    @extend_schema(operation_id="get_execution_output", tags=["executions"], responses={200: JSON_VALUE, **NOT_FOUND})
    def get(self, request: Request, execution_id: UUID) -> HttpResponse:
        """The output of an execution, however large."""
        return _json(queries.execution_output(queries.get_execution(request.user, execution_id)))


class NodeRunsView(APIView):
    @extend_schema(
        operation_id="list_node_runs", tags=["executions"], parameters=[NodeRunsQuery], responses={200: NodeRunsOutput, **NOT_FOUND}
    )
    def get(self, request: Request, execution_id: UUID) -> Response:
        """The node runs of an execution in the order in which they became ready, at most a thousand."""
        only = NodeRunsQuery.read_query(request)
        after = only.pop("after")
        queries.check_visible(request.user, execution_id)
        return Response(_node_runs_page(execution_id, queries.list_node_runs(request.user, execution_id, after=after, **only), **only))


class IterationsView(APIView):
    @extend_schema(
        operation_id="list_iterations", tags=["executions"], parameters=[IterationsQuery], responses={200: IterationsOutput, **NOT_FOUND}
    )
    def get(self, request: Request, execution_id: UUID) -> Response:
        """The iterations of the loops of an execution in the order in which they began, at most a thousand."""
        given = IterationsQuery.read_query(request)
        columns = {"node": "key", "path": "loop_path", "status": "status"}
        only = {column: given[name] for name, column in columns.items() if name in given}
        queries.check_visible(request.user, execution_id)
        rows = list(queries.list_iterations(request.user, execution_id, after=given.pop("after"), **only))
        url = reverse("iterations", args=[execution_id])
        return Response({"next": _next(url, rows, given), "results": IterationOutput(rows, many=True).data})


class NodeRunView(APIView):
    @extend_schema(
        operation_id="get_node_run", tags=["executions"], parameters=[PathQuery], responses={200: NodeRunDetailOutput, **NOT_FOUND}
    )
    def get(self, request: Request, execution_id: UUID, key: str) -> Response:
        """One node run with its input and output."""
        path = PathQuery.read_query(request)["path"]
        return _node_run(queries.get_node_run(request.user, execution_id, key, path))


class NodeRunOutputView(APIView):
    @extend_schema(
        operation_id="get_node_run_output", tags=["executions"], parameters=[PathQuery], responses={200: JSON_VALUE, **NOT_FOUND}
    )
    def get(self, request: Request, execution_id: UUID, key: str) -> HttpResponse:
        """The output of a node run, however large."""
        path = PathQuery.read_query(request)["path"]
        return _json(queries.node_run_output(queries.get_node_run(request.user, execution_id, key, path)))


class ResolveView(APIView):
    @extend_schema(
        operation_id="resolve_node_run", tags=["executions"], request=ResolveInput, responses={200: NodeRunDetailOutput, **REFUSED}
    )
    def post(self, request: Request, execution_id: UUID, key: str) -> Response:
        """Say what became of an uncertain node run, whose worker died in the middle of its effect."""
        data = ResolveInput.read_body(request)
        path = data.pop("path")
        queries.check_operable(request.user, execution_id)
        node_run = queries.get_node_run(request.user, execution_id, key, path)
        actions.resolve_uncertain(node_run_id=node_run.id, **data)
        return _node_run(queries.get_node_run(request.user, execution_id, key, path))


class _MoveView(APIView):
    """Calls one action that moves the execution's status."""

    move: Callable[..., str]

    def _moved(self, request: Request, execution_id: UUID) -> Response:
        queries.check_operable(request.user, execution_id)
        return Response({"id": execution_id, "status": type(self).move(execution_id=execution_id)})


class CancelView(_MoveView):
    move = staticmethod(actions.cancel_execution)

    @extend_schema(operation_id="cancel_execution", tags=["executions"], request=None, responses=MOVED)
    def post(self, request: Request, execution_id: UUID) -> Response:
        """Ask it to stop. What runs is asked first, and loses its claim after 30 seconds."""
        return self._moved(request, execution_id)


class PauseView(_MoveView):
    move = staticmethod(actions.pause_execution)

    @extend_schema(operation_id="pause_execution", tags=["executions"], request=None, responses=MOVED)
    def post(self, request: Request, execution_id: UUID) -> Response:
        """Let nothing new begin; what runs finishes."""
        return self._moved(request, execution_id)


class ResumeView(_MoveView):
    move = staticmethod(actions.resume_execution)

    @extend_schema(operation_id="resume_execution", tags=["executions"], request=None, responses=MOVED)
    def post(self, request: Request, execution_id: UUID) -> Response:
        """Go on after a pause."""
        return self._moved(request, execution_id)


def _node_runs_page(execution_id: UUID, node_runs: Sequence[NodeRun], **only: str) -> dict[str, Any]:
    rows = list(node_runs)
    with_notes(execution_id, rows)
    return {"next": _next(reverse("node-runs", args=[execution_id]), rows, only), "results": NodeRunOutput(rows, many=True).data}


def _next(url: str, rows: Sequence[NodeRun | Iteration], only: Mapping[str, str]) -> str | None:
    """Address of the page after these rows, None after the last."""
    return f"{url}?{urlencode({**only, 'after': rows[-1].id})}" if len(rows) == queries.MAX_NODE_RUNS else None


def _node_run(node_run: NodeRun) -> Response:
    with_notes(node_run.execution_id, [node_run])
    return Response(NodeRunDetailOutput(node_run).data)


def _json(text: bytes) -> HttpResponse:
    return HttpResponse(text, content_type="application/json")
