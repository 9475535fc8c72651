"""Starting executions over HTTP. The hot path: two queries, one of them the start itself."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.core.api.serializers import ErrorSerializer
from apps.engine.errors import InvalidError
from apps.engine.statuses import SETTLED_EXECUTION
from apps.executions import actions, queries
from apps.executions.actions import Start, Started
from apps.executions.api.serializers import BulkStartedOutput, BulkStartInput, StartedOutput, StartInput, output_url
from apps.executions.breakpoints import Breakpoint, start_test_run
from apps.executions.wait import PLACES, wait_until_settled
from apps.workflows.queries import Startable, get_startable, get_startable_version

MAX_KEY_LENGTH = 255
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A second start of the workflow with this key answers 200 with the first one's execution; its body is not compared.",
)
ERRORS = {404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}


class InvalidIdempotencyKeyError(InvalidError):
    code = "invalid_idempotency_key"


class ExecutionStartView(APIView):
    @extend_schema(
        operation_id="start_execution",
        tags=["executions"],
        request=StartInput,
        parameters=[IDEMPOTENCY_KEY],
        responses={200: StartedOutput, 201: StartedOutput, 202: StartedOutput, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Start an execution. 201: it ended within `wait`, here is its result. 202: it is accepted and runs.

        200: this idempotency key had started it before.
        """
        data = StartInput.read_body(request)
        target = _target(request.user, data)
        start = {
            "workflow": target.workflow,
            "version": target.version,
            "input": data["input"],
            "started_by": request.user,
            "business_key": data["business_key"],
            "idempotency_key": idempotency_key(request),
            "priority": data["priority"],
        }
        if data["breakpoints"] is None:
            started = actions.start_execution(**start)
        else:
            started = start_test_run(**start, breakpoints=[Breakpoint(**each) for each in data["breakpoints"]])
        result = _result(started, wait_seconds=data["wait"])
        return Response(result, status=_status(started, result), headers={"Location": reverse("execution", args=[started.execution_id])})


class BulkStartView(APIView):
    @extend_schema(
        operation_id="start_executions",
        tags=["executions"],
        request=BulkStartInput,
        responses={202: BulkStartedOutput, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Start up to 1,000 executions of one version in one transaction: all or none."""
        data = BulkStartInput.read_body(request)
        target = _target(request.user, data)
        started = actions.start_executions(
            workflow=target.workflow,
            version=target.version,
            starts=[Start(**start) for start in data["starts"]],
            started_by=request.user,
            priority=data["priority"],
        )
        return Response({"executions": [{"id": one.execution_id, "created": one.created} for one in started]}, status=202)


def _target(user: User, data: dict[str, Any]) -> Startable:
    return get_startable(user, data["workflow"]) if data["version"] is None else get_startable_version(user, data["version"])


def idempotency_key(request: Request) -> str | None:
    """The header Idempotency-Key. Raises InvalidIdempotencyKeyError."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        message = f"Expected 1 to {MAX_KEY_LENGTH} printable ASCII characters in Idempotency-Key, found {len(key)} characters."
        raise InvalidIdempotencyKeyError(message, header="Idempotency-Key")
    return key


def _result(started: Started, *, wait_seconds: float) -> dict[str, Any]:
    """The body of the answer. One that nobody waits for has just begun: that needs no query."""
    result: dict[str, Any] = {"status": "running", "output": None, "output_ref": None, "error": None, "finished_at": None}
    if wait_seconds and PLACES.acquire(blocking=False):
        try:
            wait_until_settled(started.execution_id, wait_seconds)
        finally:
            PLACES.release()
    if wait_seconds or not started.created or started.is_limited:
        result = queries.get_result(started.execution_id)
    url = output_url(started.execution_id, result.pop("output_ref"))
    return {"id": started.execution_id, "created": started.created, **result, "output_url": url}


def _status(started: Started, result: dict[str, Any]) -> int:
    if not started.created:
        return 200
    return 201 if result["status"] in SETTLED_EXECUTION else 202
