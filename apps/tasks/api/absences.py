"""Absences over HTTP."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.tasks import absences
from apps.tasks.api.serializers import AbsenceInput, AbsenceOutput

REFUSED = dict.fromkeys((403, 404, 422), ErrorSerializer)


class AbsencesView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_absences", tags=["tasks"], responses={200: AbsenceOutput(many=True), 422: ErrorSerializer})
    def get(self, request: Request) -> Response:
        """Who is away, or will be, and who stands in; of the caller's workspaces."""
        pages = self.pagination_class()
        rows = pages.paginate_queryset(absences.list_absences(request.user), request)
        return pages.get_paginated_response(AbsenceOutput(rows, many=True).data)

    @extend_schema(operation_id="set_absence", tags=["tasks"], request=AbsenceInput, responses={201: AbsenceOutput, **REFUSED})
    def post(self, request: Request) -> Response:
        """Have somebody do the tasks that are given by name to whoever is away. For others it takes the right to manage members."""
        data = AbsenceInput.read_body(request)
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.TASK_WORK)
        return Response(AbsenceOutput(absences.set_absence(workspace=workspace, set_by=request.user, **data)).data, status=201)


class AbsenceView(APIView):
    @extend_schema(operation_id="end_absence", tags=["tasks"], responses={204: None, **REFUSED})
    def delete(self, request: Request, absence_id: UUID) -> Response:
        """End it now."""
        absences.end_absence(absence=absences.get_absence(request.user, absence_id), ended_by=request.user)
        return Response(status=204)
