"""The addresses that other programs call: open to whoever knows them, and no part of the described API.

They read no cookie, so that no other site can act through somebody's browser; what workflows answer is sandboxed, since it comes from our
own origin.
"""

from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.models import User
from apps.core.api.errors import as_http
from apps.core.api.renderers import JsonResponse
from apps.engine.json_values import InvalidJsonError
from apps.triggers.webhooks import answering, receiving
from apps.triggers.webhooks.answering import Answer
from apps.triggers.webhooks.finding import Hook, find_listening, find_open
from apps.triggers.webhooks.letting_in import MethodNotAllowedError, NotProvedError, check_failures, check_place, check_proof, check_rate
from apps.triggers.webhooks.listening import take_turn
from apps.triggers.webhooks.receiving import Call
from apps.triggers.webhooks.requests import Incoming, get_client_ip, read

# As for an attachment: neither scripts nor forms of it run as ours.
_SAFE = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}


@csrf_exempt
def call_webhook(request: HttpRequest, token: str, tail: str = "") -> HttpResponse:
    """Keep the request and start the workflow."""
    return _answered(lambda: _received(request, token, tail))


@csrf_exempt
def call_test_webhook(request: HttpRequest, token: str, tail: str = "") -> HttpResponse:
    """Keep the request and start a test run, while somebody listens."""
    return _answered(lambda: _received_test(request, token, tail))


def _received(request: HttpRequest, token: str, tail: str) -> Answer:
    hook, call = _let_in(request, find_open(token), tail)
    started = receiving.accept(hook=hook, call=call)
    if hook.config.respond == "at_once" or started.execution_id is None:
        return answering.accepted(started.execution_id, is_new=started.created)
    return _waited(hook, started.execution_id)


def _received_test(request: HttpRequest, token: str, tail: str) -> Answer:
    hook, call = _let_in(request, find_listening(token), tail)
    take_turn(hook)
    listener = User.objects.filter(pk=hook.listener_id).first()
    started = receiving.accept_test(hook=hook, call=call, listener=listener)
    if hook.config.respond == "at_once":
        return answering.accepted(started.execution_id, is_new=True)
    return _waited(hook, started.execution_id)


def _let_in(request: HttpRequest, hook: Hook, tail: str) -> tuple[Hook, Call]:
    ip = get_client_ip(request)
    check_place(hook, ip=ip, method=request.method or "")
    check_failures(hook, ip=ip)
    incoming = read(request, path=tail, max_bytes=hook.config.max_bytes)
    check_proof(hook, incoming)
    check_rate(hook)
    call = _read(hook, incoming)
    receiving.refuse_too_deep(hook=hook, call=call)
    return hook, call


def _read(hook: Hook, incoming: Incoming) -> Call:
    try:
        return receiving.call_of(hook, incoming)
    except InvalidJsonError as error:
        receiving.keep_refused(hook=hook, call=receiving.unreadable(hook, incoming), error=error)
        raise


def _waited(hook: Hook, execution_id: UUID) -> Answer:
    if hook.config.respond == "last_node":
        return answering.wait_for_output(execution_id, hook.config.wait_seconds)
    return answering.wait_for_respond(execution_id, hook.respond_keys, hook.config.wait_seconds)


def _answered(receive: Callable[[], Answer]) -> HttpResponse:
    try:
        answer = receive()
    except Exception as error:  # also what nobody expected: the sender is to get JSON, and 503 where trying again helps
        return _refusal(error)
    response = HttpResponse(answer.body, status=answer.status)
    for name, value in {**answer.headers, **_SAFE}.items():
        response.headers[name] = value
    return response


def _refusal(error: Exception) -> HttpResponse:
    if isinstance(error, MethodNotAllowedError):
        response: HttpResponse = JsonResponse({"code": error.code, "message": error.message, "details": dict(error.details)}, status=405)
        response.headers["Allow"] = ", ".join(error.details["allowed"])
        return response
    response = as_http(error)
    if isinstance(error, NotProvedError):
        response.headers["WWW-Authenticate"] = 'Basic realm="webhook", Bearer'
    return response
