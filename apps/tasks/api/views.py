"""Human tasks over HTTP."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.serializers import ErrorSerializer
from apps.tasks import queries
from apps.tasks.api.pages import NewestTasks, SoonestDue
from apps.tasks.api.serializers import (
    BulkInput,
    BulkOutput,
    CompleteInput,
    CountsOutput,
    DelegateInput,
    OneTaskOutput,
    TaskOutput,
    TasksQuery,
)
from apps.tasks.bulk import do_to_all
from apps.tasks.deciding import complete
from apps.tasks.holding import claim, delegate, release
from apps.tasks.links import read_link
from apps.tasks.models import HumanTask

PAGE_PARAMETERS = frozenset({"cursor", "limit"})
CHANGED = {200: OneTaskOutput, **dict.fromkeys((403, 404, 409, 422), ErrorSerializer)}
_COLUMNS = {"workspace": "workspace_id", "workflow": "execution__workflow_id", "execution": "execution_id"}


def _shown(request: Request, task_id: int) -> Response:
    return Response(OneTaskOutput(queries.get_task(request.user, task_id)).data)


class TasksView(APIView):
    pagination_class = NewestTasks

    @extend_schema(
        operation_id="list_tasks", tags=["tasks"], parameters=[TasksQuery], responses={200: TaskOutput(many=True), 422: ErrorSerializer}
    )
    def get(self, request: Request) -> Response:
        """Tasks that the caller may see; open ones unless `status` says otherwise. `assignee=current_user`: one's own."""
        query = TasksQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = SoonestDue() if query.pop("ordering") == "due" else self.pagination_class()
        rows = pages.paginate_queryset(queries.list_tasks(request.user, **_columns(query)), request)
        return pages.get_paginated_response(TaskOutput(rows, many=True).data)


def _columns(query: dict[str, Any]) -> dict[str, Any]:
    """The query with columns in place of the names of the API."""
    if "priority" in query:
        query["priority"] = HumanTask.Priority[query["priority"].upper()]
    return {_COLUMNS.get(name, name): value for name, value in query.items()}


class CountsView(APIView):
    @extend_schema(operation_id="count_tasks", tags=["tasks"], responses={200: CountsOutput})
    def get(self, request: Request) -> Response:
        """How many tasks await the caller."""
        return Response(CountsOutput(queries.count_tasks(request.user)).data)


class BulkView(APIView):
    @extend_schema(
        operation_id="change_tasks", tags=["tasks"], request=BulkInput, responses={200: BulkOutput(many=True), 422: ErrorSerializer}
    )
    def post(self, request: Request) -> Response:
        """Complete, claim, release or delegate up to 100 tasks, each by itself: the answer says of each whether it was done."""
        data = BulkInput.read_body(request)
        done = do_to_all(data["action"], task_ids=data["tasks"], user=request.user, variables=data["variables"], to=data["to"])
        rows = [
            {
                "id": each.task_id,
                "done": each.error is None,
                "code": each.error and each.error.code,
                "message": each.error and each.error.message,
            }
            for each in done
        ]
        return Response(BulkOutput(rows, many=True).data)


class TaskView(APIView):
    @extend_schema(operation_id="get_task", tags=["tasks"], responses={200: OneTaskOutput, 404: ErrorSerializer})
    def get(self, request: Request, task_id: int) -> Response:
        """One task, with its form and what was answered so far."""
        return _shown(request, task_id)


class CompleteView(APIView):
    @extend_schema(operation_id="complete_task", tags=["tasks"], request=CompleteInput, responses={**CHANGED, 413: ErrorSerializer})
    def put(self, request: Request, task_id: int) -> Response:
        """Answer a task; the execution goes on. 403: it is somebody else's. 409: it is closed. 422: the answers do not fit its form."""
        data = CompleteInput.read_body(request)
        complete(task_id=queries.get_task(request.user, task_id).pk, user=request.user, variables=data["variables"])
        return _shown(request, task_id)


class ClaimView(APIView):
    @extend_schema(operation_id="claim_task", tags=["tasks"], request=None, responses=CHANGED)
    def post(self, request: Request, task_id: int) -> Response:
        """Take a task that is offered. 409: somebody else was first."""
        claim(task_id=queries.get_task(request.user, task_id).pk, user=request.user)
        return _shown(request, task_id)


class ReleaseView(APIView):
    @extend_schema(operation_id="release_task", tags=["tasks"], request=None, responses=CHANGED)
    def post(self, request: Request, task_id: int) -> Response:
        """Give it back to all to whom it was offered."""
        release(task_id=queries.get_task(request.user, task_id).pk, user=request.user)
        return _shown(request, task_id)


class DelegateView(APIView):
    @extend_schema(operation_id="delegate_task", tags=["tasks"], request=DelegateInput, responses=CHANGED)
    def post(self, request: Request, task_id: int) -> Response:
        """Give it to somebody else. Who steers executions may give away what is not theirs."""
        data = DelegateInput.read_body(request)
        delegate(task_id=queries.get_task(request.user, task_id).pk, user=request.user, to=data["to"])
        return _shown(request, task_id)


class TaskLinkView(APIView):
    @extend_schema(
        operation_id="open_task_link", tags=["tasks"], responses={200: OneTaskOutput, 403: ErrorSerializer, 404: ErrorSerializer}
    )
    def get(self, request: Request, task_token: str) -> Response:
        """The task of a link in a mail, for whom it was sent to, logged in. 403: it was sent to somebody else."""
        return _shown(request, read_link(task_token, request.user))


class CompleteLinkView(APIView):
    @extend_schema(operation_id="complete_task_link", tags=["tasks"], request=CompleteInput, responses={**CHANGED, 413: ErrorSerializer})
    def put(self, request: Request, task_token: str) -> Response:
        """Answer the task of a link in a mail, as by its id."""
        data = CompleteInput.read_body(request)
        task = queries.get_task(request.user, read_link(task_token, request.user))
        complete(task_id=task.pk, user=request.user, variables=data["variables"])
        return _shown(request, task.pk)
