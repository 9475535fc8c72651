"""The key ring of this installation."""

from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.credentials.sealing import KeyRing


def key_ring() -> KeyRing:
    """The ring that settings name. Raises ImproperlyConfigured."""
    return _ring(settings.CREDENTIAL_KEYS, settings.SECRET_KEY)


@lru_cache(maxsize=4)
def _ring(entries: str, secret_key: str) -> KeyRing:
    try:
        return KeyRing.of(entries, secret_key=secret_key)
    except ValueError as error:
        raise ImproperlyConfigured(f"CREDENTIAL_KEYS: {error}") from None
