"""Who may call: by address, method, failed proofs, proof of a secret, and rate, in this order."""

import ipaddress
from functools import lru_cache

from apps.core.errors import TooManyRequestsError, UnauthenticatedError
from apps.engine.errors import ForbiddenError, StructForgeError
from apps.nodes.builtin.trigger_webhook import USUAL_METHODS
from apps.triggers.webhooks import rates
from apps.triggers.webhooks.finding import Hook
from apps.triggers.webhooks.requests import Incoming
from apps.triggers.webhooks.signatures import Letter, is_proved

MAX_FAILED_PROOFS = 60  # a minute, of one sender at one webhook
_IPV6_PREFIX = 64  # of which one sender has all addresses


class IpNotAllowedError(ForbiddenError):
    code = "ip_not_allowed"


class NotProvedError(UnauthenticatedError):
    """No proof, a wrong one, or one that is too old: which of them is not said (HTTP 401)."""

    code = "not_authenticated"


class TooManyFailedProofsError(TooManyRequestsError):
    """Too many proofs from this address were wrong; details: {"retry_after_seconds": int}"""

    code = "too_many_failed_proofs"


class TooManyCallsError(TooManyRequestsError):
    """details: {"retry_after_seconds": int}"""

    code = "too_many_calls"


class MethodNotAllowedError(StructForgeError):
    """details: {"allowed": [method]} (HTTP 405)"""

    code = "method_not_allowed"


def check_place(hook: Hook, *, ip: str | None, method: str) -> None:
    """What needs no body. Raises IpNotAllowedError, MethodNotAllowedError."""
    if hook.config.allowed_ips and not _is_allowed(ip, tuple(hook.config.allowed_ips)):
        raise IpNotAllowedError("Calls from this address are not taken.")
    allowed = hook.config.methods or USUAL_METHODS
    if method not in allowed:
        raise MethodNotAllowedError(f"Expected {' or '.join(allowed)}, found {method[:16]}.", allowed=list(allowed))


def check_failures(hook: Hook, *, ip: str | None) -> None:
    """Raises TooManyFailedProofsError for who has guessed too often, whatever the proof is this time."""
    if hook.needs_credential and (wait_seconds := rates.seconds_barred(_failures_key(hook, ip), now=hook.now)):
        message = f"{MAX_FAILED_PROOFS} proofs from this address were wrong in this minute. Wait {wait_seconds} seconds."
        raise TooManyFailedProofsError(message, retry_after_seconds=wait_seconds)


def check_proof(hook: Hook, incoming: Incoming) -> None:
    """Raises NotProvedError, and counts it."""
    if not hook.needs_credential:
        return
    letter = Letter(headers=incoming.headers, body=incoming.raw, now=hook.now)
    if hook.secret is None or not is_proved(hook.secret, letter):
        rates.count_failure(_failures_key(hook, incoming.ip), MAX_FAILED_PROOFS, now=hook.now)
        raise NotProvedError("This needs a proof of who calls, such as a signature, that is right and fresh.")


def check_rate(hook: Hook) -> None:
    """Count a call. Raises TooManyCallsError."""
    wait_seconds = rates.take(str(hook.id), hook.config.max_per_minute, now=hook.now)
    if wait_seconds:
        message = f"More than {hook.config.max_per_minute} calls in this minute. Wait {wait_seconds} seconds."
        raise TooManyCallsError(message, retry_after_seconds=wait_seconds)


def _failures_key(hook: Hook, ip: str | None) -> str:
    return f"{hook.id}:failed:{_sender(ip or '')}"


def _sender(ip: str) -> str:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "unknown"
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address if address.version == 4 else ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))


def _is_allowed(ip: str | None, networks: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any(address in network or (mapped is not None and mapped in network) for network in _networks(networks))


@lru_cache(maxsize=256)
def _networks(texts: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
