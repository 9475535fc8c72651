"""Errors as HTTP. The only module that knows which error has which status.

Every error answer has one shape: {"code": str, "message": str, "details": {…}}
"""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import Error as DatabaseError
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template import loader
from psycopg_pool import PoolTimeout
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.core.api.renderers import JsonResponse
from apps.core.errors import GoneError, TooManyRequestsError, UnauthenticatedError, UnavailableError
from apps.engine.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, StructForgeError
from apps.engine.json_values import InvalidJsonError, JsonTooLargeError

log = logging.getLogger(__name__)

# The first kind that fits counts, so the narrow stand before the wide.
STATUSES: tuple[tuple[type[StructForgeError], int], ...] = (
    (JsonTooLargeError, 413),
    (InvalidJsonError, 400),
    (InvalidError, 422),
    (ConflictError, 409),
    (NotFoundError, 404),
    (ForbiddenError, 403),
    (UnauthenticatedError, 401),
    (TooManyRequestsError, 429),
    (GoneError, 410),
    (UnavailableError, 503),
)
UNAVAILABLE = (OperationalError, PoolTimeout, RedisConnectionError, RedisTimeoutError)
RETRY_AFTER_SECONDS = "2"


def answer(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER: the answer for an error that a view raised."""
    set_rollback()
    if isinstance(error, StructForgeError):
        wait = error.details.get("retry_after_seconds", RETRY_AFTER_SECONDS if isinstance(error, UnavailableError) else None)
        headers = {"Retry-After": str(wait)} if wait else None
        return _response(status_of(error), error.code, error.message, dict(error.details), headers)
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is nothing here, or nothing that you may see.")
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        return _of_rest_framework(error)
    return _of_surprise(error)


def as_http(error: Exception) -> JsonResponse:
    """The same answer from a view that is not DRF's."""
    made = answer(error, {})
    response = JsonResponse(made.data, status=made.status_code)
    for name, value in made.headers.items():
        response.headers.setdefault(name, value)
    return response


def status_of(error: StructForgeError) -> int:
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def _of_rest_framework(error: exceptions.APIException) -> Response:
    headers = {"WWW-Authenticate": header} if (header := getattr(error, "auth_header", None)) else {}
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.ValidationError):
        faults = _faults(error.detail, "")
        first = faults[0]
        return _response(422, "invalid", f"{first['pointer'] or '/'}: {first['message']}", {"errors": faults})
    code = error.get_codes()
    return _response(error.status_code, code if isinstance(code, str) else "invalid", str(error.detail), {}, headers)


def _faults(detail: Any, pointer: str) -> list[dict[str, str]]:
    """DRF's nested errors as a flat list, each with the JSON pointer of its place."""
    if isinstance(detail, dict):
        return [
            fault
            for name, inner in detail.items()
            for fault in _faults(
                inner, pointer if name == "non_field_errors" else f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"
            )
        ]
    if isinstance(detail, list) and any(isinstance(each, dict | list) for each in detail):
        return [fault for index, inner in enumerate(detail) for fault in _faults(inner, f"{pointer}/{index}")]
    texts = detail if isinstance(detail, list) else [detail]
    return [{"pointer": pointer, "message": str(text), "code": str(getattr(text, "code", "invalid"))} for text in texts]


def _of_surprise(error: Exception) -> Response:
    if isinstance(error, UNAVAILABLE):
        log.warning("A service that the API needs does not answer: %s", error)
        message = "A service that this needs does not answer at the moment. Try again."
        return _response(503, "unavailable", message, {}, {"Retry-After": RETRY_AFTER_SECONDS})
    kind = "of the database" if isinstance(error, DatabaseError) else "of the server"
    log.error("Unexpected error %s in a view", kind, exc_info=error)
    return _response(500, "server_error", "An error of the server. It is in the log.", {})


def _response(status: int, code: str, message: str, details: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
    return Response(error_body(code, message, details), status=status, headers=headers)


def error_body(code: str, message: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "details": details or {}}


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404 of a path that no view has."""
    return _page(request, 404, "not_found", f"There is nothing at {request.path}.")


def server_error(request: HttpRequest) -> HttpResponse:
    return _page(request, 500, "server_error", "An error of the server. It is in the log.")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 400, "bad_request", "The request cannot be read.")


def _page(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    """A page for a browser, JSON for a program."""
    if request.path.startswith("/api/") or "text/html" not in request.headers.get("Accept", ""):
        return JsonResponse(error_body(code, message), status=status)
    return HttpResponse(loader.render_to_string("error.html", {"status": status, "message": message}), status=status)
