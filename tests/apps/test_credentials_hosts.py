"""A credential goes to the hosts that it is bound to, however their names are written, and to no other."""

import httpx2
import pytest

from apps.nodes.credentials import HeldCredential
from apps.nodes.host_patterns import parse_pattern
from apps.nodes.redaction import Redactor


def may_go(pattern: str, url: str) -> bool:
    held = HeldCredential("id", "name", "bearer", {}, (parse_pattern(pattern),), Redactor())
    try:
        return held.may_go_to(httpx2.URL(url))
    except httpx2.InvalidURL:
        return False


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("api.example.com", "https://api.example.com/a?b#c"),
        ("api.example.com", "https://api.example.com:443/"),
        ("API.Example.com", "https://aPI.eXAMPLE.COM/"),
        ("api.example.com:443", "https://api.example.com/"),
        ("api.example.com:80", "http://api.example.com/"),
        ("api.example.com:8443", "https://api.example.com:8443/"),
        ("*.example.com", "https://api.example.com/"),
        ("*.example.com", "https://a.b.example.com/"),
        ("*.example.com:8443", "https://a.example.com:8443/"),
        ("bücher.example", "https://BÜCHER.example/"),
        ("bücher.example", "https://xn--bcher-kva.example/"),
        ("xn--bcher-kva.example", "https://bücher.example/"),
        ("*.bücher.example", "https://api.bücher.example/"),
        ("api.example.com", "https://api。example.com/"),  # connected to as api.example.com
        ("203.0.113.7:80", "http://203.0.113.7/"),
        ("[2001:DB8::0:7]:9000", "http://[2001:db8:0::7]:9000/"),
        ("localhost:9000", "http://localhost:9000/"),
    ],
)
def test_it_goes_where_it_belongs(pattern, url):
    assert may_go(pattern, url)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("api.example.com", "https://evil.test/"),
        ("api.example.com", "http://api.example.com/"),
        ("api.example.com", "https://api.example.com:8443/"),
        ("api.example.com", "http://api.example.com:443/"),
        ("api.example.com:80", "https://api.example.com/"),
        ("api.example.com", "https://example.com/"),
        ("api.example.com", "https://a.api.example.com/"),
        ("api.example.com", "https://api.example.com.evil.test/"),
        ("api.example.com", "https://api.example.com@evil.test/"),
        ("api.example.com", "https://api.example.com:443@evil.test/"),
        ("api.example.com", "https://user@api.example.com/"),
        ("api.example.com", "https://evil.test/@api.example.com"),
        ("api.example.com", "https://evil.test?@api.example.com"),
        ("api.example.com", "https://evil.test#@api.example.com"),
        ("api.example.com", "https://evil.test\\@api.example.com"),
        ("api.example.com", "https://api.example.com\\@evil.test"),
        ("api.example.com", "https://api.example.com%2eevil.test/"),
        ("api.example.com", "https://api.example.com./"),
        ("api.example.com", "https://apiXexample.com/"),
        ("api.example.com", "https://api.example.com%00.evil.test/"),
        ("api.example.com", "https://аpi.example.com/"),  # a Cyrillic а
        ("api.example.com", "https://ａpi.example.com/"),  # of full width
        ("api.example.com", "https:api.example.com"),
        ("api.example.com", "//api.example.com/"),
        ("api.example.com", "ftp://api.example.com:443/"),
        ("*.example.com", "https://example.com/"),
        ("*.example.com", "https://evilexample.com/"),
        ("*.example.com", "https://example.com.evil.test/"),
        ("*.example.com", "https://a.example.com:8443/"),
        ("*.example.com", "https://evil.test/.example.com"),
        ("127.0.0.1:80", "http://2130706433/"),
        ("127.0.0.1:80", "http://0x7f.1/"),
        ("127.0.0.1:80", "http://[::ffff:127.0.0.1]/"),
        ("127.0.0.1:80", "http://127.0.0.1.evil.test/"),
        ("[::1]:80", "http://[::2]/"),
    ],
)
def test_it_goes_nowhere_else(pattern, url):
    assert not may_go(pattern, url)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            "*",
            "*.",
            "*.com",
            "*.7.0.0.1",
            "*.*.com",
            "a*.example.com",
            "https://api.example.com",
            "api.example.com/",
            "api.example.com/path",
        ],
        *[
            "user@api.example.com",
            "api.example.com:",
            "api.example.com:0",
            "api.example.com:65536",
            "api.example.com:x",
            "api..example.com",
        ],
        *[
            ".example.com",
            "api.example.com.",
            "a b",
            "a\nb",
            "[::1",
            "[::x]",
            "[127.0.0.1]",
            "::1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "a" * 256,
        ],
        *["-a.example.com", "api.example.com%2e", "*.[::1]", "ａpi.example.com/"],
    ],
)
def test_what_is_no_host_is_no_pattern(text):
    with pytest.raises(ValueError, match="Expected"):
        parse_pattern(text)


@pytest.mark.parametrize("text", ["api.example.com", "*.example.com:8443", "[2001:db8::7]:9000", "xn--bcher-kva.example"])
def test_a_pattern_is_written_as_it_is_read(text):
    assert str(parse_pattern(text)) == text
