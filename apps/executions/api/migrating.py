"""Moving waiting executions to another version, over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.core.api.serializers import ErrorSerializer, InputSerializer
from apps.executions import queries
from apps.executions.api.serializers import ListQuery
from apps.executions.migrating import Migration, migrate_executions
from apps.executions.queries import Filters
from apps.workflows.queries import get_version, get_workflow

MAX_NUMBER = 2**31 - 1
KEY = serializers.CharField(max_length=64)


class MigrateInput(InputSerializer):
    from_version = serializers.IntegerField(min_value=1, max_value=MAX_NUMBER, help_text="Number of the version that they are in.")
    to_version = serializers.IntegerField(min_value=1, max_value=MAX_NUMBER, help_text="Number of the version to go on in.")
    mapping = serializers.DictField(child=KEY, required=False, default=dict, help_text="{old key: new key} of nodes that were renamed.")
    filters = ListQuery(required=False, help_text="As of the list of executions.")
    first = serializers.IntegerField(min_value=1, max_value=1000, required=False, default=None, help_text="Move so many at most.")
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Say what could be moved, and move nothing.")


class MoveProblemOutput(serializers.Serializer[Any]):
    code = serializers.CharField()
    node = serializers.CharField(help_text='"" where it is about none.')
    message = serializers.CharField()


class RefusedOutput(serializers.Serializer[Any]):
    execution = serializers.UUIDField()
    problems = MoveProblemOutput(many=True)


class MigrationOutput(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    possible = serializers.ListField(child=serializers.UUIDField(), help_text="Executions that can move.")
    moved = serializers.ListField(child=serializers.UUIDField())
    impossible = RefusedOutput(many=True)
    left = serializers.IntegerField(help_text="Executions that fit the filters and have neither moved nor been refused.")


class MigrateView(APIView):
    @extend_schema(
        operation_id="migrate_executions",
        tags=["executions"],
        request=MigrateInput,
        responses={200: MigrationOutput, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer},
    )
    def post(self, request: Request, workflow_id: UUID) -> Response:
        """Let executions that are paused, or only wait, go on in another version; with `dry_run`, say which cannot and why."""
        data = MigrateInput.read_body(request)
        get_workflow(request.user, workflow_id, Permission.EXECUTION_OPERATE)
        old, new = (get_version(request.user, workflow_id, data.pop(name)) for name in ("from_version", "to_version"))
        executions = queries.list_executions(request.user, Filters(**data.pop("filters", {}))).filter(workflow_id=workflow_id)
        found = migrate_executions(old=old, new=new, executions=executions, **data)
        return Response(_shown(found, dry_run=data["dry_run"]))


def _shown(found: Migration, *, dry_run: bool) -> dict[str, Any]:
    impossible = [{"execution": one.execution_id, "problems": MoveProblemOutput(one.problems, many=True).data} for one in found.impossible]
    return {"dry_run": dry_run, "possible": found.possible, "moved": found.moved, "impossible": impossible, "left": found.left}
