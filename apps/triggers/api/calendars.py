"""Calendars of exceptions over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.triggers.api.schedule_serializers import CalendarChangeInput, CalendarInput, CalendarOutput, CalendarsQuery
from apps.triggers.api.schedules import ERRORS, PAGE_PARAMETERS
from apps.triggers.schedules import calendars


class CalendarsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_schedule_calendars",
        tags=["schedules"],
        parameters=[CalendarsQuery],
        responses={200: CalendarOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The calendars of the caller's workspaces, newest first."""
        query = CalendarsQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(calendars.list_calendars(request.user, query["workspace"]), request)
        return pages.get_paginated_response(CalendarOutput(rows, many=True).data)

    @extend_schema(
        operation_id="create_schedule_calendar", tags=["schedules"], request=CalendarInput, responses={201: CalendarOutput, **ERRORS}
    )
    def post(self, request: Request) -> Response:
        """Name days on which schedules do not fire."""
        data = dict(CalendarInput.read_body(request))
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.WORKFLOW_EDIT)
        made = calendars.create_calendar(workspace=workspace, **data)
        return Response(CalendarOutput(made).data, status=201, headers={"Location": f"{request.path}/{made.pk}"})


class CalendarView(APIView):
    @extend_schema(operation_id="get_schedule_calendar", tags=["schedules"], responses={200: CalendarOutput, 404: ErrorSerializer})
    def get(self, request: Request, calendar_id: UUID) -> Response:
        """One calendar."""
        return Response(CalendarOutput(calendars.get_calendar(request.user, calendar_id)).data)

    @extend_schema(
        operation_id="update_schedule_calendar", tags=["schedules"], request=CalendarChangeInput, responses={200: CalendarOutput, **ERRORS}
    )
    def patch(self, request: Request, calendar_id: UUID) -> Response:
        """Change its name or its days. Schedules that name it follow at once."""
        data: dict[str, Any] = CalendarChangeInput.read_body(request)
        calendar = calendars.get_calendar(request.user, calendar_id, Permission.WORKFLOW_EDIT)
        return Response(CalendarOutput(calendars.update_calendar(calendar=calendar, **data)).data)

    @extend_schema(operation_id="delete_schedule_calendar", tags=["schedules"], responses={204: None, **ERRORS})
    def delete(self, request: Request, calendar_id: UUID) -> Response:
        """Delete it. 409: schedules name it."""
        calendars.delete_calendar(calendar=calendars.get_calendar(request.user, calendar_id, Permission.WORKFLOW_EDIT))
        return Response(status=204)
