"""What follows from an execution, and what it follows from, over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.core.api.serializers import ErrorSerializer, JsonObject
from apps.executions import queries
from apps.executions.follow_ups.actions import drop_follow_up
from apps.executions.follow_ups.queries import get_follow_up, relations_of, status_of
from apps.executions.models import Execution, FollowUp

KINDS = FollowUp.Kind.values


class FollowUpOutput(serializers.ModelSerializer[FollowUp]):
    kind = serializers.ChoiceField(choices=KINDS)
    execution = serializers.UUIDField(source="execution_id", allow_null=True, help_text="What was started; null before.")
    status = serializers.SerializerMethodField(help_text="Of that execution; `planned` before, `refused` where it was not started.")
    error = JsonObject(allow_null=True, help_text="Why it was not started.")

    class Meta:
        model = FollowUp
        fields = ["kind", "execution", "status", "due_at", "attempt", "error"]
        read_only_fields = fields

    def get_status(self, follow_up: FollowUp) -> str:
        return status_of(follow_up)


class FollowsOutput(serializers.Serializer[Any]):
    """What made an execution."""

    kind = serializers.ChoiceField(choices=KINDS)
    execution = serializers.UUIDField(source="origin_id", help_text="The execution that had ended.")
    attempt = serializers.IntegerField(help_text="Of a retry: which execution it is, from 1.")


class CompensationOutput(serializers.Serializer[Any]):
    """How far it is undone."""

    status = serializers.CharField(help_text="Of the execution that undoes; `planned` before there is one, `refused` where there is none.")
    execution = serializers.UUIDField(allow_null=True)
    undone = serializers.ListField(child=serializers.CharField(), help_text="Keys of the nodes that are undone, in that order.")
    failed = serializers.ListField(child=serializers.CharField(), help_text="Keys of those that could not be undone.")
    open = serializers.ListField(child=serializers.CharField(), help_text="Keys of those that are not undone (yet).")


class RelationsOutput(serializers.Serializer[Any]):
    follows = FollowsOutput(allow_null=True, help_text="What made it, where that is the end of another execution.")
    follow_ups = FollowUpOutput(many=True, help_text="What follows from its end.")
    compensation = CompensationOutput(allow_null=True, help_text="Null where nothing is to be undone.")


def relations_body(user: User, execution: Execution) -> dict[str, Any]:
    """{"follows", "follow_ups", "compensation"}"""
    return dict(RelationsOutput(relations_of(user, execution)).data)


class DropView(APIView):
    @extend_schema(
        operation_id="drop_follow_up",
        tags=["executions"],
        request=None,
        responses={200: FollowUpOutput, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def post(self, request: Request, execution_id: UUID, kind: str) -> Response:
        """Let a planned follow-up not happen: a retry whose time has not come, say."""
        queries.check_operable(request.user, execution_id)
        follow_up = get_follow_up(request.user, execution_id, kind)
        return Response(FollowUpOutput(drop_follow_up(follow_up_id=follow_up.pk, by=request.user.get_username())).data)
