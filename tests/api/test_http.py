"""The web process as a server sees it: one thread a request, static files, and what it says of its health."""

import asyncio
import threading

import pytest
from asgiref.testing import ApplicationCommunicator
from django.db import connection
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from apps.fleet.health import KeptHealth
from structforge.asgi import application
from structforge.http import ThreadHandler

pytestmark = pytest.mark.django_db(transaction=True)

seen: list[threading.Thread] = []
held = threading.Barrier(2)


def remember(request):
    """Notes its thread and leaves a connection open, as views do."""
    seen.append(threading.current_thread())
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    return HttpResponse(b"done")


def meet(request):
    """Answers once two requests are in it."""
    held.wait(10)
    return HttpResponse(b"met")


urlpatterns = [path("remember", remember), path("meet", meet)]


def scope_of(path, *headers):
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
        "http_version": "1.1",
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
    }


async def get(app, path, *headers):
    """(status, headers, body)"""
    caller = ApplicationCommunicator(app, scope_of(path, *headers))
    await caller.send_input({"type": "http.request", "body": b"", "more_body": False})
    start = await caller.receive_output(20)
    body = b""
    while True:
        part = await caller.receive_output(20)
        body += part["body"]
        if not part.get("more_body"):
            break
    await caller.wait()
    return start["status"], dict(start["headers"]), body


@override_settings(ROOT_URLCONF=__name__)
async def test_requests_one_after_another_share_threads_and_leave_no_connection():
    seen.clear()
    handler = ThreadHandler()
    for _ in range(40):
        assert (await get(handler, "/remember"))[::2] == (200, b"done")
    assert len(set(seen)) < 10  # not always one: the next may come before the thread of the last is seen to be idle
    is_open = await handler._in_thread(lambda: connection.connection is not None)
    assert not is_open


@override_settings(ROOT_URLCONF=__name__)
async def test_requests_at_the_same_time_do_not_wait_for_each_other():
    handler = ThreadHandler()
    answers = await asyncio.gather(get(handler, "/meet"), get(handler, "/meet"))
    assert [body for _, _, body in answers] == [b"met", b"met"]


async def test_a_client_that_leaves_while_it_sends_is_forgotten():
    caller = ApplicationCommunicator(ThreadHandler(), scope_of("/"))
    await caller.send_input({"type": "http.request", "body": b"x", "more_body": True})
    await caller.send_input({"type": "http.disconnect"})
    await caller.wait(5)
    assert await caller.receive_nothing()


async def test_static_files_are_sent_part_by_part():
    status, headers, body = await get(application, "/static/admin.css")
    assert status == 200
    assert b"text/css" in headers[b"Content-Type"]
    assert b".sf-badge" in body


async def test_the_landing_page_leads_to_the_rest():
    status, _, body = await get(application, "/")
    assert status == 200
    for link in (b'href="/admin/"', b'href="/api/docs"', b'href="/health"'):
        assert link in body


async def test_the_documentation_needs_nothing_from_elsewhere():
    status, _, body = await get(application, "/api/docs")
    assert status == 200
    assert b"/static/drf_spectacular_sidecar/" in body
    assert b"https://" not in body


async def test_health_names_each_part():
    assert (await get(application, "/health/live"))[0] == 200
    status, _, body = await get(application, "/health/ready")
    assert (status, body) == (200, b'{"status":"ok","parts":{"database":"ok","broker":"ok"},"warnings":{}}')
    status, _, body = await get(application, "/health")
    assert status == 503
    assert b'"workers":"no answer of default, code"' in body
    assert b'"database":"ok","broker":"ok","live":"ok"' in body


async def test_a_database_that_is_away_makes_the_process_unready(monkeypatch):
    kept = KeptHealth({"database": lambda: "down", "broker": lambda: "ok"})
    monkeypatch.setattr("apps.fleet.api.views.readiness", kept)
    status, _, body = await get(application, "/health/ready")
    assert status == 503
    assert b'"database":"down"' in body
