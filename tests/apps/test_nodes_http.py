"""`http.request` against servers on loopback: pytest-httpserver, and a socket where the answer must not be HTTP as it should be."""

import base64
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx2
import pytest
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from apps.engine.outcomes import Failed
from apps.nodes import egress
from apps.nodes.contract import Effect
from apps.nodes.egress import Call
from apps.nodes.execute import perform
from apps.nodes.registry import get_type
from tests.apps.nodes import context_of, failure_of, output_of

MB = 1024 * 1024


@pytest.fixture
def server(httpserver: HTTPServer, settings) -> HTTPServer:
    settings.EGRESS_ALLOWED = [f"{httpserver.host}:{httpserver.port}"]
    return httpserver


@contextmanager
def speaking(settings, talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that speaks to one connection as `talk` says, once it has read the request."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings.EGRESS_ALLOWED = [*settings.EGRESS_ALLOWED, f"127.0.0.1:{port}"]
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{port}/"
        thread.join(10)
        assert not thread.is_alive()


def seen(server: HTTPServer) -> Request:
    return server.log[-1][0]


class TestRequest:
    def test_sends_json_and_reads_json(self, server):
        server.expect_request("/orders", method="POST", json={"id": 1, "name": "Ünal"}).respond_with_json({"ok": True}, status=201)

        output = output_of("http.request", {"url": server.url_for("/orders"), "method": "POST", "body": {"id": 1, "name": "Ünal"}})

        assert (output["status"], output["body"]) == (201, {"ok": True})
        assert output["headers"]["content-type"] == "application/json"

    def test_adds_the_query_to_that_of_the_url(self, server):
        server.expect_request("/", query_string="a=1&b=x+y&c=1&c=true&d=").respond_with_data("found")

        url = server.url_for("/") + "?a=1"
        output = output_of("http.request", {"url": url, "query": {"b": "x y", "c": [1, True], "d": None}})

        assert output["body"] == "found"

    def test_sends_a_form(self, server):
        server.expect_request("/").respond_with_data("")

        output_of("http.request", {"url": server.url_for("/"), "method": "POST", "body": {"a": "ä", "b": [1, 2]}, "body_format": "form"})

        assert seen(server).form.to_dict(flat=False) == {"a": ["ä"], "b": ["1", "2"]}

    def test_sends_text_with_the_content_type_of_the_headers(self, server):
        server.expect_request("/").respond_with_data("")
        config = {"method": "PUT", "body": "<a/>", "body_format": "text", "headers": {"Content-Type": "text/xml", "X-Number": 7}}

        output_of("http.request", {"url": server.url_for("/"), **config})

        assert (seen(server).data, seen(server).headers["Content-Type"], seen(server).headers["X-Number"]) == (b"<a/>", "text/xml", "7")

    @pytest.mark.parametrize(
        ("method", "more", "key"),
        [("POST", {}, "key-of-node"), ("DELETE", {}, "key-of-node"), ("GET", {}, None), ("POST", {"send_idempotency_key": False}, None)],
    )
    def test_sends_the_idempotency_key_of_the_node_run_with_what_may_have_an_effect(self, server, method, more, key):
        server.expect_request("/").respond_with_data("")

        output_of("http.request", {"url": server.url_for("/"), "method": method, **more})

        assert seen(server).headers.get("Idempotency-Key") == key

    def test_says_how_many_executions_led_to_it_whatever_the_node_says(self, server):
        server.expect_request("/").respond_with_data("")

        output_of("http.request", {"url": server.url_for("/"), "headers": {"x-STRUCTFORGE-depth": 0}}, depth=6)

        assert seen(server).headers.getlist("X-StructForge-Depth") == ["7"]

    def test_keeps_no_cookie_of_one_request_for_another(self, server):
        server.expect_request("/").respond_with_data("", headers={"Set-Cookie": "session=of-somebody-else"})

        for _ in range(2):
            output_of("http.request", {"url": server.url_for("/")})

        assert "Cookie" not in seen(server).headers

    def test_heeds_no_proxy_of_the_environment(self, server, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        server.expect_request("/").respond_with_data("direct")

        assert output_of("http.request", {"url": server.url_for("/")})["body"] == "direct"

    def test_sends_an_iso_8601_text_as_it_is(self, server):
        server.expect_request("/").respond_with_data("")

        output_of("http.request", {"url": server.url_for("/"), "query": {"at": "2030-01-31T09:00:00+01:00"}})

        assert seen(server).args["at"] == "2030-01-31T09:00:00+01:00"


class TestResponse:
    @pytest.mark.parametrize(
        ("content", "content_type", "body"),
        [
            (b'{"a": [1.5, null]}', "application/json; charset=utf-8", {"a": [1.5, None]}),
            (b'{"title": "no"}', "application/problem+json", {"title": "no"}),
            ("grün".encode(), "text/plain; charset=utf-8", "grün"),
            ("grün".encode("latin-1"), "text/plain; charset=ISO-8859-1", "grün"),
            (b"<a/>", "application/xml", "<a/>"),
            (b'{"a": 1}', "text/plain", '{"a": 1}'),
            (b"", "application/json", None),
        ],
    )
    def test_is_read_by_its_content_type(self, server, content, content_type, body):
        server.expect_request("/").respond_with_data(content, content_type=content_type)

        assert output_of("http.request", {"url": server.url_for("/")})["body"] == body

    @pytest.mark.parametrize(
        ("content", "content_type"),
        [(b"\x89PNG\r\n\x00\xff", "image/png"), (b"a\x00b", "text/plain"), (b"abc-", "text/plain; charset=punycode")],
    )
    def test_that_is_no_text_becomes_base64(self, server, content, content_type):
        server.expect_request("/").respond_with_data(content, content_type=content_type)

        output = output_of("http.request", {"url": server.url_for("/")})

        assert output["encoding"] == "base64"
        assert output["body"] == base64.b64encode(content).decode()

    def test_can_be_read_in_another_format(self, server):
        server.expect_request("/").respond_with_data('{"a": 1}', content_type="text/plain")

        assert output_of("http.request", {"url": server.url_for("/"), "response_format": "json"})["body"] == {"a": 1}
        assert output_of("http.request", {"url": server.url_for("/"), "response_format": "base64"})["encoding"] == "base64"

    @pytest.mark.parametrize("content", [b"{", b"NaN", b'{"a": 1, "a": 2}', b"\xff", b"[" * 100_000, b"1" * 100_000, b'"\\u0000"'])
    def test_that_claims_to_be_json_and_is_not_fails(self, server, content):
        server.expect_request("/").respond_with_data(content, content_type="application/json")

        assert failure_of("http.request", {"url": server.url_for("/")}).error.code == "bad_response"

    def test_may_be_chunked_and_compressed(self, server):
        def respond(request: Request) -> Response:
            compressed = gzip.compress(b'{"a": "' + b"x" * 10_000 + b'"}')
            pieces = (compressed[at : at + 7] for at in range(0, len(compressed), 7))
            return Response(pieces, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

        server.expect_request("/").respond_with_handler(respond)

        assert len(output_of("http.request", {"url": server.url_for("/")})["body"]["a"]) == 10_000

    def test_that_is_too_large_is_cut_off_while_it_comes(self, server):
        sent = []

        def respond(request: Request) -> Response:
            return Response((sent.append(1) or b"x" * MB for _ in range(100)), mimetype="text/plain")

        server.expect_request("/").respond_with_handler(respond)

        failed = failure_of("http.request", {"url": server.url_for("/"), "max_response_mb": 2})

        assert (failed.error.code, failed.is_final) == ("response_too_large", True)
        assert len(sent) < 50

    def test_that_is_a_bomb_is_noticed_while_it_is_small(self, server):
        bomb = gzip.compress(gzip.compress(b"\0" * 200 * MB))
        server.expect_request("/").respond_with_data(bomb, headers={"Content-Encoding": "gzip, gzip"})

        assert failure_of("http.request", {"url": server.url_for("/")}).error.code == "response_too_large"

    def test_that_is_not_compressed_as_it_says_fails(self, server):
        server.expect_request("/").respond_with_data(b"plain", headers={"Content-Encoding": "gzip"})

        assert failure_of("http.request", {"url": server.url_for("/")}).error.code == "bad_response"

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (b"garbage\r\n\r\n", "bad_response"),
            (b"HTTP/1.1 two hundred\r\n\r\n", "bad_response"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad_response"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad_response"),
            (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000 + b"\r\n\r\n", "bad_response"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "connection_failed"),
            (b"", "connection_failed"),
        ],
    )
    def test_that_is_no_http_fails(self, settings, answer, code):
        with speaking(settings, lambda connection: connection.sendall(answer)) as url:
            assert failure_of("http.request", {"url": url}).error.code == code


class TestStatus:
    def test_that_is_not_expected_fails_with_what_came(self, server):
        server.expect_request("/a").respond_with_data("no such order", status=404)

        failed = failure_of("http.request", {"url": server.url_for("/a") + "?token=secret"})

        assert (failed.error.code, failed.is_final) == ("http_status", True)
        assert failed.error.message == f"GET {server.url_for('/a')} answered 404 NOT FOUND, expected 2xx."
        assert failed.error.details == {"status": 404, "url": server.url_for("/a"), "body": "no such order"}

    def test_may_be_any_that_is_named(self, server):
        server.expect_request("/").respond_with_data("gone", status=410)

        assert output_of("http.request", {"url": server.url_for("/"), "expected": [404, "410"]})["status"] == 410

    def test_shows_an_excerpt_of_a_long_body(self, server):
        server.expect_request("/").respond_with_data("ä" * MB, status=500)

        assert failure_of("http.request", {"url": server.url_for("/")}).error.details["body"] == "ä" * 2000

    @pytest.mark.parametrize(("status", "is_final"), [(400, True), (408, False), (429, False), (500, False), (503, False)])
    def test_says_whether_another_attempt_may_help(self, server, status, is_final):
        server.expect_request("/").respond_with_data("", status=status)

        assert failure_of("http.request", {"url": server.url_for("/")}).is_final is is_final

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("7", 7), ("0", 0), ("999999999", 86_400), ("soon", None), ("-1", None), ("", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
    )
    def test_says_when_the_other_side_wants_to_be_asked_again(self, server, header, seconds):
        server.expect_request("/").respond_with_data("", status=503, headers={"Retry-After": header})

        assert failure_of("http.request", {"url": server.url_for("/")}).error.retry_after_seconds == seconds

    def test_reads_a_date_to_come(self, server):
        later = timezone.now() + timedelta(minutes=2)
        server.expect_request("/").respond_with_data("", status=429, headers={"Retry-After": later.strftime("%a, %d %b %Y %H:%M:%S GMT")})

        seconds = failure_of("http.request", {"url": server.url_for("/")}).error.retry_after_seconds

        assert 100 < seconds <= 120


class TestRedirect:
    def to(self, server: HTTPServer, path: str, location: str, status: int = 302) -> str:
        server.expect_request(path).respond_with_data("", status=status, headers={"Location": location})
        return server.url_for(path)

    def test_is_followed_and_may_be_relative(self, server):
        server.expect_request("/end").respond_with_data("end")

        assert output_of("http.request", {"url": self.to(server, "/a", "end?x=1")})["body"] == "end"

    def test_is_followed_three_times(self, server):
        for number in range(3):
            self.to(server, f"/{number}", f"/{number + 1}")
        server.expect_request("/3").respond_with_data("end")

        assert output_of("http.request", {"url": server.url_for("/0")})["body"] == "end"

    def test_is_not_followed_for_ever(self, server):
        assert failure_of("http.request", {"url": self.to(server, "/a", "/a")}).error.code == "too_many_redirects"

    def test_is_an_answer_when_it_is_not_to_be_followed(self, server):
        url = self.to(server, "/a", "/b", status=301)

        output = output_of("http.request", {"url": url, "follow_redirects": False, "expected": ["3xx"]})

        assert output["headers"]["location"] == "/b"

    @pytest.mark.parametrize(
        "location", ["http://127.0.0.2:8000/", "http://169.254.169.254/latest", "//[::1]:8000/", "http://localhost:22/"]
    )
    def test_to_a_blocked_address_is_blocked(self, server, location):
        failed = failure_of("http.request", {"url": self.to(server, "/a", location)})

        assert (failed.error.code, failed.is_final) == ("blocked_address", True)

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://example.com", "http://user:pass@127.0.0.1/", "javascript:1"])
    def test_to_what_is_no_address_for_nodes_fails(self, server, location):
        assert failure_of("http.request", {"url": self.to(server, "/a", location)}).error.code == "bad_response"

    @pytest.mark.parametrize("location", [b"http://[", b"http://a:99999/"])
    def test_to_what_is_no_url_fails(self, settings, location):
        answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
        with speaking(settings, lambda connection: connection.sendall(answer)) as url:
            assert failure_of("http.request", {"url": url}).error.code == "bad_response"

    @pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
    def test_of_a_post_becomes_a_get_where_the_standard_says_so(self, server, status, method):
        server.expect_request("/end").respond_with_data("end")
        config = {"url": self.to(server, "/a", "/end", status), "method": "POST", "body": {"a": 1}}

        output_of("http.request", config)

        assert (seen(server).method, seen(server).data) == (method, b'{"a":1}' if method == "POST" else b"")

    def test_to_another_origin_leaves_credentials_behind(self, server, settings):
        with HTTPServer() as other:
            settings.EGRESS_ALLOWED = [*settings.EGRESS_ALLOWED, f"{other.host}:{other.port}"]
            other.expect_request("/").respond_with_data("")
            headers = {"Authorization": "Bearer secret", "X-Api-Key": "secret", "Cookie": "a=secret", "Accept": "text/plain"}
            url = self.to(server, "/a", other.url_for("/"), 307)
            output_of("http.request", {"url": url, "method": "POST", "headers": headers})
            heard = dict(seen(other).headers)

        assert (heard["Accept"], heard["X-Structforge-Depth"]) == ("text/plain", "1")
        assert heard["Host"] == f"{other.host}:{other.port}"
        assert not {"Authorization", "X-Api-Key", "Cookie", "Idempotency-Key"} & heard.keys()
        assert seen(server).headers["X-Api-Key"] == "secret"

    def test_within_one_origin_keeps_them(self, server):
        server.expect_request("/end").respond_with_data("end")

        output_of("http.request", {"url": self.to(server, "/a", "/end"), "headers": {"X-Api-Key": "secret"}})

        assert seen(server).headers["X-Api-Key"] == "secret"


class TestTime:
    def drip(self, connection: socket.socket) -> None:
        """A byte now and then: each read is quick, and the whole takes for ever."""
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)  # the pace of the server, not a wait for an event
        except OSError:
            return

    def wait_for_the_end(self, connection: socket.socket) -> None:
        connection.recv(1)

    @pytest.mark.parametrize("talk", ["drip", "wait_for_the_end"])
    def test_limit_holds_for_the_whole_exchange(self, settings, talk):
        with speaking(settings, getattr(self, talk)) as url:
            started = time.monotonic()
            failed = failure_of("http.request", {"url": url, "timeout_seconds": 0.3})

        assert (failed.error.code, failed.is_final) == ("timeout", False)
        assert time.monotonic() - started < 2

    def test_left_to_the_attempt_is_a_limit_too(self, settings):
        with speaking(settings, self.wait_for_the_end) as url:
            assert failure_of("http.request", {"url": url}, timeout_seconds=0.2).error.code == "timeout"

    @pytest.mark.parametrize("talk", ["drip", "wait_for_the_end"])
    def test_ends_when_the_node_is_cancelled(self, settings, talk):
        context, reached, outcomes = context_of(), threading.Event(), []

        def signal_and(connection: socket.socket) -> None:
            reached.set()
            getattr(self, talk)(connection)

        with speaking(settings, signal_and) as url:
            run = threading.Thread(target=lambda: outcomes.append(perform(get_type("http.request"), {"url": url}, context)))
            run.start()
            assert reached.wait(10)
            context.cancel()
            run.join(5)

        assert isinstance(outcomes[0], Failed)
        assert outcomes[0].error.code == "cancelled"

    def test_of_a_cancelled_node_does_not_begin(self, server):
        context = context_of()
        context.cancel()

        outcome = perform(get_type("http.request"), {"url": server.url_for("/")}, context)

        assert isinstance(outcome, Failed)
        assert outcome.error.code == "cancelled"
        assert not server.log


class TestConnection:
    def test_that_nobody_accepts_fails(self, settings):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        settings.EGRESS_ALLOWED = [f"127.0.0.1:{port}"]

        failed = failure_of("http.request", {"url": f"http://127.0.0.1:{port}/"})

        assert (failed.error.code, failed.is_final) == ("connection_failed", False)

    def test_to_a_blocked_address_is_not_made(self):
        failed = failure_of("http.request", {"url": "http://169.254.169.254/latest/meta-data/"})

        assert (failed.error.code, failed.is_final) == ("blocked_address", True)

    def test_that_is_no_tls_fails(self, server):
        assert failure_of("http.request", {"url": server.url_for("/").replace("http:", "https:")}).error.code == "connection_failed"

    def answer_all(self, connection: socket.socket) -> None:
        """Answer over this connection for as long as it lasts; the server takes no other."""
        while True:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsame")
            if not connection.recv(65_536):
                return

    def test_is_kept_for_the_next_request(self, settings):
        with speaking(settings, self.answer_all) as url:
            bodies = [output_of("http.request", {"url": url})["body"] for _ in range(3)]
            egress.shared_transport().close()

        assert bodies == ["same"] * 3

    def test_is_not_cut_by_a_cancel_that_comes_late(self, settings):
        first, is_cancelled = context_of(), threading.Event()

        def answer_twice(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            assert is_cancelled.wait(10)
            connection.sendall(b"same")

        with speaking(settings, answer_twice) as url:
            perform(get_type("http.request"), {"url": url}, first)
            with egress.calling(Call(5)):
                response = egress.shared_transport().handle_request(httpx2.Request("GET", url))
                first.cancel()
                is_cancelled.set()
                assert response.read() == b"same"


@pytest.mark.parametrize(
    ("config", "effect"),
    [
        ({}, Effect.IDEMPOTENT),
        ({"method": "HEAD"}, Effect.IDEMPOTENT),
        ({"method": "POST"}, Effect.EXTERNAL),
        ({"method": "PUT"}, Effect.EXTERNAL),
        ({"method": "POST", "idempotent": True}, Effect.IDEMPOTENT),
        ({"method": "POST", "idempotent": "${input.safe}"}, Effect.EXTERNAL),
        ({"method": "${input.method}"}, Effect.EXTERNAL),
    ],
)
def test_the_effect_is_that_of_the_method(config, effect):
    assert get_type("http.request").effect_of(config) is effect
