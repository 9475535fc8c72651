"""Events over HTTP: sent by programs, plain or as CloudEvents, and looked at by people."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.parsers import read_bounded
from apps.core.api.serializers import AnyJson, ErrorSerializer, InputSerializer
from apps.core.depth import depth_in
from apps.engine.errors import NotFoundError
from apps.triggers.events.cloudevents import UnsupportedEventError, read_events
from apps.triggers.events.sending import send_events
from apps.triggers.models import Event

PAGE_PARAMETERS = frozenset({"cursor", "limit"})
ERRORS = dict.fromkeys((400, 403, 404, 413, 415, 422), ErrorSerializer)


class EventNotFoundError(NotFoundError):
    code = "event_not_found"


class EventInput(InputSerializer):
    """A plain event; an array of up to 100 is taken too, and so are CloudEvents."""

    type = serializers.CharField(max_length=128, help_text="Such as order.paid.")
    data = AnyJson(required=False, default=None)
    id = serializers.CharField(max_length=255, required=False, help_text="A second event of its source with it does nothing.")
    source = serializers.CharField(max_length=255, required=False)
    subject = serializers.CharField(max_length=255, required=False, help_text="Correlation key of the nodes that wait for it.")
    time = serializers.DateTimeField(required=False)


class SendQuery(InputSerializer):
    workspace = serializers.UUIDField(required=False, default=None, help_text="Whose workflows hear of it; without it your own.")


class EventsQuery(InputSerializer):
    workspace = serializers.UUIDField(required=False)
    type = serializers.CharField(max_length=128, required=False)
    source = serializers.CharField(max_length=255, required=False)
    subject = serializers.CharField(max_length=255, required=False)
    origin = serializers.ChoiceField(choices=Event.Origin.choices, required=False)


class KeptOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    created = serializers.BooleanField(help_text="False: an event of this source with this id came before.")


class SentOutput(serializers.Serializer[Any]):
    events = KeptOutput(many=True)


class ReceivedEventOutput(serializers.ModelSerializer[Event]):
    workspace = serializers.UUIDField(source="workspace_id")
    started = serializers.ListField(child=serializers.UUIDField(), help_text="Executions that it started.")
    problems = serializers.ListField(child=AnyJson(), help_text="What it could not start, and why.")

    class Meta:
        model = Event
        fields: tuple[str, ...] = (
            *("id", "workspace", "origin", "type", "source", "event_id", "subject", "time", "depth", "created_at", "delivered_at"),
            *("started", "woken", "problems"),
        )
        read_only_fields = fields


class ReceivedEventWithDataOutput(ReceivedEventOutput):
    data = AnyJson()

    class Meta(ReceivedEventOutput.Meta):
        fields = (*ReceivedEventOutput.Meta.fields, "data")
        read_only_fields = fields


class RawParser(BaseParser):
    """The bytes of any body: which kind of event they are, the content type and headers say together."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> bytes:
        return read_bounded(stream)


class EventsView(APIView):
    pagination_class = NewestFirst
    parser_classes = (RawParser,)

    @extend_schema(
        operation_id="list_received_events",
        tags=["events"],
        parameters=[EventsQuery],
        responses={200: ReceivedEventOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """Events of workspaces whose executions the caller may see, newest first, without their data."""
        only = EventsQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(Event.objects.visible_to(request.user).filter(**only).defer("data"), request)
        return pages.get_paginated_response(ReceivedEventOutput(rows, many=True).data)

    @extend_schema(
        operation_id="send_events",
        tags=["events"],
        parameters=[SendQuery],
        request={
            "application/json": EventInput,
            "application/cloudevents+json": {"type": "object", "additionalProperties": {}},
            "application/cloudevents-batch+json": {"type": "array", "items": {"type": "object", "additionalProperties": {}}},
        },
        responses={200: SentOutput, 202: SentOutput, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Send events: workflows that listen start, nodes that wait go on. 200: all of them came before."""
        query = SendQuery.read_query(request)
        workspace = get_workspace(request.user, query["workspace"], Permission.EVENT_SEND)
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.data if isinstance(request.data, bytes) else b""
        try:
            events = read_events(body, content_type=request.content_type or "", headers=headers, max_bytes=settings.MAX_BODY_BYTES)
        except UnsupportedEventError as error:
            raise UnsupportedMediaType(request.content_type, detail=error.message) from error
        kept = send_events(workspace_id=workspace.pk, events=events, origin=Event.Origin.API, sent_by=request.user, depth=depth_in(headers))
        is_any_new = any(one.created for one in kept)
        return Response({"events": [{"id": one.id, "created": one.created} for one in kept]}, status=202 if is_any_new else 200)


class EventView(APIView):
    @extend_schema(operation_id="get_received_event", tags=["events"], responses={200: ReceivedEventWithDataOutput, 404: ErrorSerializer})
    def get(self, request: Request, event_id: UUID) -> Response:
        """One event, with its data and what it started."""
        event = Event.objects.visible_to(request.user).filter(pk=event_id).first()
        if event is None:
            raise EventNotFoundError(f"There is no event {event_id} that you may see.")
        return Response(ReceivedEventWithDataOutput(event).data)
