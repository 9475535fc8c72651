"""Events from outside, and the addresses that resume executions."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.limits import consume
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.parsers import read_bounded
from apps.core.api.serializers import AnyJson, ErrorSerializer, InputSerializer
from apps.engine.json_values import loads
from apps.executions import waking
from apps.executions.tokens import MAX_TOKEN_LENGTH

# What says something of the sender's message, and opens nothing anywhere.
SHOWN_HEADERS = ("content-type", "user-agent", "x-request-id", "x-event-id", "x-event-type", "idempotency-key")
NO_TRACES = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}
RESUMED = {
    404: ErrorSerializer,
    409: ErrorSerializer,
    410: ErrorSerializer,
    413: ErrorSerializer,
    422: ErrorSerializer,
    429: ErrorSerializer,
}


class SignalInput(InputSerializer):
    workspace = serializers.UUIDField(required=False, default=None, help_text="Whose executions it may wake; without it your own.")
    event = serializers.CharField(max_length=128, help_text="Name of the event, such as order.paid.")
    correlation_key = AnyJson(required=False, default=None, help_text="Text or number: which of the events of this name.")
    payload = AnyJson(required=False, default=None, help_text="Any JSON: the output of the nodes that it wakes.")
    idempotency_key = serializers.CharField(
        max_length=255, required=False, default=None, help_text="An event with a key that came before wakes nobody again, for 30 days."
    )
    keep_seconds = serializers.FloatField(
        min_value=1,
        max_value=waking.MAX_KEEP_SECONDS,
        required=False,
        default=None,
        help_text="Where nobody waits for it, keep it so long for whoever waits first. Without it, it passes by.",
    )


class SignalOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    created = serializers.BooleanField(help_text="False when this idempotency key had brought the event before.")
    woken = serializers.IntegerField(help_text="Node runs that it has woken.")
    is_kept = serializers.BooleanField(help_text="Whether it waits for somebody to wake.")


class ResumedOutput(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["resumed"])


class SignalsView(APIView):
    @extend_schema(
        operation_id="send_signal",
        tags=["signals"],
        request=SignalInput,
        responses={200: SignalOutput, 202: SignalOutput, **dict.fromkeys((403, 404, 409, 422), ErrorSerializer)},
    )
    def post(self, request: Request) -> Response:
        """Send an event: every node run of the workspace that waits for it goes on. 200: this idempotency key had brought it before."""
        data = SignalInput.read_body(request)
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.EVENT_SEND)
        sent = waking.send_event(workspace=workspace, sent_by=request.user, **data)
        body = {"id": sent.event_id, "created": sent.created, "woken": sent.woken, "is_kept": not sent.is_delivered}
        return Response(body, status=202 if sent.created else 200)


class AnyBodyParser(BaseParser):
    """Whatever comes: JSON and forms as values, other text as text."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        raw = read_bounded(stream)
        kind = (media_type or "").partition(";")[0].strip().lower()
        if kind == "application/json" or kind.endswith("+json"):
            return loads(raw, max_bytes=waking.MAX_PAYLOAD_BYTES) if raw else None
        text = raw.decode("utf-8", "replace").replace("\0", "�")
        return _grouped(parse_qsl(text, keep_blank_values=True)) if kind == "application/x-www-form-urlencoded" else text


class ResumeView(APIView):
    """Open to whoever has the address: it reads no cookie, so that no other site can act through it."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (AnyBodyParser,)

    @extend_schema(operation_id="resume_by_link", tags=["signals"], auth=[], responses={200: ResumedOutput, **RESUMED})
    def get(self, request: Request, token: str) -> Response:
        """As POST, for addresses in mails: programs that look into links before people do will use it up."""
        return self._resume(request, token)

    @extend_schema(operation_id="resume", tags=["signals"], auth=[], request={"*/*": {}}, responses={200: ResumedOutput, **RESUMED})
    def post(self, request: Request, token: str) -> Response:
        """Wake the node run that waits at this address: its output is what this request holds. 409: it has been woken; 410: too late."""
        return self._resume(request, token)

    def _resume(self, request: Request, token: str) -> Response:
        consume(request._request, "resume", key=token[:MAX_TOKEN_LENGTH])
        waking.resume_by_token(token=token, request=_shown(request))
        return Response({"status": "resumed"})

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in NO_TRACES.items():
            response[name] = value
        return response


def _shown(request: Request) -> dict[str, Any]:
    query = [(name, value) for name, values in request.query_params.lists() for value in values]
    return {
        "method": request.method,
        "query": _grouped(query),
        "headers": {name: request.headers[name] for name in SHOWN_HEADERS if name in request.headers},
        "body": request.data if request.method == "POST" and request.stream is not None else None,
    }


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """{name: value, or a list where the name comes more than once}"""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        else:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
    return found
