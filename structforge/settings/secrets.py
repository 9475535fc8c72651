"""Secrets of this installation: said by the environment, or made once and kept in the state folder."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

SHORTEST_SECRET = 32
PLACEHOLDERS = ("change", "secret", "example", "insecure", "placeholder")


def random_text() -> str:
    return secrets.token_urlsafe(48)


def random_key_entry() -> str:
    """A ring of one random key, as CREDENTIAL_KEYS has it."""
    return f"first:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def kept_secret(file: Path, make: Callable[[], str] = random_text) -> str:
    """The secret in `file`, which is made at the first call and which only its owner can read."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = file.with_name(f".{file.name}.{os.getpid()}")
        unfinished.touch(mode=0o600)
        unfinished.write_text(make())
        try:
            os.link(unfinished, file)  # of two processes that start at once, the first wins and both read the same
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    return file.read_text()


def required_secret(name: str, value: str) -> str:
    """Return `value`. Raises ImproperlyConfigured when it is missing, short, or a placeholder out of an example."""
    if len(value) < SHORTEST_SECRET:
        raise ImproperlyConfigured(f"{name} has {len(value)} characters; a random text of at least {SHORTEST_SECRET} is expected.")
    if any(word in value.lower() for word in PLACEHOLDERS):
        raise ImproperlyConfigured(f"{name} looks like a placeholder; a random text is expected.")
    return value
