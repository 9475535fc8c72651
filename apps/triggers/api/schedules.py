"""Schedules over HTTP. Who may edit and run a workflow edits its schedules; who may view it, views them."""

from typing import Any
from uuid import UUID, uuid4

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.triggers.api.schedule_serializers import (
    AlertOutput,
    AlertsQuery,
    BackfillInput,
    BackfillOutput,
    InstantOutput,
    PreviewInput,
    PreviewOutput,
    PreviewQuery,
    ScheduleChangeInput,
    ScheduleInput,
    ScheduleOutput,
    ScheduleRunOutput,
    ScheduleRunsQuery,
    SchedulesQuery,
)
from apps.triggers.models import Schedule
from apps.triggers.schedules import actions, alerts, queries
from apps.triggers.schedules.backfill import backfill
from apps.triggers.schedules.timetables import timetable_of
from apps.workflows.access import require
from apps.workflows.models import Workflow
from apps.workflows.queries import get_workflow

PAGE_PARAMETERS = frozenset({"cursor", "limit"})
REFUSED = {403: ErrorSerializer, 404: ErrorSerializer}
ERRORS = {**REFUSED, 409: ErrorSerializer, 422: ErrorSerializer}


def _to_change(request: Request, schedule_id: UUID) -> Schedule:
    # A schedule is a start of the workflow, again and again: who may not start it may not have it started.
    return queries.get_schedule(request.user, schedule_id, Permission.WORKFLOW_EDIT, Permission.WORKFLOW_RUN)


def _shown(request: Request, schedule_id: UUID) -> Any:
    return ScheduleOutput(queries.get_schedule(request.user, schedule_id)).data


class SchedulesView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_schedules",
        tags=["schedules"],
        parameters=[SchedulesQuery],
        responses={200: ScheduleOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The schedules of workflows that the caller may view, newest first."""
        only = SchedulesQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_schedules(request.user, **only), request)
        return pages.get_paginated_response(ScheduleOutput(rows, many=True).data)

    @extend_schema(operation_id="create_schedule", tags=["schedules"], request=ScheduleInput, responses={201: ScheduleOutput, **ERRORS})
    def post(self, request: Request) -> Response:
        """Let a workflow be started by the clock."""
        data = dict(ScheduleInput.read_body(request))
        workflow = get_workflow(request.user, data.pop("workflow"), Permission.WORKFLOW_EDIT)
        require(request.user, workflow, Permission.WORKFLOW_RUN)
        made = actions.create_schedule(workflow=workflow, user=request.user, **data)
        return Response(_shown(request, made.pk), status=201, headers={"Location": f"{request.path}/{made.pk}"})


class ScheduleView(APIView):
    @extend_schema(operation_id="get_schedule", tags=["schedules"], responses={200: ScheduleOutput, **REFUSED})
    def get(self, request: Request, schedule_id: UUID) -> Response:
        """One schedule."""
        return Response(_shown(request, schedule_id))

    @extend_schema(
        operation_id="update_schedule", tags=["schedules"], request=ScheduleChangeInput, responses={200: ScheduleOutput, **ERRORS}
    )
    def patch(self, request: Request, schedule_id: UUID) -> Response:
        """Change what is named. Another timetable counts from now on."""
        changes = ScheduleChangeInput.read_body(request)
        actions.update_schedule(schedule=_to_change(request, schedule_id), changes=changes)
        return Response(_shown(request, schedule_id))

    @extend_schema(operation_id="delete_schedule", tags=["schedules"], responses={204: None, **REFUSED})
    def delete(self, request: Request, schedule_id: UUID) -> Response:
        """Delete it. Executions that it has started stay, and go on."""
        actions.delete_schedule(schedule=_to_change(request, schedule_id))
        return Response(status=204)


class EnableView(APIView):
    @extend_schema(operation_id="enable_schedule", tags=["schedules"], request=None, responses={200: ScheduleOutput, **ERRORS})
    def post(self, request: Request, schedule_id: UUID) -> Response:
        """Let it fire, from now on. 409: it has run as often as it may."""
        actions.enable_schedule(schedule=_to_change(request, schedule_id))
        return Response(_shown(request, schedule_id))


class DisableView(APIView):
    @extend_schema(operation_id="disable_schedule", tags=["schedules"], request=None, responses={200: ScheduleOutput, **REFUSED})
    def post(self, request: Request, schedule_id: UUID) -> Response:
        """Let it fire no more. What runs goes on."""
        actions.disable_schedule(schedule=_to_change(request, schedule_id))
        return Response(_shown(request, schedule_id))


class PreviewView(APIView):
    @extend_schema(
        operation_id="preview_schedule",
        tags=["schedules"],
        parameters=[PreviewQuery],
        responses={200: PreviewOutput, **REFUSED, 422: ErrorSerializer},
    )
    def get(self, request: Request, schedule_id: UUID) -> Response:
        """The next instants for which it fires, or would if it were enabled."""
        query = PreviewQuery.read_query(request)
        timetable = timetable_of(queries.get_schedule(request.user, schedule_id))
        found = queries.preview(timetable, after=query["after"] or actions.database_now(), count=query["count"])
        return Response({"results": InstantOutput(found, many=True).data})


class PreviewNewView(APIView):
    @extend_schema(
        operation_id="preview_new_schedule", tags=["schedules"], request=PreviewInput, responses={200: PreviewOutput, 422: ErrorSerializer}
    )
    def post(self, request: Request) -> Response:
        """The next instants of a schedule that is not saved."""
        data = dict(PreviewInput.read_body(request))
        after, count, workspace_id, calendars = (data.pop(name, None) for name in ("after", "count", "workspace", "calendars"))
        now = actions.database_now()
        workspace = get_workspace(request.user, workspace_id, Permission.WORKFLOW_VIEW) if calendars else None
        schedule = actions.draft(workflow=Workflow(pk=uuid4(), workspace=workspace), user=None, anchor_at=now, **data)
        timetable = actions.check_timing(schedule, calendars or [], now=now)
        return Response({"results": InstantOutput(queries.preview(timetable, after=after or now, count=count or 1), many=True).data})


class BackfillView(APIView):
    @extend_schema(operation_id="backfill_schedule", tags=["schedules"], request=BackfillInput, responses={202: BackfillOutput, **ERRORS})
    def post(self, request: Request, schedule_id: UUID) -> Response:
        """Make runs for the instants of a range that have none. The same range again makes none twice."""
        data = BackfillInput.read_body(request)
        schedule = _to_change(request, schedule_id)
        runs = backfill(schedule=schedule, first=data["from"], last=data["to"], one_at_a_time=data["one_at_a_time"])
        return Response({"results": ScheduleRunOutput(runs, many=True).data}, status=202)


class ScheduleRunsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_schedule_runs",
        tags=["schedules"],
        parameters=[ScheduleRunsQuery],
        responses={200: ScheduleRunOutput(many=True), **REFUSED, 422: ErrorSerializer},
    )
    def get(self, request: Request, schedule_id: UUID) -> Response:
        """What its instants came to, newest first."""
        query = ScheduleRunsQuery.read_query(request, besides=PAGE_PARAMETERS)
        schedule = queries.get_schedule(request.user, schedule_id)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_runs(schedule, query["state"]), request)
        return pages.get_paginated_response(ScheduleRunOutput(rows, many=True).data)


class AlertsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_schedule_alerts",
        tags=["schedules"],
        parameters=[AlertsQuery],
        responses={200: AlertOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """Expected runs that did not start, or not in time, newest first."""
        only = dict(AlertsQuery.read_query(request, besides=PAGE_PARAMETERS))
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_alerts(request.user, is_open=only.pop("open", None), **only), request)
        return pages.get_paginated_response(AlertOutput(rows, many=True).data)


class CloseAlertView(APIView):
    @extend_schema(operation_id="close_schedule_alert", tags=["schedules"], request=None, responses={200: AlertOutput, **ERRORS})
    def post(self, request: Request, alert_id: UUID) -> Response:
        """Say that it was seen. It also closes by itself when a run starts."""
        alert = queries.get_alert(request.user, alert_id)
        require(request.user, alert.workflow, Permission.EXECUTION_OPERATE)
        return Response(AlertOutput(alerts.close_alert(alert=alert, closed_by=request.user)).data)
