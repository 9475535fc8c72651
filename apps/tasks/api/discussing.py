"""Comments and attachments of tasks over HTTP."""

from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import quote
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core import object_store
from apps.core.api.parsers import read_bounded
from apps.core.api.serializers import ErrorSerializer
from apps.tasks import queries
from apps.tasks.api.serializers import AttachmentOutput, AttachmentQuery, CommentInput, CommentOutput
from apps.tasks.discussing import attach, comment, get_attachment

REFUSED = dict.fromkeys((403, 404, 409, 413, 422), ErrorSerializer)
MAX_CONTENT_TYPE = 127


class CommentsView(APIView):
    @extend_schema(operation_id="list_task_comments", tags=["tasks"], responses={200: CommentOutput(many=True), 404: ErrorSerializer})
    def get(self, request: Request, task_id: int) -> Response:
        """What was said about a task, the oldest first; at most 1,000."""
        rows = queries.get_task(request.user, task_id).comments.select_related("user").order_by("created_at", "id")
        return Response(CommentOutput(rows, many=True).data)

    @extend_schema(operation_id="comment_task", tags=["tasks"], request=CommentInput, responses={201: CommentOutput, **REFUSED})
    def post(self, request: Request, task_id: int) -> Response:
        """Say something about a task, open or closed."""
        data = CommentInput.read_body(request)
        made = comment(task=queries.get_task(request.user, task_id), user=request.user, text=data["text"])
        return Response(CommentOutput(made).data, status=201)


class BytesParser(BaseParser):
    """Whatever comes, as bytes."""

    media_type = "*/*"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return read_bounded(stream)


class AttachmentsView(APIView):
    parser_classes = [BytesParser]

    @extend_schema(operation_id="list_task_attachments", tags=["tasks"], responses={200: AttachmentOutput(many=True), 404: ErrorSerializer})
    def get(self, request: Request, task_id: int) -> Response:
        """Files of a task, the oldest first; at most 20."""
        rows = queries.get_task(request.user, task_id).attachments.select_related("user").order_by("created_at", "id")
        return Response(AttachmentOutput(rows, many=True).data)

    @extend_schema(
        operation_id="attach_to_task",
        tags=["tasks"],
        parameters=[AttachmentQuery],
        request={"*/*": OpenApiTypes.BINARY},
        responses={201: AttachmentOutput, **REFUSED},
    )
    def post(self, request: Request, task_id: int) -> Response:
        """Attach a file to an open task: its bytes are the body, its kind the Content-Type."""
        query = AttachmentQuery.read_query(request)
        task = queries.get_task(request.user, task_id)
        content_type = (request.content_type or "application/octet-stream")[:MAX_CONTENT_TYPE]
        data = request.data if isinstance(request.data, bytes) else b""
        made = attach(task=task, user=request.user, name=query["name"], content_type=content_type, data=data)
        return Response(AttachmentOutput(made).data, status=201)


class AttachmentView(APIView):
    @extend_schema(
        operation_id="download_task_attachment",
        tags=["tasks"],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 404: ErrorSerializer},
    )
    def get(self, request: Request, task_id: int, attachment_id: UUID) -> HttpResponse:
        """The bytes of a file. They are always offered as a download: what people attach is never a page of ours."""
        found = get_attachment(queries.get_task(request.user, task_id), attachment_id)
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name)}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
        }
        return HttpResponse(object_store.get(found.ref), content_type="application/octet-stream", headers=headers)
