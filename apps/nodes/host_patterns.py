"""Where a credential may be sent: names of hosts, with a wildcard for all below a name, and with ports."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import idna

HTTPS_PORT = 443
MAX_PATTERN_LENGTH = 255
_ENTRY = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*")


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One entry of `allowed_hosts`.

    host    a name in small letters and ASCII, or an address; without the `*.`
    below   every name below `host` is meant, and not `host` itself
    port    None: https on its usual port, and nothing else
    """

    host: str
    below: bool
    port: int | None

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Whether a request to this host, as it is connected to, may carry the credential.

        host   in small letters and ASCII; an IPv6 address without brackets
        """
        is_port = (scheme, port) == ("https", HTTPS_PORT) if self.port is None else port == self.port
        return is_port and (host.endswith(f".{self.host}") if self.below else _canonical(host) == self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'*.' if self.below else ''}{host}{'' if self.port is None else f':{self.port}'}"


def parse_pattern(text: str) -> HostPattern:
    """Read `api.example.com`, `*.example.com`, `files.internal:8443` or `[::1]:9000`; case does not count, and IDN is turned into ASCII.

    Raises ValueError with a sentence.
    """
    found = _ENTRY.fullmatch(text) if len(text) <= MAX_PATTERN_LENGTH else None
    if found is None:
        raise ValueError(f"Expected a host such as api.example.com, *.example.com or files.internal:8443, found '{text[:80]}'.")
    host, port = found["bracketed"] or found["plain"], int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port <= 65_535:
        raise ValueError(f"Expected a port from 1 to 65535, found {port}.")
    if found["bracketed"]:
        return HostPattern(_ipv6(host), below=False, port=port)
    below = host.startswith("*.")
    name = _ascii(host.removeprefix("*."))
    if below and ("." not in name or _NUMBER.fullmatch(name)):
        raise ValueError(f"Expected a name of two parts or more after '*.', found '{host}'.")
    if _NUMBER.fullmatch(name) and _canonical(name) != name:
        raise ValueError(f"Expected an address such as 203.0.113.7, found '{host}'.")
    return HostPattern(name, below=below, port=port)


def _ascii(host: str) -> str:
    try:
        name = host.lower() if host.isascii() else idna.encode(host.lower()).decode("ascii")
    except idna.IDNAError:
        raise ValueError(f"Expected the name of a host, found '{host}'.") from None
    if not _NAME.fullmatch(name):
        raise ValueError(f"Expected the name of a host, found '{host}'.")
    return name


def _ipv6(text: str) -> str:
    try:
        return IPv6Address(text).compressed
    except ValueError:
        raise ValueError(f"Expected an IPv6 address in brackets, found '[{text}]'.") from None


def _canonical(host: str) -> str:
    """An address in its one spelling, a name as it is; an empty text for a number that is no address in that spelling."""
    try:
        return ip_address(host).compressed
    except ValueError:
        return "" if _NUMBER.fullmatch(host) else host
