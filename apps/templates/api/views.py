"""Templates of workflows over HTTP."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import HighestFirst, NewestFirst
from apps.core.api.renderers import JsonRenderer
from apps.core.api.serializers import ErrorSerializer
from apps.templates import actions, queries
from apps.templates.api.serializers import (
    CategoryOutput,
    GalleryInput,
    LanguageInput,
    PictureInput,
    RatingInput,
    RatingOutput,
    SharesInput,
    TemplateChangeInput,
    TemplateDetailOutput,
    TemplateInput,
    TemplateOutput,
    TemplateSharesOutput,
    UseInput,
)
from apps.templates.categories import TITLES
from apps.templates.languages import language_of
from apps.templates.models import WorkflowTemplate
from apps.workflows.api.bodies import DefinitionView
from apps.workflows.api.serializers import SavedWorkflowOutput, VersionOutput, WorkflowOutput
from apps.workflows.picture import picture_of
from apps.workflows.queries import get_template_source, get_workflow
from apps.workflows.svg import svg_of

TAGS = ["templates"]
ERRORS = {404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}
REFUSED = {403: ErrorSerializer, **ERRORS}
ORDERS = {"popular": "use_count", "rating": "rating_rank"}
# Nothing in a picture loads, runs or is styled from elsewhere, also where it is opened by itself.
PICTURE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=300",
    "Vary": "Accept-Language, Authorization, Cookie",
}


def _language(request: Request, asked: str | None) -> str:
    return language_of(asked, request.headers.get("Accept-Language", ""))


def _answer(request: Request, body: Any, language: str, **how: Any) -> Response:
    response = Response(body, **how)
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    return response


def _asked_language(request: Request) -> str:
    """To be read before anything is done, since it may be refused."""
    return _language(request, LanguageInput.read_query(request)["lang"])


def _shown(request: Request, template_id: UUID, language: str, **how: Any) -> Response:
    template = queries.get_template(request.user, template_id)
    body = TemplateDetailOutput(template, context={"language": language, "user": request.user}).data
    return _answer(request, body, language, **how)


class TemplatesView(DefinitionView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_workflow_templates",
        tags=TAGS,
        parameters=[GalleryInput],
        responses={200: TemplateOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The gallery: what comes with StructForge, what others published, and what the caller's workspaces have."""
        asked = GalleryInput.read_query(request, besides=frozenset({"cursor", "limit"}))
        language, sort = _language(request, asked.pop("lang")), asked.pop("sort")
        pages = HighestFirst(ORDERS[sort]) if sort in ORDERS else NewestFirst()
        rows = pages.paginate_queryset(queries.list_templates(request.user, **asked), request)
        cards = TemplateOutput(rows, many=True, context={"language": language, "user": request.user}).data
        answer = pages.get_paginated_response(cards)
        return _answer(request, answer.data, language)

    @extend_schema(
        operation_id="create_workflow_template",
        tags=TAGS,
        parameters=[LanguageInput],
        request={"application/json": TemplateInput, "application/yaml": TemplateInput},
        responses={201: TemplateDetailOutput, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        """Keep a definition, or a version of a workflow, as a template. Its nodes lose their credentials."""
        language = _asked_language(request)
        data = TemplateInput.read_body(request)
        workspace_id, workflow_id, number = data.pop("workspace"), data.pop("workflow", None), data.pop("version", None)
        if workflow_id is not None:
            workflow = get_workflow(request.user, workflow_id, Permission.WORKFLOW_VIEW)
            data |= {"definition": get_template_source(workflow, number).definition}
            data = {"name": workflow.name, "description": workflow.description, **data}
            workspace_id = workspace_id or workflow.workspace_id
        workspace = get_workspace(request.user, workspace_id, Permission.TEMPLATE_MANAGE)
        template = actions.create_template(workspace=workspace, created_by=request.user, **data)
        return _shown(request, template.id, language, status=201, headers={"Location": f"{request.path}/{template.id}"})


class CategoriesView(APIView):
    @extend_schema(
        operation_id="list_workflow_template_categories",
        tags=TAGS,
        parameters=[LanguageInput],
        responses={200: CategoryOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The categories of the gallery, with how many templates the caller finds in each."""
        language = _asked_language(request)
        counts = queries.count_by_category(request.user)
        body = [{"category": each, "title": TITLES[language][each], "count": count} for each, count in counts.items()]
        return _answer(request, body, language)


class TemplateView(DefinitionView):
    @extend_schema(
        operation_id="get_workflow_template",
        tags=TAGS,
        parameters=[LanguageInput],
        responses={200: TemplateDetailOutput, 404: ErrorSerializer, 422: ErrorSerializer},
    )
    def get(self, request: Request, template_id: UUID) -> Response:
        """One template with its definition and a sample to try it with."""
        return _shown(request, template_id, _asked_language(request))

    @extend_schema(
        operation_id="update_workflow_template",
        tags=TAGS,
        parameters=[LanguageInput],
        request={"application/json": TemplateChangeInput, "application/yaml": TemplateChangeInput},
        responses={200: TemplateDetailOutput, **REFUSED},
    )
    def patch(self, request: Request, template_id: UUID) -> Response:
        """Change a template; workflows that were made of it stay as they are."""
        language = _asked_language(request)
        template = queries.get_managed_template(request.user, template_id)
        actions.update_template(template=template, **TemplateChangeInput.read_body(request))
        return _shown(request, template_id, language)

    @extend_schema(operation_id="delete_workflow_template", tags=TAGS, responses={204: None, 403: ErrorSerializer, 404: ErrorSerializer})
    def delete(self, request: Request, template_id: UUID) -> Response:
        """Delete a template; workflows that were made of it stay."""
        actions.delete_template(template=queries.get_managed_template(request.user, template_id))
        return Response(status=204)


class UseView(APIView):
    @extend_schema(
        operation_id="use_workflow_template",
        tags=TAGS,
        parameters=[LanguageInput],
        request=UseInput,
        responses={201: SavedWorkflowOutput, **REFUSED},
    )
    def post(self, request: Request, template_id: UUID) -> Response:
        """Make a workflow of a template; the answer is that of `POST /workflows`. Name and nodes are in the language of the caller."""
        language = _asked_language(request)
        data = UseInput.read_body(request)
        template = queries.get_template(request.user, template_id)
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.WORKFLOW_CREATE)
        saved = actions.use_template(template=template, workspace=workspace, language=language, created_by=request.user, **data)
        workflow = get_workflow(request.user, saved.version.workflow_id)
        warnings = [problem.as_json() for problem in saved.warnings]
        body = {**WorkflowOutput(workflow).data, "version": VersionOutput(saved.version).data, "warnings": warnings}
        return _answer(request, body, language, status=201, headers={"Location": f"/api/v1/workflows/{workflow.id}"})


class RatingView(APIView):
    @extend_schema(
        operation_id="rate_workflow_template",
        tags=TAGS,
        request=RatingInput,
        responses={200: RatingOutput, 404: ErrorSerializer, 422: ErrorSerializer},
    )
    def put(self, request: Request, template_id: UUID) -> Response:
        """Give a template 1 to 5 stars, in place of those that the caller gave before."""
        return self._rate(request, template_id, RatingInput.read_body(request)["stars"])

    @extend_schema(operation_id="unrate_workflow_template", tags=TAGS, responses={200: RatingOutput, 404: ErrorSerializer})
    def delete(self, request: Request, template_id: UUID) -> Response:
        """Take the caller's stars back."""
        return self._rate(request, template_id, None)

    def _rate(self, request: Request, template_id: UUID, stars: int | None) -> Response:
        template = queries.get_template(request.user, template_id)
        return Response(RatingOutput(actions.rate_template(template=template, user=request.user, stars=stars)).data)


class SharesView(APIView):
    @extend_schema(
        operation_id="get_workflow_template_shares",
        tags=TAGS,
        responses={200: TemplateSharesOutput, 403: ErrorSerializer, 404: ErrorSerializer},
    )
    def get(self, request: Request, template_id: UUID) -> Response:
        """With whom a private template is shared."""
        return self._shown(queries.get_managed_template(request.user, template_id))

    @extend_schema(operation_id="share_workflow_template", tags=TAGS, request=SharesInput, responses={200: TemplateSharesOutput, **REFUSED})
    def put(self, request: Request, template_id: UUID) -> Response:
        """Share a private template with these members and teams of its workspace, and with no one else any more."""
        template = queries.get_managed_template(request.user, template_id)
        actions.share_template(template=template, **SharesInput.read_body(request))
        return self._shown(template)

    def _shown(self, template: WorkflowTemplate) -> Response:
        shares = list(template.shares.order_by("id").values_list("user_id", "team_id"))
        return Response({"users": [user for user, _ in shares if user], "teams": [team for _, team in shares if team]})


class PictureView(APIView):
    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[JsonRenderer, str]:
        # The picture is no answer of REST framework, and errors are JSON: a browser that accepts only images gets both.
        return JsonRenderer(), JsonRenderer.media_type

    @extend_schema(
        operation_id="get_workflow_template_picture",
        tags=TAGS,
        parameters=[PictureInput],
        responses={(200, "image/svg+xml"): OpenApiTypes.STR, 404: ErrorSerializer, 422: ErrorSerializer},
    )
    def get(self, request: Request, template_id: UUID) -> HttpResponse:
        """The graph of a template as SVG."""
        asked = PictureInput.read_query(request)
        template = queries.get_template(request.user, template_id)
        language = _language(request, asked["lang"])
        svg = svg_of(picture_of(template.definition_in(language)), title=template.words(language).name, theme=asked["theme"])
        return HttpResponse(svg, content_type="image/svg+xml; charset=utf-8", headers=PICTURE_HEADERS)
