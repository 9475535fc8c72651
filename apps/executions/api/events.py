"""The history of an execution over HTTP: as pages, and as a stream that goes on until it has ended."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.authentication import api_key, bearer_token
from apps.core.api.renderers import JsonRenderer
from apps.core.api.serializers import ErrorSerializer
from apps.engine.errors import InvalidError
from apps.engine.statuses import SETTLED_EXECUTION
from apps.executions import queries
from apps.executions.api.serializers import EventOutput, EventsOutput, EventsQuery
from apps.executions.api.streaming import HistoryReader
from apps.realtime.identity import WhoNow, by_session, by_token
from apps.realtime.streams import stream_response

JSON, EVENT_STREAM = JsonRenderer.media_type, "text/event-stream"
LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    str,
    OpenApiParameter.HEADER,
    description="Of a stream: number of the last event that the client has; it goes on after that. It goes before `after`.",
)


class InvalidLastEventIdError(InvalidError):
    """It is no number of an event of this execution."""

    code = "invalid_last_event_id"


class EventStreamRenderer(JsonRenderer):
    """Stands for streams where representations are chosen; what it renders itself are errors, as JSON."""

    media_type = EVENT_STREAM
    format = "stream"


class EventsView(APIView):
    renderer_classes = (JsonRenderer, EventStreamRenderer)

    @extend_schema(
        operation_id="list_events",
        tags=["executions"],
        parameters=[EventsQuery, LAST_EVENT_ID],
        responses={
            (200, JSON): EventsOutput,
            (200, EVENT_STREAM): OpenApiTypes.STR,
            204: OpenApiResponse(description="Of a stream: it has ended, and the client has all of it. An EventSource stops then."),
            (404, JSON): ErrorSerializer,
            (422, JSON): ErrorSerializer,
            (429, JSON): ErrorSerializer,
        },
    )
    def get(self, request: Request, execution_id: UUID) -> HttpResponseBase:
        """The history of an execution, oldest first. With `Accept: text/event-stream` as Server-Sent Events, until it has ended.

        Each event has its number as `id`. Events are `execution.changed`, the last is `execution.ended` and has the result too.
        """
        after = EventsQuery.read_query(request)["after"]
        if isinstance(request.accepted_renderer, EventStreamRenderer):
            return _stream(request, execution_id, after)
        queries.check_visible(request.user, execution_id)
        events = list(queries.list_events(request.user, execution_id, after=after))
        is_full = len(events) == queries.MAX_EVENTS
        url = reverse("events", args=[execution_id])
        return Response({"next": f"{url}?after={events[-1].sequence}" if is_full else None, "results": EventOutput(events, many=True).data})

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(response, Response):
            request.accepted_renderer, request.accepted_media_type = JsonRenderer(), JsonRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)


def _stream(request: Request, execution_id: UUID, after: int) -> HttpResponseBase:
    newest, status = queries.get_progress(request.user, execution_id)
    after = _last_event_id(request, after)
    if after > newest:
        message = f"The newest event of the execution is {newest}, found {after}: expected the id of an event of this execution."
        raise InvalidLastEventIdError(message, header="Last-Event-ID")
    if after == newest and status in SETTLED_EXECUTION:
        return HttpResponse(status=204)
    reader = HistoryReader(request.user, execution_id, _who(request))
    return stream_response(followed_id=execution_id, person_id=request.user.pk, after=after, read=reader)


def _last_event_id(request: Request, otherwise: int) -> int:
    text = request.headers.get("Last-Event-ID", "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidLastEventIdError("Expected the number of an event in Last-Event-ID.", header="Last-Event-ID")
    return int(text)


def _who(request: Request) -> WhoNow:
    """Says again and again, for as long as the answer goes on, who has sent the request."""
    token = bearer_token(request) or api_key(request)
    return by_token(token) if token else by_session(request._request.session.session_key)
