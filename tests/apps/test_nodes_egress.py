"""Which addresses nodes reach: the corpus goes through the real resolver and transport, names through a resolver of the test."""

import re
import socket
import threading
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import httpcore2
import httpx2
import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.nodes.addresses import is_public, refusal_of, rules_of
from apps.nodes.egress import BlockedAddressError, Call, Guard, GuardedTransport, calling

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text() for folder in ("apps", "structforge", "workers") for path in (ROOT / folder).rglob("*.py")
}

BLOCKED_HOSTS = """
127.0.0.1 127.1 127.0.1 127.255.255.254 2130706433 0x7f000001 0x7f.0.0.1 0x7f.1 0177.0.0.1 017700000001 0 0.0.0.0 0.0.0.1 00.0.0.0
10.0.0.1 10.255.255.255 167772161 0xa.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 192.168.1.1 3232235777 0xc0a80101 0300.0250.1.1
100.64.0.1 100.100.100.200 169.254.169.254 169.254.1.1 2852039166 0xa9fea9fe 0251.0376.0251.0376 192.0.0.8 192.0.0.192 192.0.2.1
198.18.0.1 198.51.100.1 203.0.113.1 192.88.99.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16
[::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1] [::ffff:169.254.169.254] [::ffff:a9fe:a9fe]
[::127.0.0.1] [::169.254.169.254] [64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b::10.0.0.1] [64:ff9b:1::a9fe:a9fe] [2002:7f00:1::]
[2002:a9fe:a9fe::1] [2001:0:4136:e378:8000:63bf:3fff:fdd2] [2001::1] [2001:db8::1] [3fff::1] [fc00::1] [fd00:ec2::254] [fe80::1]
[fec0::1] [ff02::1] [ff0e::1] [100::1] [::ffff:0:127.0.0.1] [5f00::1] localhost LOCALHOST
""".split()  # noqa: SIM905  # as a list it would be a page
PUBLIC = "1.1.1.1 8.8.8.8 93.184.216.34 172.32.0.1 100.128.0.1 192.0.1.1 2606:4700::1111 2a00:1450:4001::8a ::ffff:8.8.8.8 64:ff9b::808:808"


@cache
def default_transport() -> GuardedTransport:
    return GuardedTransport()


def get(url: str, guard: Guard | None = None) -> httpx2.Response:
    transport = GuardedTransport(guard) if guard else default_transport()
    with calling(Call(5)):
        response = transport.handle_request(httpx2.Request("GET", url))
    response.close()
    transport.close()
    return response


def names(**addresses: list[str]) -> Guard:
    """A guard whose resolver knows these names; nothing else of it differs."""
    return Guard(lambda host, port, timeout: addresses[host.replace(".", "_")])


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_the_corpus_has_sixty_addresses():
    assert len(set(BLOCKED_HOSTS)) >= 60


@pytest.mark.parametrize("host", BLOCKED_HOSTS)
def test_an_address_that_is_not_public_is_blocked_in_any_notation(host):
    # The parser of URLs refuses some octal notations; the resolver takes them, so the guard is asked as well.
    with pytest.raises((BlockedAddressError, httpx2.InvalidURL)):
        get(f"http://{host}:8080/")
    with pytest.raises(BlockedAddressError):
        Guard().connect_tcp(host.strip("[]"), 8080, 5)


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
def test_nothing_reaches_a_blocked_listener(listener, host):
    listener.settimeout(0)

    with pytest.raises(BlockedAddressError, match="EGRESS_ALLOWED"):
        get(f"http://{host}:{listener.getsockname()[1]}/")

    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("address", PUBLIC.split())
def test_a_public_address_is_public(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "10.0.0.1"],
        ["2606:4700::1111", "::1"],
        ["93.184.216.34"] * 50 + ["169.254.169.254"],
        ["fe80::1%lo"],
    ],
)
def test_a_name_is_blocked_by_any_of_its_addresses(addresses):
    with pytest.raises(BlockedAddressError):
        get("http://evil.example/", names(evil_example=addresses))


def test_a_name_is_resolved_once_and_the_connection_goes_to_the_checked_address(listener, settings):
    """A name that answers differently each time gets one chance: rebinding has nothing to bind."""
    port = listener.getsockname()[1]
    settings.EGRESS_ALLOWED = [f"127.0.0.1:{port}"]
    asked = []

    def resolver(host: str, port: int, timeout: float | None) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    answering = threading.Thread(target=_answer, args=(listener,))
    answering.start()
    response = get(f"http://rebinding.example:{port}/", Guard(resolver))
    answering.join(5)

    assert response.status_code == 204
    assert asked == ["rebinding.example"]


def _answer(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_another_address_is_tried_when_the_first_does_not_answer(listener, settings):
    port = listener.getsockname()[1]
    settings.EGRESS_ALLOWED = ["127.0.0.0/8"]
    answering = threading.Thread(target=_answer, args=(listener,))
    answering.start()

    response = get(f"http://two.example:{port}/", names(two_example=["127.0.0.2", "127.0.0.1"]))
    answering.join(5)

    assert response.status_code == 204


@pytest.mark.parametrize("port", [22, 25, 1023])
def test_low_ports_are_closed_but_for_the_web(port):
    assert refusal_of("example.com", port, ["93.184.216.34"], ()) is not None


@pytest.mark.parametrize("port", [80, 443, 1024, 8443])
def test_other_ports_are_open(port):
    assert refusal_of("example.com", port, ["93.184.216.34"], ()) is None


@pytest.mark.parametrize(
    ("entry", "name", "address", "port", "is_allowed"),
    [
        ("127.0.0.1:9000", "localhost", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "localhost", "127.0.0.1", 9001, False),
        ("127.0.0.1:9000", "localhost", "127.0.0.2", 9000, False),
        ("127.0.0.1:9000", "x", "::ffff:127.0.0.1", 9000, True),
        ("10.0.0.0/8", "x", "10.1.2.3", 22, True),
        ("10.0.0.0/8", "x", "11.1.2.3", 22, False),
        ("10.0.0.0/8:443", "x", "10.1.2.3", 443, True),
        ("10.0.0.0/8:443", "x", "10.1.2.3", 80, False),
        ("[::1]:9000", "x", "::1", 9000, True),
        ("[fd00::/8]:443", "x", "fd12::1", 443, True),
        ("fd00::/8", "x", "fd12::1", 5000, True),
        ("Files.Internal:8443", "files.internal", "10.0.0.9", 8443, True),
        ("files.internal:8443", "evil.example", "10.0.0.9", 8443, False),
        ("93.184.216.34:25", "mail.example", "93.184.216.34", 25, True),
    ],
)
def test_the_operator_allows_addresses(entry, name, address, port, is_allowed):
    assert (refusal_of(name, port, [address], rules_of((entry,))) is None) is is_allowed


@pytest.mark.parametrize("entry", ["", "localhost", "10.0.0.1/8", "http://127.0.0.1", "a b:80", "1.2.3.4:abc", "[::1:80"])
def test_a_mistake_in_the_allowed_addresses_is_named(entry):
    with pytest.raises(ImproperlyConfigured, match="EGRESS_ALLOWED"):
        rules_of((entry,))


def test_a_name_that_does_not_resolve_is_a_failed_connection():
    with pytest.raises(httpx2.ConnectError, match="does not resolve"):
        get("http://nowhere.invalid/")


def test_a_resolver_that_hangs_is_left_behind(monkeypatch):
    """The system's resolver has no time limit; here it waits until the test is over."""
    is_over = threading.Event()

    def hang(*args: object, **options: object) -> list:
        is_over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    transport = GuardedTransport()
    try:
        with pytest.raises(httpx2.TimeoutException, match="not resolved in time"), calling(Call(0.2)):
            transport.handle_request(httpx2.Request("GET", "http://slow.example/"))
    finally:
        is_over.set()


def test_the_transport_speaks_to_no_socket_file():
    with pytest.raises(NotImplementedError):
        Guard().connect_unix_socket("/var/run/docker.sock")


def test_its_errors_are_those_of_httpx():
    assert issubclass(BlockedAddressError, httpx2.ConnectError)
    assert all(hasattr(httpx2, name) for name in ("ReadTimeout", "ConnectError", "RemoteProtocolError"))
    assert httpcore2.ReadTimeout.__name__ == httpx2.ReadTimeout.__name__


def test_nothing_of_ours_speaks_http_in_another_way():
    """Every client is a way around the guard; the ones that speak to nobody but ourselves are named here."""
    guard = "apps/nodes/egress.py"
    # They make requests, and leave the sending to the guard.
    writers = {"apps/nodes/http_exchange.py", "apps/nodes/builtin/http_request.py", "apps/nodes/credentials.py"}
    writers |= {"apps/notifications/channels.py", *(f"apps/credentials/types/{name}.py" for name in ("base", "oauth2", "s3"))}
    # They read addresses, and nothing else.
    readers = {"apps/executions/callbacks.py", "apps/dialects/services/actions.py"}
    ours_alone = {path for path in SOURCES if path.startswith("apps/fleet/")}
    ours_alone |= {"apps/accounts/oidc.py"}  # to the provider that the operator of the installation names
    clients = re.compile(r"^\s*(import|from) (requests|httpx2?|httpcore2?|aiohttp|urllib3|urllib\.request|http\.client)\b", re.MULTILINE)

    assert {path for path, text in SOURCES.items() if clients.search(text)} - ours_alone == {guard, *writers, *readers}
    sends = re.compile(r"httpx2\.\w*(Client|Transport)\b|httpx2\.(get|post|put|patch|delete|head|options|request|stream)\(|\w+Pool\(")
    assert not {path for path in writers | readers if sends.search(SOURCES[path])}
