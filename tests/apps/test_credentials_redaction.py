"""Secrets are taken out of values and logs, in whatever form they come back."""

import base64
import html
import json
import logging
import random
import string
import time
from urllib.parse import quote, quote_plus, urlencode

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.engine.outcomes import Deferred, Failed, NodeError, Succeeded
from apps.nodes.redaction import NO_SECRETS, RedactingFilter, Redactor, redacting_logs
from apps.nodes.secret import MASK, Secret
from tests.apps.credentials import CANARY

PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=6, max_size=40)
SAFE = string.ascii_letters + string.digits + "-._~"
WAYS = {
    "as it is": lambda text: f"before{text}after",
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
    "hex in capitals": lambda text: text.encode().hex().upper(),
    "a query": lambda text: urlencode({"key": text}),
    "a path": quote,
    "URL-encoded": lambda text: quote(text, safe=""),
    "URL-encoded in small letters": lambda text: "".join(part.lower() if part[0] == "%" else part for part in _parts(quote(text, safe=""))),
    "a form": quote_plus,
    "JSON in a text": lambda text: json.dumps({"key": text}, ensure_ascii=False),
    "JSON in a text in JSON": lambda text: json.dumps(json.dumps({"key": text}, ensure_ascii=False), ensure_ascii=False),
    "JSON in ASCII": json.dumps,
    "HTML": html.escape,
    "a URL as browsers write it": lambda text: quote(text, safe="!~*'()"),
    "a URL with some signs as they are": lambda text: quote(text, safe="!/"),
    "a URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "a URL in JSON in HTML": lambda text: html.escape(json.dumps(quote(text))),
    "base64 in a URL": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "every sign as a number in HTML": lambda text: "".join(sign if sign in SAFE else f"&#{ord(sign)};" for sign in text),
    "Python's": repr,
}


def _parts(text):
    at = 0
    while at < len(text):
        length = 3 if text[at] == "%" else 1
        yield text[at : at + length]
        at += length


def redactor(*secrets: str) -> Redactor:
    return Redactor(map(Secret, secrets))


@pytest.mark.parametrize("way", WAYS, ids=str)
@settings(deadline=None)
@given(PLAIN)
@example(CANARY)
def test_a_secret_is_found_in_every_form(way, secret):
    written = WAYS[way](secret)

    assert MASK in redactor(secret).text(written)
    assert WAYS[way](secret) not in redactor(secret).text(written).replace(MASK, "")


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_inside_a_longer_base64_text_is_found(before, encode):
    written = encode(b"x" * before + CANARY.encode() + b"and more").decode()

    found = redactor(CANARY).text(written)

    assert MASK in found
    assert CANARY[2:-2].encode() not in base64.b64decode(
        found.replace(MASK, "AAAA") + "===", altchars=b"-_" if encode is base64.urlsafe_b64encode else None
    )


def test_it_is_found_anywhere_in_a_json_value():
    value = {"a": [1, {"b": f"x{CANARY}y"}], CANARY: None, "c": True, "d": 1.5}

    assert redactor(CANARY).json(value) == {"a": [1, {"b": f"x{MASK}y"}], MASK: None, "c": True, "d": 1.5}


def test_a_number_that_is_a_secret_is_found():
    assert redactor("12345678").json({"n": 12345678, "m": 123456789, "k": 1234}) == {"n": MASK, "m": MASK, "k": 1234}


def test_a_value_without_secrets_is_given_back_as_it_is():
    value = {"a": ["b"]}

    assert redactor(CANARY).json(value) is value
    assert NO_SECRETS.json(value) is value
    assert not NO_SECRETS


def test_a_very_short_secret_is_not_sought():
    assert redactor("abc").text("the abc of it") == "the abc of it"


def test_the_whole_of_a_longer_secret_goes_before_a_shorter_one_inside_it():
    assert redactor("token", "token-of-ada").text("a token-of-ada and a token") == f"a {MASK} and a {MASK}"


def test_outcomes_of_every_kind_are_searched():
    seek = redactor(CANARY)

    assert seek.outcome(Succeeded({"a": CANARY}, variables={"v": CANARY})) == Succeeded({"a": MASK}, variables={"v": MASK})
    error = NodeError("code", f"no {CANARY}", {"url": quote(CANARY)}, 5)
    assert seek.outcome(Failed(error, is_final=True)) == Failed(NodeError("code", f"no {MASK}", {"url": MASK}, 5), is_final=True)
    assert seek.outcome(Deferred(delay_seconds=1, state=[CANARY])) == Deferred(delay_seconds=1, state=[MASK])


@pytest.mark.parametrize("secret", ["\\" * 40 + "x", '\\"' * 40, "%25" * 40, "&amp;" * 40, "+ " * 40, "=" * 300])
@pytest.mark.parametrize("text", ["\\" * 100_000, '\\\\\\"' * 30_000, "%2525" * 30_000, "&amp;amp;" * 20_000, "+%20 " * 30_000])
def test_no_secret_and_no_text_make_the_search_slow(secret, text):
    begun = time.monotonic()

    redactor(secret).json([text])

    assert time.monotonic() - begun < 2


def test_a_long_secret_is_found_in_every_form():
    secret = "".join(random.Random(1).choices([chr(code) for code in range(32, 127)], k=20_000))
    seek = redactor(secret)

    for way in WAYS.values():
        left = seek.text(way(secret)).replace(MASK, "")
        assert not any(way(secret)[at : at + 40] in left for at in range(100, 10_000, 37))


def test_fifty_megabytes_are_searched_in_seconds():
    noise = random.Random(1).randbytes(25_000_000).hex()
    begun = time.monotonic()

    redactor(CANARY).json({"body": noise})

    assert time.monotonic() - begun < 5


class TestLogs:
    @pytest.fixture
    def lines(self):
        """What a handler of this installation writes."""
        written = []

        class Keeping(logging.Handler):
            def emit(self, record):
                written.append(self.format(record))

        handler = Keeping()
        handler.addFilter(RedactingFilter())
        logger = logging.getLogger("tests.redaction")
        logger.addHandler(handler)
        yield written
        logger.removeHandler(handler)

    def test_lose_secrets_from_message_arguments_and_traceback(self, lines):
        with redacting_logs(redactor(CANARY)):
            try:
                raise ValueError(CANARY)
            except ValueError:
                logging.getLogger("tests.redaction").exception("Found %s and %r", CANARY, {"key": CANARY}, stack_info=True)

        assert CANARY not in lines[0]
        assert json.dumps(CANARY)[1:-1] not in lines[0]
        assert "ValueError: " + MASK in lines[0]

    def test_are_left_alone_when_no_node_with_a_credential_runs(self, lines):
        logging.getLogger("tests.redaction").warning("Found %s", CANARY)

        assert lines == [f"Found {CANARY}"]

    def test_every_handler_of_the_installation_has_the_filter(self, settings):
        assert all("secrets" in handler["filters"] for handler in settings.LOGGING["handlers"].values())


def test_a_redactor_shows_nothing():
    assert CANARY not in repr(redactor(CANARY))
    with pytest.raises(TypeError):
        orjson.dumps(redactor(CANARY))
