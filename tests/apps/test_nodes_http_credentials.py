"""`http.request` with credentials, against servers on loopback that echo what they hear."""

import base64
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from apps.credentials.types import oauth2
from apps.credentials.types.s3 import S3Fields, signed
from apps.engine.outcomes import Failed, Succeeded
from apps.nodes import execute
from apps.nodes.redaction import MASK, RedactingFilter
from tests.apps.credentials import CANARY, held
from tests.apps.nodes import failure_of, outcome_of, output_of

KEY = "c4nary-of-a-k3y!%41&+/"


def here(server: HTTPServer) -> str:
    return f"{server.host}:{server.port}"


def echo(request: Request) -> Response:
    """Give back everything that was heard, in several forms."""
    heard = {"url": request.url, "headers": list(request.headers), "body": request.get_data(as_text=True)}
    text = json.dumps(heard)
    body = {**heard, "text": text, "base64": base64.b64encode(text.encode()).decode(), "hex": text.encode().hex()}
    return Response(json.dumps(body), int(request.args.get("status", 200)), mimetype="application/json", headers={"X-Echo": request.url})


@pytest.fixture
def server(httpserver: HTTPServer, settings) -> HTTPServer:
    settings.EGRESS_ALLOWED = [here(httpserver)]
    httpserver.expect_request("/echo").respond_with_handler(echo)
    return httpserver


def api_key(server: HTTPServer, **more):
    return {"default": held("api_key", hosts=[here(server)], **{"value": KEY, **more})}


def call(server: HTTPServer, credentials, path: str = "/echo", **config):
    return outcome_of("http.request", {"url": server.url_for(path), **config}, credentials=credentials)


def forms(secret: str) -> list[str]:
    """A canary, and what is left of it in encodings that are not cut up by what stands around them."""
    data = secret.encode()
    url_encoded = {quote(secret, safe=safe) for safe in ("", "/", "!/", "!~*'()", "!*'();:@&=+$,/?")} | {quote_plus(secret)}
    return [secret, data.hex(), base64.b64encode(data).decode().rstrip("="), json.dumps(secret)[1:-1], *url_encoded]


def hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def assert_clean(text: str, *secrets: str) -> None:
    for secret in secrets or (KEY,):
        for form in forms(secret):
            assert form not in text, form


class TestAttached:
    @pytest.mark.parametrize(
        ("type_name", "fields", "header", "value"),
        [
            ("api_key", {"value": KEY}, "X-API-Key", KEY),
            ("api_key", {"value": KEY, "name": "X-Shop"}, "X-Shop", KEY),
            ("bearer", {"token": KEY}, "Authorization", f"Bearer {KEY}"),
            ("basic", {"username": "ada", "password": KEY}, "Authorization", "Basic " + base64.b64encode(f"ada:{KEY}".encode()).decode()),
        ],
    )
    def test_it_stands_where_its_type_says(self, server, type_name, fields, header, value):
        outcome = call(server, {"default": held(type_name, hosts=[here(server)], **fields)})

        assert isinstance(outcome, Succeeded)
        assert server.log[-1][0].headers[header] == value
        assert_clean(str(outcome), KEY, value)
        assert MASK in str(outcome)

    def test_a_key_in_the_address_joins_the_query(self, server):
        outcome = call(server, api_key(server, placement="query", name="key"), "/echo?a=1", query={"b": 2})

        assert server.log[-1][0].args.to_dict() == {"a": "1", "b": "2", "key": KEY}
        assert_clean(str(outcome))

    def test_it_takes_the_place_of_a_header_of_the_config(self, server):
        call(server, api_key(server), headers={"x-api-key": "another"})

        assert server.log[-1][0].headers.getlist("X-API-Key") == [KEY]

    def test_a_body_goes_along_as_it_is(self, server):
        call(server, api_key(server), method="POST", body={"a": 1})

        assert server.log[-1][0].get_json() == {"a": 1}

    def test_the_config_of_a_node_does_not_hold_it(self, server):
        assert_clean(repr(api_key(server)))


class TestElsewhere:
    def test_nothing_is_sent_to_a_host_that_is_not_allowed(self, server):
        failed = failure_of(
            "http.request", {"url": server.url_for("/echo")}, credentials={"default": held("bearer", hosts=["a.test"], token=KEY)}
        )

        assert (failed.error.code, failed.is_final) == ("credential_not_allowed", True)
        assert "a.test" in failed.error.message
        assert not server.log

    def test_a_type_that_is_not_for_http_is_not_sent(self, server):
        failed = failure_of("http.request", {"url": server.url_for("/echo")}, credentials={"default": held("generic", hosts=[], a=KEY)})

        assert failed.error.code == "credential_not_allowed"
        assert not server.log

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_to_another_origin_leaves_it_behind_even_if_that_is_allowed(self, server, settings, status):
        with HTTPServer() as other:
            settings.EGRESS_ALLOWED = [*settings.EGRESS_ALLOWED, here(other)]
            other.expect_request("/echo").respond_with_handler(echo)
            other.expect_request("/back").respond_with_data("", status=302, headers={"Location": server.url_for("/echo")})
            server.expect_request("/away").respond_with_data("", status=status, headers={"Location": other.url_for("/echo")})
            server.expect_request("/round").respond_with_data("", status=status, headers={"Location": other.url_for("/back")})
            for placement in ("header", "query"):
                credential = held("api_key", hosts=[here(server), here(other)], value=KEY, placement=placement, name="X-Shop")
                outcome = call(server, {"default": credential}, "/away")
                assert isinstance(outcome, Succeeded)
                call(server, {"default": credential}, "/round")  # out, and back again to where it was allowed

            heard = [request for request, _ in other.log]
        assert len(heard) == 4
        for request in [*heard, server.log[-1][0]]:
            assert "X-Shop" not in request.headers
            assert "X-Shop" not in request.args

    @pytest.mark.parametrize("placement", ["header", "query"])
    def test_a_redirect_within_the_origin_keeps_it(self, server, placement):
        server.expect_request("/moved").respond_with_data("", status=307, headers={"Location": "/echo?x=1"})

        call(server, api_key(server, placement=placement), "/moved")

        last = server.log[-1][0]
        assert (last.headers if placement == "header" else last.args)["X-API-Key"] == KEY
        assert last.args["x"] == "1"

    def test_no_node_without_a_slot_for_it_sends_any(self, server):
        output_of("http.request", {"url": server.url_for("/echo")})

        assert KEY not in str(list(server.log[-1][0].headers))


class TestFailures:
    def test_an_answer_with_a_bad_status_that_echoes_it_is_cleaned(self, server):
        for credentials in (api_key(server), api_key(server, placement="query")):
            outcome = call(server, credentials, "/echo?status=500")

            assert isinstance(outcome, Failed)
            assert outcome.error.code == "http_status"
            assert_clean(str(outcome))

    @pytest.mark.parametrize("before", range(1950, 2001, 7))
    def test_an_excerpt_is_cleaned_before_it_is_cut(self, server, before):
        server.expect_request("/long").respond_with_data("x" * before + KEY + "y" * 100, status=500)

        outcome = call(server, api_key(server), "/long")

        excerpt = outcome.error.details["body"]
        assert len(excerpt) <= 2000
        assert not any(KEY[:length] in excerpt for length in range(6, len(KEY) + 1))

    def test_a_redirect_to_an_address_with_it_inside_is_cleaned(self, server):
        server.expect_request("/a").respond_with_data("", status=302, headers={"Location": f"ftp://{KEY.replace('%', '')}/"})
        server.expect_request("/b").respond_with_data("", status=302, headers={"Location": "http://127.0.0.1:1/" + KEY})

        for path in ("/a", "/b"):
            assert_clean(str(call(server, api_key(server), path)))

    def test_a_connection_that_breaks_says_nothing(self, settings):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            settings.EGRESS_ALLOWED = [f"127.0.0.1:{port}"]
            thread = threading.Thread(target=hang_up, args=(listener,))
            thread.start()
            credential = held("api_key", hosts=[f"127.0.0.1:{port}"], value=KEY)
            failed = failure_of("http.request", {"url": f"http://127.0.0.1:{port}/"}, credentials={"default": credential})
            thread.join(10)

        assert failed.error.code == "connection_failed"
        assert_clean(str(failed))

    def test_what_a_node_logs_is_cleaned(self, server, caplog, monkeypatch):
        def surprise(*arguments: object) -> None:
            logging.getLogger("apps.nodes").error("Found %s", KEY)
            raise RuntimeError(f"surprised by {KEY}")

        caplog.handler.addFilter(RedactingFilter())
        monkeypatch.setattr("apps.nodes.builtin.http_request._outcome", surprise)
        outcome = call(server, api_key(server))

        assert outcome.error.code == "internal_error"
        log = logging.getLogger("apps.nodes.execute")
        assert log.isEnabledFor(logging.ERROR), (vars(log), log.manager.disable, execute.log is log)
        assert "surprised by •••" in caplog.text
        assert_clean(caplog.text)


class TestOAuth:
    @pytest.fixture(autouse=True)
    def _no_tokens(self):
        oauth2._start_empty()

    @contextmanager
    def tokens(self, settings, *answers) -> Iterator[HTTPServer]:
        """A token server that gives these answers in turn, the last one for ever: (status, JSON)."""
        left = list(answers)

        def give(request: Request) -> Response:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            return Response(json.dumps(body), status, mimetype="application/json")

        with HTTPServer() as server:
            settings.EGRESS_ALLOWED = [*settings.EGRESS_ALLOWED, here(server)]
            server.expect_request("/token", method="POST").respond_with_handler(give)
            yield server

    def client(self, server: HTTPServer, tokens: HTTPServer, **more):
        fields = {"token_url": tokens.url_for("/token"), "client_id": "the client", "client_secret": KEY, **more}
        return {"default": held("oauth2_client_credentials", hosts=[here(server)], **fields)}

    def test_a_token_is_fetched_once_and_sent_until_it_expires(self, server, settings):
        with self.tokens(settings, (200, {"access_token": "t0ken-1", "expires_in": 90}), (200, {"access_token": "t0ken-2"})) as tokens:
            outcomes = [call(server, self.client(server, tokens, scopes=["read", "write"], audience="shop")) for _ in range(3)]
            asked = [request for request, _ in tokens.log]

        assert [request.headers["Authorization"] for request, _ in server.log] == ["Bearer t0ken-1"] * 3
        assert len(asked) == 1
        assert asked[0].form.to_dict() == {"grant_type": "client_credentials", "scope": "read write", "audience": "shop"}
        assert asked[0].authorization.username == "the+client"
        assert_clean(str(outcomes), KEY, "t0ken-1")

    def test_a_token_that_is_about_to_expire_is_not_kept(self, server, settings):
        with self.tokens(settings, (200, {"access_token": "t0ken-1", "expires_in": 30}), (200, {"access_token": "t0ken-2"})) as tokens:
            for _ in range(3):
                call(server, self.client(server, tokens))

        assert [request.headers["Authorization"] for request, _ in server.log] == ["Bearer t0ken-1", "Bearer t0ken-2", "Bearer t0ken-2"]

    def test_the_client_may_log_in_by_the_body(self, server, settings):
        with self.tokens(settings, (200, {"access_token": "t0ken"})) as tokens:
            call(server, self.client(server, tokens, client_authentication="body"))
            form = tokens.log[0][0].form.to_dict()

        assert form == {"grant_type": "client_credentials", "client_id": "the client", "client_secret": KEY}

    def test_a_token_of_another_secret_or_scope_is_another(self, server, settings):
        with self.tokens(settings, (200, {"access_token": "t0ken"})) as tokens:
            for more in ({}, {"client_secret": "another"}, {"scopes": ["read"]}, {"audience": "x"}):
                call(server, self.client(server, tokens, **more))
            assert len(tokens.log) == 4

    def test_a_token_that_was_refused_is_not_used_again(self, server, settings):
        server.expect_request("/no").respond_with_data("", status=401)
        with self.tokens(settings, (200, {"access_token": "t0ken-1"}), (200, {"access_token": "t0ken-2"})) as tokens:
            for path in ("/no", "/echo"):
                call(server, self.client(server, tokens), path)

        assert [request.headers["Authorization"] for request, _ in server.log] == ["Bearer t0ken-1", "Bearer t0ken-2"]

    @pytest.mark.parametrize(
        ("status", "answer", "is_final"),
        [
            (401, {"error": "invalid_client", "error_description": f"no client with {KEY}"}, True),
            (400, {"error": KEY}, True),
            (503, {"error": "busy"}, False),
            (429, {}, False),
            (200, {"token": "x"}, False),
            (200, {"access_token": "a\nb"}, False),
            (200, ["x"], False),
        ],
    )
    def test_no_token_is_a_failure_that_tells_no_secret(self, server, settings, status, answer, is_final):
        with self.tokens(settings, (status, answer)) as tokens:
            outcome = call(server, self.client(server, tokens))

        assert (outcome.error.code, outcome.is_final) == ("token_refused", is_final)
        assert not server.log
        assert_clean(str(outcome))

    def test_no_token_is_fetched_for_a_host_that_is_not_allowed(self, server, settings):
        with self.tokens(settings, (200, {"access_token": "t0ken"})) as tokens:
            credential = held(
                "oauth2_client_credentials", hosts=["a.test"], token_url=tokens.url_for("/token"), client_id="a", client_secret=KEY
            )
            assert call(server, {"default": credential}).error.code == "credential_not_allowed"
            assert not tokens.log

    def test_a_token_server_at_a_blocked_address_is_not_asked(self, server):
        credential = held(
            "oauth2_client_credentials", hosts=[here(server)], token_url="http://169.254.169.254/t", client_id="a", client_secret=KEY
        )

        assert call(server, {"default": credential}).error.code == "blocked_address"

    def test_a_redirect_of_the_token_server_is_not_followed(self, server, settings):
        with HTTPServer() as tokens:
            settings.EGRESS_ALLOWED = [*settings.EGRESS_ALLOWED, here(tokens)]
            tokens.expect_request("/token").respond_with_data("", status=307, headers={"Location": server.url_for("/echo")})
            assert call(server, self.client(server, tokens)).error.code == "token_refused"

        assert not server.log


def test_a_secret_of_unusual_signs_is_found_in_what_comes_back(server):
    outcome = call(server, {"default": held("basic", hosts=[here(server)], username="ada", password=CANARY)})

    assert_clean(str(outcome), CANARY, base64.b64encode(f"ada:{CANARY}".encode()).decode())


def test_a_bucket_is_asked_with_the_signature_that_amazon_names_as_an_example():
    fields = S3Fields(
        bucket="examplebucket", access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    )
    url = httpx2.URL("https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J")

    headers = signed(fields, url, datetime(2013, 5, 24, tzinfo=UTC))

    assert headers["authorization"].endswith("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
