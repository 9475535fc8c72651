"""Limits on executions at a time over HTTP, with their use so far."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import Workspace
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.serializers import ErrorSerializer, InputSerializer
from apps.engine.definition import MAX_CONCURRENCY, MAX_SECONDS
from apps.executions import limits
from apps.executions.limits import Kind, PersonLimit, Use

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer}
RUNNING: dict[str, Any] = {"min_value": 1, "max_value": MAX_CONCURRENCY}
SECONDS: dict[str, Any] = {"min_value": 0.001, "max_value": MAX_SECONDS, "allow_null": True}
ALL = "Executions at a time. null: no limit."
TIME = "Run time of one execution, in seconds, whatever its workflow allows. null: no limit."
EACH = "Executions at a time of each person for whom `people` says nothing. null: no limit."
USED = "Executions that hold a slot now: running, paused, or being cancelled."
WAITING = "Executions in line now, for whatever limit."


class PersonLimitInput(InputSerializer):
    user = serializers.UUIDField(help_text="Id of a member.")
    max_running = serializers.IntegerField(**RUNNING)


class WorkspaceLimitsInput(InputSerializer):
    max_running = serializers.IntegerField(**RUNNING, allow_null=True, help_text=ALL)
    max_seconds = serializers.FloatField(**SECONDS, help_text=TIME)
    each_person = serializers.IntegerField(**RUNNING, allow_null=True, help_text=EACH)
    people = PersonLimitInput(many=True, max_length=1000)


class InstallationLimitsInput(InputSerializer):
    max_running = serializers.IntegerField(**RUNNING, allow_null=True, help_text=ALL)
    max_seconds = serializers.FloatField(**SECONDS, help_text=TIME)


class _UseOutput(serializers.Serializer[Any]):
    used = serializers.IntegerField(help_text=USED)
    waiting = serializers.IntegerField(help_text=WAITING)


class PersonLimitOutput(_UseOutput):
    user = serializers.UUIDField()
    username = serializers.CharField()
    max_running = serializers.IntegerField()


class InstallationLimitsOutput(_UseOutput):
    max_running = serializers.IntegerField(allow_null=True, help_text=ALL)
    max_seconds = serializers.FloatField(allow_null=True, help_text=TIME)


class WorkspaceLimitsOutput(InstallationLimitsOutput):
    each_person = serializers.IntegerField(allow_null=True, help_text=EACH)
    people = PersonLimitOutput(many=True)


class WorkspaceLimitsView(APIView):
    @extend_schema(operation_id="get_limits", tags=["limits"], responses={200: WorkspaceLimitsOutput, **ERRORS})
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """How many executions the workspace and its people may have at a time, and have."""
        return Response(_of_workspace(get_workspace(request.user, workspace_id, Permission.EXECUTION_VIEW)))

    @extend_schema(
        operation_id="set_limits", tags=["limits"], request=WorkspaceLimitsInput, responses={200: WorkspaceLimitsOutput, **ERRORS}
    )
    def put(self, request: Request, workspace_id: UUID) -> Response:
        """Set them all. What runs goes on, even where it is more; where a limit is raised, whoever waits for it begins."""
        data = WorkspaceLimitsInput.read_body(request)
        workspace = get_workspace(request.user, workspace_id, Permission.WORKSPACE_MANAGE)
        people = [PersonLimit(**person) for person in data.pop("people")]
        limits.set_workspace_limits(workspace=workspace, people=people, set_by=request.user, **data)
        return Response(_of_workspace(workspace))


class InstallationLimitsView(APIView):
    @extend_schema(operation_id="get_installation_limits", tags=["limits"], responses={200: InstallationLimitsOutput, **ERRORS})
    def get(self, request: Request) -> Response:
        """How many executions the whole installation may have at a time, and has. For its operators."""
        limits.check_operator(request.user)
        return Response(_of_installation())

    @extend_schema(
        operation_id="set_installation_limits",
        tags=["limits"],
        request=InstallationLimitsInput,
        responses={200: InstallationLimitsOutput, **ERRORS},
    )
    def put(self, request: Request) -> Response:
        """Set them. For operators of the installation."""
        limits.check_operator(request.user)
        limits.set_installation_limits(**InstallationLimitsInput.read_body(request), set_by=request.user)
        return Response(_of_installation())


def _of_workspace(workspace: Workspace) -> dict[str, Any]:
    limit, by_person = limits.find_limit(Kind.WORKSPACE, workspace), limits.use_by_person(workspace)
    return {
        "max_running": limit.max_running,
        "max_seconds": limit.max_seconds,
        **_shown(limits.use_of(workspace)),
        "each_person": limits.find_limit(Kind.USER, workspace).max_running,
        "people": [
            {
                "user": one.user_id,
                "username": one.user.get_username() if one.user else "",
                "max_running": one.max_running,
                **_shown(by_person.get(one.user_id, Use())),
            }
            for one in limits.limits_of_people(workspace)
        ],
    }


def _of_installation() -> dict[str, Any]:
    limit = limits.find_limit(Kind.INSTALLATION)
    return {"max_running": limit.max_running, "max_seconds": limit.max_seconds, **_shown(limits.use_of())}


def _shown(use: Use) -> dict[str, int]:
    return {"used": use.used, "waiting": use.waiting}
