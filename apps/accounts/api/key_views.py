"""API keys, and the service accounts that come in by them."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import api_keys, service_accounts
from apps.accounts.api.authentication import IsLoggedIn
from apps.accounts.api.public import NO_STORE
from apps.accounts.api.serializers import (
    ApiKeyInput,
    ApiKeyOutput,
    NewApiKeyOutput,
    OwnApiKeyInput,
    ServiceAccountInput,
    ServiceAccountOutput,
)
from apps.accounts.models import ApiKey, User, Workspace
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_member_workspace, get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer

_ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer}


def _page(request: Request, rows: QuerySet[Any], output: Any) -> Response:
    pages = NewestFirst()
    return pages.get_paginated_response(output(pages.paginate_queryset(rows, request), many=True).data)


def _keys_of(owner: User) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(user=owner).select_related("workspace")


def _create(request: Request, owner: User, workspace: Workspace, data: dict[str, Any]) -> Response:
    """The answer that has the key itself, this once."""
    scopes = [Permission(scope) for scope in data["scopes"]]
    row, key = api_keys.create_key(
        owner=owner, workspace=workspace, name=data["name"], scopes=scopes, expires_at=data["expires_at"], created_by=request.user
    )
    return Response({**ApiKeyOutput(row).data, "key": key}, status=201, headers=NO_STORE)


class ApiKeysView(APIView):
    permission_classes = (IsLoggedIn,)
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_api_keys", tags=["api keys"], responses=ApiKeyOutput(many=True))
    def get(self, request: Request) -> Response:
        """The caller's own keys, newest first, with those that were revoked."""
        return _page(request, _keys_of(request.user), ApiKeyOutput)

    @extend_schema(operation_id="create_api_key", tags=["api keys"], request=OwnApiKeyInput, responses={201: NewApiKeyOutput, **_ERRORS})
    def post(self, request: Request) -> Response:
        """Make a key that speaks for the caller in one workspace: these scopes, as far as the caller has the rights when it is used."""
        data = OwnApiKeyInput.read_body(request)
        return _create(request, request.user, get_member_workspace(request.user, data["workspace"]), data)


class ApiKeyView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="revoke_api_key", tags=["api keys"], responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, key_id: UUID) -> Response:
        """End a key at once."""
        api_keys.revoke_key(key=api_keys.get_key(request.user, key_id))
        return Response(status=204)


class ServiceAccountsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_service_accounts", tags=["api keys"], responses={200: ServiceAccountOutput(many=True), **_ERRORS})
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """The service accounts of a workspace, newest first."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_VIEW)
        return _page(request, service_accounts.list_service_accounts(workspace), ServiceAccountOutput)

    @extend_schema(
        operation_id="create_service_account",
        tags=["api keys"],
        request=ServiceAccountInput,
        responses={201: ServiceAccountOutput, **_ERRORS},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Make an account for a program. It cannot log in: API keys speak for it."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_MANAGE)
        account = service_accounts.create_service_account(
            workspace=workspace, created_by=request.user, **ServiceAccountInput.read_body(request)
        )
        return Response(ServiceAccountOutput(account).data, status=201, headers={"Location": f"{request.path}/{account.id}"})


class ServiceAccountView(APIView):
    @extend_schema(operation_id="delete_service_account", tags=["api keys"], responses={204: None, **_ERRORS})
    def delete(self, request: Request, workspace_id: UUID, account_id: UUID) -> Response:
        """End a service account and its keys; what it did stays."""
        service_accounts.delete_service_account(account=_account(request, workspace_id, account_id)[1])
        return Response(status=204)


class ServiceAccountKeysView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_service_account_keys", tags=["api keys"], responses={200: ApiKeyOutput(many=True), **_ERRORS})
    def get(self, request: Request, workspace_id: UUID, account_id: UUID) -> Response:
        """The keys of a service account, newest first."""
        return _page(request, _keys_of(_account(request, workspace_id, account_id)[1]), ApiKeyOutput)

    @extend_schema(
        operation_id="create_service_account_key", tags=["api keys"], request=ApiKeyInput, responses={201: NewApiKeyOutput, **_ERRORS}
    )
    def post(self, request: Request, workspace_id: UUID, account_id: UUID) -> Response:
        """Make a key for a service account, with scopes that the caller holds as well."""
        workspace, account = _account(request, workspace_id, account_id)
        return _create(request, account, workspace, ApiKeyInput.read_body(request))


class ServiceAccountKeyView(APIView):
    @extend_schema(operation_id="revoke_service_account_key", tags=["api keys"], responses={204: None, **_ERRORS})
    def delete(self, request: Request, workspace_id: UUID, account_id: UUID, key_id: UUID) -> Response:
        """End a key of a service account at once."""
        api_keys.revoke_key(key=api_keys.get_key(_account(request, workspace_id, account_id)[1], key_id))
        return Response(status=204)


def _account(request: Request, workspace_id: UUID, account_id: UUID) -> tuple[Workspace, User]:
    """For those who manage the members of its workspace."""
    workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_MANAGE)
    return workspace, service_accounts.get_service_account(workspace, account_id)
