"""Running many executions again over HTTP."""

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer, InputSerializer, JsonObject
from apps.core.depth import depth_in
from apps.executions import queries
from apps.executions.api.answers_once import IDEMPOTENCY_KEY, IS_REPLAYED, made_once
from apps.executions.api.reruns import OriginField
from apps.executions.api.serializers import ListQuery
from apps.executions.bulk_reruns import cancel_bulk_rerun, create_bulk_rerun, get_bulk_rerun, list_bulk_reruns
from apps.executions.models import BulkRerun, BulkRerunItem
from apps.executions.queries import Filters
from apps.executions.rerunning import FAILED

MAX_SHOWN_FAILURES = 100
ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer}

# A keyword of Python cannot be written as the name of a field.
BulkRerunInput: type[InputSerializer] = type(
    "BulkRerunInput",
    (InputSerializer,),
    {
        "workspace": serializers.UUIDField(required=False, default=None, help_text="Of the executions; the personal one without it."),
        "filters": ListQuery(required=False, help_text="As of the list of executions; only those that have ended are taken."),
        "from": OriginField(required=False, default=FAILED),
        "version": serializers.ChoiceField(choices=["same", "newest", "published"], required=False, default="same"),
        "rate_per_minute": serializers.IntegerField(min_value=1, max_value=6000, required=False, default=60),
        "canary": serializers.IntegerField(
            min_value=0, max_value=1000, required=False, default=1, help_text="So many must succeed before the rest begins."
        ),
        "max_failures": serializers.IntegerField(
            min_value=0, max_value=10_000, required=False, default=0, help_text="It stops when more have failed; of the canary, none may."
        ),
    },
)


class BulkRerunOutput(serializers.ModelSerializer[BulkRerun]):
    workspace = serializers.UUIDField(source="workspace_id")
    status = serializers.CharField(help_text="running, done, stopped or cancelled.")
    waiting = serializers.IntegerField()
    running = serializers.IntegerField()
    success = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Failed, cancelled, or refused to be run again.")

    class Meta:
        model = BulkRerun
        fields = [
            "id",
            "workspace",
            "status",
            "reason",
            "origin",
            "version",
            "rate_per_minute",
            "canary",
            "max_failures",
            "total",
            "waiting",
            "running",
            "success",
            "failed",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class BulkRerunFailureOutput(serializers.ModelSerializer[BulkRerunItem]):
    execution = serializers.UUIDField(source="execution_id")
    rerun = serializers.UUIDField(source="rerun_id", allow_null=True)
    status = serializers.CharField(help_text="failed, or refused: it could not be run again.")
    error = JsonObject(allow_null=True)

    class Meta:
        model = BulkRerunItem
        fields = ["execution", "rerun", "status", "error"]
        read_only_fields = fields


class BulkRerunDetailOutput(BulkRerunOutput):
    failures = serializers.SerializerMethodField(help_text="The first hundred that failed or were refused.")

    class Meta(BulkRerunOutput.Meta):
        fields = [*BulkRerunOutput.Meta.fields, "failures"]
        read_only_fields = fields

    def get_failures(self, bulk: BulkRerun) -> list[dict[str, Any]]:
        found = bulk.items.filter(status__in=["failed", "refused"]).order_by("id")[:MAX_SHOWN_FAILURES]
        return BulkRerunFailureOutput(found, many=True).data


class BulkRerunsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_bulk_reruns", tags=["executions"], responses={200: BulkRerunOutput(many=True)})
    def get(self, request: Request) -> Response:
        """Bulk re-runs of the caller's workspaces, newest first, with how far they are."""
        pages = self.pagination_class()
        rows = pages.paginate_queryset(list_bulk_reruns(request.user), request)
        return pages.get_paginated_response(BulkRerunOutput(rows, many=True).data)

    @extend_schema(
        operation_id="create_bulk_rerun",
        tags=["executions"],
        parameters=[IDEMPOTENCY_KEY, IS_REPLAYED],
        request=BulkRerunInput,
        responses={202: BulkRerunOutput, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Run many ended executions again, the oldest first: a few that must succeed, then the rest at a steady rate."""
        data = BulkRerunInput.read_body(request)
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.WORKFLOW_RUN)
        executions = queries.list_executions(request.user, Filters(**data.pop("filters", {})))
        origin, depth = data.pop("from"), depth_in(request.headers)

        def make() -> dict[str, Any]:
            bulk = create_bulk_rerun(user=request.user, workspace=workspace, executions=executions, origin=origin, depth=depth, **data)
            return dict(BulkRerunOutput(bulk).data)

        made = made_once(request, workspace_id=workspace.pk, make=make)
        return Response(made.body, status=202, headers={"Location": reverse("bulk-rerun", args=[made.body["id"]]), **made.headers})


class BulkRerunView(APIView):
    @extend_schema(operation_id="get_bulk_rerun", tags=["executions"], responses={200: BulkRerunDetailOutput, 404: ErrorSerializer})
    def get(self, request: Request, bulk_id: UUID) -> Response:
        """One bulk re-run, with what has failed."""
        return Response(BulkRerunDetailOutput(get_bulk_rerun(request.user, bulk_id)).data)


class CancelBulkRerunView(APIView):
    @extend_schema(
        operation_id="cancel_bulk_rerun",
        tags=["executions"],
        request=None,
        responses={200: BulkRerunOutput, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def post(self, request: Request, bulk_id: UUID) -> Response:
        """Let nothing more of it begin; what runs goes on."""
        return Response(BulkRerunOutput(cancel_bulk_rerun(user=request.user, bulk_id=bulk_id)).data)
