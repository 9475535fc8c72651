"""What share links open, to people without an account.

The token stands in the address, so the answers keep it from going further: no referrer, no index, no cache. Whatever is wrong with a
token is answered alike.
"""

from typing import Any
from urllib.parse import unquote
from uuid import UUID

from allauth.core.internal.ratelimit import get_ip
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core import fence
from apps.core.api.serializers import AnyJson, ErrorSerializer, InputSerializer, JsonObject
from apps.core.depth import depth_in
from apps.executions import queries
from apps.executions.api.serializers import STATUSES
from apps.executions.links import get_started, start_by_link
from apps.executions.models import Execution
from apps.workflows import links
from apps.workflows.api.lookup import limit
from apps.workflows.levels import Level
from apps.workflows.models import ShareLink

HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}
PASSWORD = OpenApiParameter(
    "X-Link-Password", str, OpenApiParameter.HEADER, description="Of a link that asks for one: UTF-8, percent-encoded."
)
OPENED = {401: ErrorSerializer, 403: ErrorSerializer, 404: ErrorSerializer, 429: ErrorSerializer}


class SharedStartInput(InputSerializer):
    input = JsonObject(required=False, default=dict)
    password = serializers.CharField(
        max_length=256, required=False, default=None, trim_whitespace=False, help_text="In place of the header X-Link-Password."
    )


class LinkAcceptInput(InputSerializer):
    password = serializers.CharField(max_length=256, required=False, default=None, trim_whitespace=False)


class SharedWorkflowOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    description = serializers.CharField()
    level = serializers.ChoiceField(choices=[Level.VIEWER.value, Level.EXECUTOR.value])
    is_startable = serializers.BooleanField(help_text="By this link, at the moment.")
    inputs = JsonObject(help_text="JSON Schema of what a start takes.")
    definition = JsonObject(allow_null=True, help_text="Of the published version, for viewers; null: none is published.")


class SharedStartedOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.CharField(help_text="Where to ask for the result.")


class SharedExecutionOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=STATUSES)
    output = AnyJson(help_text="Null until it has ended, and where it is large: see `output_url`.")
    output_url = serializers.CharField(allow_null=True, help_text="Where a large output is.")
    error = JsonObject(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class AcceptedOutput(serializers.Serializer[Any]):
    workflow = serializers.UUIDField()
    is_new = serializers.BooleanField(help_text="False when the caller could do as much before; that is no use of the link.")


class _LinkView(APIView):
    """Adds the headers to every answer, errors too."""

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in HEADERS.items():
            response[name] = value
        return response

    def _open(self, request: Request, token: str, *allowed: Level, password: str | None = None) -> ShareLink:
        """The link of a token, for one of these levels, with the right password."""
        link = links.get_link(token)
        _check_password(request, link, password)
        links.check_link_level(link, *allowed)
        return link


class _PublicLinkView(_LinkView):
    """Open to whoever has the link: it reads no cookie, so that no other site can act through it."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class SharedView(_PublicLinkView):
    @extend_schema(
        operation_id="open_link", tags=["shared"], parameters=[PASSWORD], auth=[], responses={200: SharedWorkflowOutput, **OPENED}
    )
    def get(self, request: Request, token: str) -> Response:
        """The workflow of a link: to viewers with its definition, which is one use of the link; to executors what a start takes."""
        link = self._open(request, token, Level.VIEWER, Level.EXECUTOR)
        if link.level == Level.VIEWER:
            links.use_link(link=link)
        return Response(_workflow(link))


class SharedStartView(_PublicLinkView):
    @extend_schema(
        operation_id="start_by_link",
        tags=["shared"],
        parameters=[PASSWORD],
        request=SharedStartInput,
        auth=[],
        responses={202: SharedStartedOutput, 409: ErrorSerializer, 422: ErrorSerializer, **OPENED},
    )
    def post(self, request: Request, token: str) -> Response:
        """Start it. That is one use of the link, unless the input is refused."""
        data = SharedStartInput.read_body(request)
        link = self._open(request, token, Level.EXECUTOR, password=data["password"])
        limit(request, "link_start", _of_caller(request, link))
        limit(request, "link_start_all", str(link.pk))
        started = start_by_link(link=link, input=data["input"], depth=depth_in(request.headers))
        url = reverse("shared-execution", args=[token, started.execution_id])
        return Response({"id": started.execution_id, "url": url}, status=202, headers={"Location": url})


class SharedExecutionView(_PublicLinkView):
    @extend_schema(operation_id="get_shared_execution", tags=["shared"], auth=[], responses={200: SharedExecutionOutput, **OPENED})
    def get(self, request: Request, token: str, execution_id: UUID) -> Response:
        """Status and result of an execution that this link has started, also when that was its last use. No password is asked again."""
        execution = get_started(links.get_link(token, may_be_used_up=True), execution_id)
        return Response(_execution(execution, token))


class SharedOutputView(_PublicLinkView):
    @extend_schema(operation_id="get_shared_output", tags=["shared"], auth=[], responses={200: OpenApiTypes.ANY, **OPENED})
    def get(self, request: Request, token: str, execution_id: UUID) -> HttpResponse:
        """The output of an execution that this link has started, however large."""
        execution = get_started(links.get_link(token, may_be_used_up=True), execution_id)
        return HttpResponse(queries.execution_output(execution), content_type="application/json")


class AcceptView(_LinkView):
    @extend_schema(
        operation_id="accept_link",
        tags=["shared"],
        parameters=[PASSWORD],
        request=LinkAcceptInput,
        responses={200: AcceptedOutput, 422: ErrorSerializer, **OPENED},
    )
    def post(self, request: Request, token: str) -> Response:
        """Take the share that an editor link offers to people with an account. It stays when the link ends."""
        password = LinkAcceptInput.read_body(request)["password"]
        with fence.lifted():  # the link is what lets the person in
            link = self._open(request, token, Level.EDITOR, password=password)
            grant = links.accept_link(link=link, user=request.user)
        return Response({"workflow": link.workflow_id, "is_new": grant is not None})


def _check_password(request: Request, link: ShareLink, in_body: str | None) -> None:
    """Raise LinkPasswordError, or TooManyTriesError; the hash is slow, so the limit comes first. A right one is no try."""
    if not link.password:
        return
    header = request.headers.get("X-Link-Password")
    password = in_body if in_body is not None else unquote(header) if header is not None else None
    if password is None:
        raise links.LinkPasswordError("This link asks for a password: in the header X-Link-Password, or in the body.")
    tries = limit(request, "link_password", _of_caller(request, link)), limit(request, "link_password_all", str(link.pk))
    if not links.is_password_right(link, password):
        raise links.LinkPasswordError("The password of the link is wrong.")
    for each in tries:
        each.rollback()


def _of_caller(request: Request, link: ShareLink) -> str:
    return f"{link.pk} {get_ip(request._request)}"


def _workflow(link: ShareLink) -> dict[str, Any]:
    workflow, version = link.workflow, link.workflow.published_version
    is_viewer = link.level == Level.VIEWER
    return {
        "name": workflow.name,
        "description": workflow.description,
        "level": link.level,
        "is_startable": not is_viewer and version is not None and workflow.archived_at is None,
        "inputs": version.start.get("input_schema", {}) if version else {},
        "definition": version.definition if version and is_viewer else None,
    }


def _execution(execution: Execution, token: str) -> dict[str, Any]:
    is_stored = execution.output_ref is not None
    return {
        "id": execution.pk,
        "status": execution.status,
        "output": execution.output,
        "output_url": reverse("shared-output", args=[token, execution.pk]) if is_stored else None,
        "error": execution.error,
        "created_at": execution.created_at,
        "finished_at": execution.finished_at,
    }
