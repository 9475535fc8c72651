"""The secret part of an address."""

import secrets

BYTES = 32


def new_token() -> str:
    return secrets.token_hex(BYTES)
