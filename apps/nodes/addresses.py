"""Which addresses nodes may call: public ones, and those that the operator allows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.core.exceptions import ImproperlyConfigured

Address = IPv4Address | IPv6Address
PUBLIC_PORTS = frozenset((80, 443))
FIRST_FREE_PORT = 1024

# `is_global` of the standard library is not enough: it takes NAT64, 6to4 and multicast for public, and more of them in older versions.
# Source: the special-purpose address registries of IANA.
_BLOCKED_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # the host of an Azure machine: a public number that is answered from within
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_BLOCKED_IPV6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))  # with Teredo and 6to4
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet.

    IPv6 forms that carry an IPv4 address are judged by it (mapped, NAT64) or refused (6to4, Teredo, compatible).
    """
    if isinstance(address, IPv6Address):
        carried = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None)
        if carried is None:
            return address in _GLOBAL_IPV6 and not any(address in network for network in _BLOCKED_IPV6)
        address = carried
    return not any(address in network for network in _BLOCKED_IPV4)


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of EGRESS_ALLOWED.

    host   a network, or a name in small letters
    port   None for any
    """

    host: IPv4Network | IPv6Network | str
    port: int | None

    def allows(self, name: str, address: Address, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if isinstance(self.host, str):
            return self.host == name.lower()
        carried = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return address in self.host or (carried is not None and carried in self.host)


@lru_cache(maxsize=8)
def rules_of(entries: tuple[str, ...]) -> tuple[Rule, ...]:
    """Parse EGRESS_ALLOWED. Raises ImproperlyConfigured.

    Entries: `127.0.0.1:9000`, `[::1]:9000`, `files.internal:8443`, `10.0.0.0/8`, `10.0.0.0/8:443`, `[fd00::/8]:443`, `fd00::/8`.
    """
    return tuple(map(_rule, entries))


_ENTRY = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^:]+))(?::(?P<port>\d{1,5}))?")


def _rule(entry: str) -> Rule:
    found = _ENTRY.fullmatch(entry.strip())
    host = entry.strip() if found is None else found["bracketed"] or found["plain"]
    port = int(found["port"]) if found and found["port"] else None
    try:
        return Rule(ip_network(host), port)
    except ValueError:
        if port is None or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", host) or "/" in host:
            message = f"EGRESS_ALLOWED: expected host:port or a network such as 10.0.0.0/8, found '{entry}'."
            raise ImproperlyConfigured(message) from None
    return Rule(host.lower(), port)


def refusal_of(name: str, port: int, addresses: Iterable[str], rules: tuple[Rule, ...]) -> str | None:
    """Say why `name` may not be called; None when all addresses that it resolves to are allowed."""
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if any(rule.allows(name, address, port) for rule in rules):
            continue
        if not is_public(address):
            return f"{name} is not a public address ({address}); the operator may allow it in EGRESS_ALLOWED."
        if port < FIRST_FREE_PORT and port not in PUBLIC_PORTS:
            return f"Port {port} of {name} is not open to nodes: expected 80, 443, or 1024 and above."
    return None
