"""Credentials over HTTP. Secrets come in, and never go out."""

from uuid import UUID

from django.db import connection
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.credentials import actions, queries
from apps.credentials.api.serializers import (
    CredentialChangeInput,
    CredentialInput,
    CredentialOutput,
    CredentialQueryInput,
    CredentialTypeOutput,
    GrantInput,
    GrantOutput,
    TestedOutput,
)
from apps.credentials.catalog import credential_types

TAGS = ["credentials"]
PAGING = frozenset(("cursor", "limit"))
NOT_FOUND = {403: ErrorSerializer, 404: ErrorSerializer}
ERRORS = {**NOT_FOUND, 409: ErrorSerializer, 422: ErrorSerializer}


class CredentialTypesView(APIView):
    @extend_schema(operation_id="list_credential_types", tags=TAGS, responses=CredentialTypeOutput(many=True))
    def get(self, request: Request) -> Response:
        """The kinds of credentials, each with the JSON Schema of its fields."""
        return Response(credential_types())


class CredentialsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_credentials", tags=TAGS, parameters=[CredentialQueryInput], responses=CredentialOutput(many=True))
    def get(self, request: Request) -> Response:
        """The credentials that the caller may see, newest first."""
        query = CredentialQueryInput.read_query(request, besides=PAGING)
        found = queries.list_credentials(request.user, workspace_id=query["workspace"], type_name=query["type"], search=query["search"])
        pages = self.pagination_class()
        return pages.get_paginated_response(CredentialOutput(pages.paginate_queryset(found, request), many=True).data)

    @extend_schema(operation_id="create_credential", tags=TAGS, request=CredentialInput, responses={201: CredentialOutput, **ERRORS})
    def post(self, request: Request) -> Response:
        """Seal a new credential. Its secrets are never shown again."""
        data = CredentialInput.read_body(request)
        workspace = get_workspace(request.user, data["workspace"], Permission.CREDENTIAL_MANAGE)
        credential = actions.create_credential(
            workspace=workspace,
            name=data["name"],
            type_name=data["type"],
            fields=data["fields"],
            allowed_hosts=data["allowed_hosts"],
            expires_at=data["expires_at"],
            created_by=request.user,
        )
        return Response(CredentialOutput(credential).data, status=201, headers={"Location": f"{request.path}/{credential.pk}"})


class CredentialView(APIView):
    @extend_schema(operation_id="get_credential", tags=TAGS, responses={200: CredentialOutput, 404: ErrorSerializer})
    def get(self, request: Request, credential_id: UUID) -> Response:
        """One credential, without its secrets."""
        return Response(CredentialOutput(queries.get_credential(request.user, credential_id)).data)

    @extend_schema(operation_id="update_credential", tags=TAGS, request=CredentialChangeInput, responses={200: CredentialOutput, **ERRORS})
    def patch(self, request: Request, credential_id: UUID) -> Response:
        """Change what the body names. To let secrets go to another place, give them anew: who may change them may not know them."""
        credential = queries.get_managed(request.user, credential_id)
        return Response(CredentialOutput(actions.update_credential(credential=credential, **CredentialChangeInput.read_body(request))).data)

    @extend_schema(operation_id="delete_credential", tags=TAGS, responses={204: None, **NOT_FOUND, 409: ErrorSerializer})
    def delete(self, request: Request, credential_id: UUID) -> Response:
        """Delete it. While a published version names it, that is refused, with the workflows in `details`."""
        actions.delete_credential(credential=queries.get_managed(request.user, credential_id), deleted_by=request.user)
        return Response(status=204)


class TestView(APIView):
    @extend_schema(operation_id="test_credential", tags=TAGS, request=None, responses={200: TestedOutput, **NOT_FOUND})
    def post(self, request: Request, credential_id: UUID) -> Response:
        """Try it out against the other side, for ten seconds at most."""
        credential = queries.get_usable(request.user, credential_id)
        if not connection.in_atomic_block:
            connection.close()  # back to the pool while the other side takes its time
        tested = actions.try_credential(credential=credential)
        return Response({"is_ok": tested.is_ok, "message": tested.message})


class GrantsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_credential_grants", tags=TAGS, responses={200: GrantOutput(many=True), **NOT_FOUND})
    def get(self, request: Request, credential_id: UUID) -> Response:
        """With whom a credential is shared; for those who may share it."""
        pages = self.pagination_class()
        found = queries.list_grants(queries.get_managed(request.user, credential_id))
        return pages.get_paginated_response(GrantOutput(pages.paginate_queryset(found, request), many=True).data)

    @extend_schema(
        operation_id="grant_credential", tags=TAGS, request=GrantInput, responses={201: GrantOutput, **NOT_FOUND, 422: ErrorSerializer}
    )
    def post(self, request: Request, credential_id: UUID) -> Response:
        """Share it with a person or a team, or change the level of that."""
        credential = queries.get_managed(request.user, credential_id)
        data = GrantInput.read_body(request)
        grant = actions.share_credential(
            credential=credential, level=data["level"], user_id=data["user"], team_id=data["team"], shared_by=request.user
        )
        return Response(GrantOutput(grant).data, status=201, headers={"Location": f"{request.path}/{grant.pk}"})


class GrantView(APIView):
    @extend_schema(operation_id="revoke_credential", tags=TAGS, responses={204: None, **NOT_FOUND})
    def delete(self, request: Request, credential_id: UUID, grant_id: UUID) -> Response:
        """Share it no longer. Workflows of other workspaces that name it by this share fail from then on."""
        grant = queries.get_grant(queries.get_managed(request.user, credential_id), grant_id)
        actions.unshare_credential(grant=grant)
        return Response(status=204)
