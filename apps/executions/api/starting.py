"""Starting executions over HTTP. The hot path: two queries, one of them the start itself."""

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.core.api.serializers import ErrorSerializer
from apps.core.depth import depth_in
from apps.executions import actions, queries
from apps.executions.actions import Start, Started
from apps.executions.api.answers_once import IDEMPOTENCY_KEY, IS_REPLAYED, Made, made_once
from apps.executions.api.serializers import BulkStartedOutput, BulkStartInput, StartedOutput, StartInput
from apps.executions.api.waits import ACCEPTED_HEADERS, PREFER, RETRY_AFTER_SECONDS, Wanted, result_within
from apps.executions.breakpoints import Breakpoint, start_test_run
from apps.executions.callbacks import start_calling_back
from apps.workflows.queries import Startable, get_startable, get_startable_version

ERRORS = {404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}


class ExecutionStartView(APIView):
    @extend_schema(
        operation_id="start_execution",
        tags=["executions"],
        request=StartInput,
        parameters=[IDEMPOTENCY_KEY, PREFER, *ACCEPTED_HEADERS, IS_REPLAYED],
        responses={200: StartedOutput, 202: StartedOutput, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Start an execution. 202: it is accepted; `links` say where to ask for it and where to follow it.

        200: it has ended within the time that the request waits (`wait`, or the header `Prefer: wait=10`), well or not: see `status`.
        """
        data = StartInput.read_body(request)
        target = _target(request.user, data)
        wanted = Wanted(request, data["wait"])
        workspace_id = target.workflow.workspace_id

        def start() -> dict[str, Any]:
            url = data["callback_url"]
            [started] = start_calling_back(workspace_id=workspace_id, url=url, start=lambda: [_start(request, target, data)])
            return _accepted(started)

        return answer(made_once(request, workspace_id=workspace_id, make=start), wanted)


class BulkStartView(APIView):
    @extend_schema(
        operation_id="start_executions",
        tags=["executions"],
        request=BulkStartInput,
        parameters=[IDEMPOTENCY_KEY, IS_REPLAYED],
        responses={202: BulkStartedOutput, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Start up to 1,000 executions of one version in one transaction: all or none."""
        data = BulkStartInput.read_body(request)
        target = _target(request.user, data)
        workspace_id = target.workflow.workspace_id

        def start() -> dict[str, Any]:
            url = data["callback_url"]
            started = start_calling_back(workspace_id=workspace_id, url=url, start=lambda: _start_all(request, target, data))
            return {"executions": [{"id": one.execution_id, "created": one.created} for one in started]}

        made = made_once(request, workspace_id=workspace_id, make=start)
        return Response(made.body, status=202, headers=made.headers)


def answer(made: Made, wanted: Wanted) -> Response:
    """What is told of an execution that was made: its result where the request waits and it ends in time, else that it is accepted."""
    execution_id = made.body["id"]
    result = result_within(UUID(str(execution_id)), wanted.seconds) if wanted.seconds else None
    headers = {"Location": made.body["links"]["self"], **made.headers, **wanted.headers(has_ended=result is not None)}
    if result is None:
        return Response(made.body, status=202, headers={**headers, "Retry-After": str(RETRY_AFTER_SECONDS)})
    return Response({**made.body, **result}, status=200, headers=headers)


def links_of(execution_id: UUID) -> dict[str, str]:
    """Where an execution is asked for, followed, and stopped."""
    address = reverse("execution", args=[execution_id])
    return {
        "self": address,
        "events": f"{address}/events",
        "output": f"{address}/output",
        "cancel": f"{address}/cancel",
        "socket": f"/ws/executions/{execution_id}",
    }


def _start(request: Request, target: Startable, data: dict[str, Any]) -> Started:
    start = {
        "workflow": target.workflow,
        "version": target.version,
        "input": data["input"],
        "started_by": request.user,
        "business_key": data["business_key"],
        "priority": data["priority"],
        "depth": depth_in(request.headers),
    }
    if data["breakpoints"] is None:
        return actions.start_execution(**start)
    return start_test_run(**start, breakpoints=[Breakpoint(**each) for each in data["breakpoints"]])


def _start_all(request: Request, target: Startable, data: dict[str, Any]) -> list[Started]:
    return actions.start_executions(
        workflow=target.workflow,
        version=target.version,
        starts=[Start(**start) for start in data["starts"]],
        started_by=request.user,
        priority=data["priority"],
        depth=depth_in(request.headers),
    )


def _target(user: User, data: dict[str, Any]) -> Startable:
    return get_startable(user, data["workflow"]) if data["version"] is None else get_startable_version(user, data["version"])


def _accepted(started: Started) -> dict[str, Any]:
    """The body of an execution that was made just now. Only of one in line it has to be asked whether it still is."""
    return {
        "id": started.execution_id,
        "status": queries.get_result(started.execution_id)["status"] if started.is_limited else "running",
        "output": None,
        "output_url": None,
        "error": None,
        "finished_at": None,
        "links": links_of(started.execution_id),
    }
