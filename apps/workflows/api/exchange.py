"""Workflows out and in, as documents."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.serializers import ErrorSerializer, InputSerializer, JsonObject
from apps.workflows import queries
from apps.workflows.api.bodies import DefinitionView
from apps.workflows.exchange.document import MAX_WORKFLOWS
from apps.workflows.exchange.exporting import export_workflows
from apps.workflows.exchange.files import YAML, file_of
from apps.workflows.imports.formats import FORMATS
from apps.workflows.imports.importing import import_document
from apps.workflows.imports.report import Verdict
from apps.workflows.models import Workflow

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer}


class ExportQuery(InputSerializer):
    format = serializers.ChoiceField(choices=["json", "yaml"], default="json")
    versions = serializers.ChoiceField(choices=["newest", "all"], default="newest", help_text="The newest version of each, or all.")


@extend_schema_field({"type": "string", "pattern": r"^[0-9A-Fa-f-]{32,36}(,[0-9A-Fa-f-]{32,36})*$"})
class IdsField(serializers.Field[Any, Any, Any, Any]):
    """Ids with commas between them."""

    default_error_messages = {
        "count": f"Expected from 1 to {MAX_WORKFLOWS} ids, found {{found}}.",
        "id": "Expected ids with commas between them, found '{found}'.",
    }

    def to_internal_value(self, data: Any) -> list[UUID]:
        texts = list(dict.fromkeys(filter(None, str(data).split(","))))
        if not 1 <= len(texts) <= MAX_WORKFLOWS:
            self.fail("count", found=len(texts))
        return [self._id(text) for text in texts]

    def _id(self, text: str) -> UUID:
        try:
            return UUID(text.strip())
        except ValueError:
            self.fail("id", found=text[:40])

    def to_representation(self, value: Any) -> Any:
        return value


class BundleQuery(ExportQuery):
    ids = IdsField(help_text="Of the workflows, with commas between them.")


class ImportQuery(InputSerializer):
    on_conflict = serializers.ChoiceField(
        choices=["rename", "skip", "version"],
        default="rename",
        help_text="Where the workspace has a workflow of this name: give the new one another name, leave it out, or make its newest "
        "version the next one of the workflow that is there.",
    )
    publish = serializers.BooleanField(required=False, default=False, help_text="Publish the newest version of each.")
    workspace = serializers.UUIDField(required=False, default=None, help_text="The caller's personal one where it is missing.")
    format = serializers.ChoiceField(choices=list(FORMATS), required=False, default=None, help_text="Told by the document without it.")
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Answer as if, and keep nothing.")


class ExportedVersionShape(serializers.Serializer[Any]):
    changelog = serializers.CharField(required=False, allow_blank=True)
    definition = JsonObject()


class ExportedWorkflowShape(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=128)
    description = serializers.CharField(required=False, allow_blank=True)
    versions = ExportedVersionShape(many=True, help_text="From the oldest to the newest.")


class ExportShape(serializers.Serializer[Any]):
    """Workflows as a document. Of credentials it holds the names of the slots alone."""

    structforge = serializers.IntegerField(help_text="Version of this format: 1.")
    kind = serializers.ChoiceField(choices=["workflow", "bundle"])
    workflows = ExportedWorkflowShape(many=True)


class ReportLineOutput(serializers.Serializer[Any]):
    node = serializers.CharField(help_text="Its name in the document.")
    type = serializers.CharField(help_text="Its type there.")
    verdict = serializers.ChoiceField(choices=[each.value for each in Verdict])
    keys = serializers.ListField(child=serializers.CharField(), help_text="Keys of the nodes that stand for it here.")
    remarks = serializers.ListField(child=serializers.CharField(), help_text="What is not the same, and what to do.")


class ReportOutput(serializers.Serializer[Any]):
    """What became of each node of a workflow of another product."""

    format = serializers.CharField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="How many nodes, by verdict.")
    remarks = serializers.ListField(child=serializers.CharField())
    nodes = ReportLineOutput(many=True)


class ImportedOutput(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="As it stands in the document.")
    status = serializers.ChoiceField(choices=["created", "updated", "skipped"])
    workflow = serializers.UUIDField(
        allow_null=True, help_text="The one that was made, got a version, or was there; null for one that a dry run would make."
    )
    workflow_name = serializers.CharField()
    number = serializers.IntegerField(help_text="Of its newest version.")
    report = ReportOutput(allow_null=True, help_text="null for a workflow of our own, which comes as it is.")


class ImportOutput(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(help_text="Whether nothing was kept.")
    workflows = ImportedOutput(many=True)


EXPORTED = {(200, "application/json"): ExportShape, (200, YAML): OpenApiResponse(ExportShape), **ERRORS}


class ExportView(APIView):
    @extend_schema(operation_id="export_workflow", tags=["versions"], parameters=[ExportQuery], responses=EXPORTED)
    def get(self, request: Request, workflow_id: UUID) -> HttpResponse:
        """One workflow as a document to keep, or to import elsewhere."""
        query = ExportQuery.read_query(request)
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_VIEW)
        return _file([workflow], query, kind="workflow", name=workflow.name)


class BundleView(APIView):
    @extend_schema(operation_id="export_workflows", tags=["versions"], parameters=[BundleQuery], responses=EXPORTED)
    def get(self, request: Request) -> HttpResponse:
        """Several workflows as one document."""
        query = BundleQuery.read_query(request)
        workflows = queries.get_workflows(request.user, query["ids"], Permission.WORKFLOW_VIEW)
        return _file(workflows, query, kind="bundle", name="workflows")


class ImportView(DefinitionView):
    @extend_schema(
        operation_id="import_workflows",
        tags=["versions"],
        parameters=[ImportQuery],
        request={"application/json": OpenApiTypes.ANY, YAML: OpenApiTypes.ANY},
        responses={200: ImportOutput, **ERRORS, 409: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        """Store the workflows of an export of StructForge, n8n or Dify: all of them, or none where one is not valid.

        A workflow of another product comes with a report of what became of each node.
        """
        query = ImportQuery.read_query(request)
        workspace = get_workspace(request.user, query["workspace"], Permission.WORKFLOW_CREATE)
        brought = import_document(
            workspace=workspace,
            document=request.data,
            on_conflict=query["on_conflict"],
            created_by=request.user,
            publish=query["publish"],
            format=query["format"],
            dry_run=query["dry_run"],
        )
        rows = [
            {
                "name": each.imported.name,
                "status": each.imported.status,
                "workflow": None if query["dry_run"] and each.imported.status == "created" else each.imported.workflow.pk,
                "workflow_name": each.imported.workflow.name,
                "number": each.imported.number,
                "report": None if each.report is None else each.report.as_json(),
            }
            for each in brought
        ]
        return Response({"dry_run": query["dry_run"], "workflows": rows})


def _file(workflows: Sequence[Workflow], query: dict[str, Any], *, kind: str, name: str) -> HttpResponse:
    document = export_workflows(workflows, kind=kind, every_version=query["versions"] == "all")
    return file_of(document, name=name, is_yaml=query["format"] == "yaml")
