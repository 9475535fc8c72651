"""The audit log over HTTP."""

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.audit import actions, queries
from apps.audit.api.pages import ByNumber
from apps.audit.api.serializers import EntriesQuery, EntryOutput, ExportQuery, VerifiedOutput, VerifyQuery
from apps.audit.export import CONTENT_TYPES, written
from apps.audit.queries import Filters
from apps.core.api.serializers import ErrorSerializer

PAGE_PARAMETERS = frozenset({"cursor", "limit"})


class AuditView(APIView):
    pagination_class = ByNumber

    @extend_schema(
        operation_id="list_audit_entries",
        tags=["audit"],
        parameters=[EntriesQuery],
        responses={200: EntryOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """Who did what, newest first, in the workspaces whose log the caller may read."""
        filters = Filters(**EntriesQuery.read_query(request, besides=PAGE_PARAMETERS))
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_entries(request.user, filters), request)
        return pages.get_paginated_response(EntryOutput(rows, many=True).data)


class AuditExportView(APIView):
    @extend_schema(
        operation_id="export_audit_entries",
        tags=["audit"],
        parameters=[ExportQuery],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/x-ndjson"): OpenApiTypes.STR, 422: ErrorSerializer},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """All that the list would show, as one file: CSV, in which no cell is a formula, or one JSON object a line."""
        data = ExportQuery.read_query(request)
        kind = data.pop("format")
        found = queries.list_entries(request.user, Filters(**data))
        actions.note_export(user=request.user, kind=kind, filters=data)
        name = f"audit-{timezone.now():%Y-%m-%d}.{kind}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
        return StreamingHttpResponse(written(queries.entries_in_parts(found), kind=kind), content_type=CONTENT_TYPES[kind], headers=headers)


class AuditVerifyView(APIView):
    @extend_schema(
        operation_id="verify_audit_entries",
        tags=["audit"],
        parameters=[VerifyQuery],
        responses={200: VerifiedOutput, 403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """Check that the log of a workspace is as it was written, and say where it is not."""
        data = VerifyQuery.read_query(request)
        workspace_id = queries.chain_to_verify(request.user, data["workspace"])
        verified = queries.verify(workspace_id, after=data["after"])
        return Response(
            {
                "workspace": workspace_id,
                "is_intact": verified.is_intact,
                "checked": verified.checked,
                "next": verified.last_id,
                "broken_id": verified.broken_id,
                "fault": verified.fault,
            }
        )
