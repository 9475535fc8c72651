"""Secrets at rest: AES-256-GCM under a ring of keys, each seal bound to the row that it belongs to."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from apps.engine.errors import StructForgeError

FORMAT = 1
KEY_BYTES = 32
NONCE_BYTES = 12
DERIVED = "derived"
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_PURPOSE = b"structforge credentials v1"


class SealError(StructForgeError):
    """A sealed text cannot be opened."""

    code = "seal_broken"


class UnknownKeyError(SealError):
    """It was sealed with a key that the ring lacks; details: {"key_id": str}."""

    code = "unknown_key"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of the installation.

    keys      {key id: 32 bytes}
    sealing   id of the key that seals; the others only open
    """

    keys: Mapping[str, bytes] = field(repr=False)
    sealing: str

    @classmethod
    def of(cls, entries: str, *, secret_key: str) -> "KeyRing":
        """Read the ring from settings. Raises ValueError with a sentence that shows no key.

        entries      `id:base64 of 32 bytes`, separated by commas; the first one seals
        secret_key   gives the key `derived`, which seals where there are no entries, and opens what it sealed before
        """
        keys: dict[str, bytes] = {}
        for position, entry in enumerate(filter(None, map(str.strip, entries.split(","))), start=1):
            key_id, _, text = entry.partition(":")
            if not _KEY_ID.fullmatch(key_id) or key_id == DERIVED or key_id in keys:
                raise ValueError(f"Expected an id of its own, of letters, digits and '.-_', before the ':' of entry {position}.")
            keys[key_id] = _key(text, position)
        sealing = next(iter(keys), DERIVED)
        return cls({**keys, DERIVED: _derived(secret_key)}, sealing)


def _key(text: str, position: int) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"Expected the base64 text of {KEY_BYTES} random bytes after the ':' of entry {position}.") from None
    return key


def _derived(secret_key: str) -> bytes:
    """A key made from the SECRET_KEY.

    Source: HKDF, RFC 5869.
    """
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=_PURPOSE).derive(secret_key.encode())


def new_key(key_id: str) -> str:
    """An entry for the ring, with a random key."""
    return f"{key_id}:{base64.b64encode(AESGCM.generate_key(KEY_BYTES * 8)).decode()}"


def seal(ring: KeyRing, data: bytes, *, workspace_id: UUID, credential_id: UUID) -> bytes:
    """Encrypt and sign: format (1 byte), length of the key id (1 byte), key id, nonce (12 bytes), ciphertext with tag.

    The head, the workspace and the credential are signed too: moved to another row, the text no longer opens.

    Source: AES-GCM, NIST SP 800-38D; random nonces allow 2³² seals a key.
    """
    key_id = ring.sealing.encode()
    head = bytes((FORMAT, len(key_id))) + key_id
    nonce = os.urandom(NONCE_BYTES)
    return head + nonce + AESGCM(ring.keys[ring.sealing]).encrypt(nonce, data, head + workspace_id.bytes + credential_id.bytes)


def open_sealed(ring: KeyRing, sealed: bytes, *, workspace_id: UUID, credential_id: UUID) -> bytes:
    """What was sealed for this row. Raises UnknownKeyError, or SealError when it was changed or belongs to another row."""
    key_id = key_id_of(sealed)
    if key_id not in ring.keys:
        raise UnknownKeyError(f"Sealed with the key '{key_id}', which CREDENTIAL_KEYS lacks.", key_id=key_id)
    head_end = 2 + sealed[1]
    head, nonce, text = sealed[:head_end], sealed[head_end : head_end + NONCE_BYTES], sealed[head_end + NONCE_BYTES :]
    try:
        return AESGCM(ring.keys[key_id]).decrypt(nonce, text, head + workspace_id.bytes + credential_id.bytes)
    except (InvalidTag, ValueError):
        message = "The sealed text was changed, or belongs to another row, or its key is not the one of that id any more."
        raise SealError(message, key_id=key_id) from None


def key_id_of(sealed: bytes) -> str:
    """Id of the key that sealed it. Raises SealError for what is no sealed text of this format."""
    if len(sealed) < 2 or sealed[0] != FORMAT or len(sealed) < 2 + sealed[1] + NONCE_BYTES:
        raise SealError(f"Expected a sealed text of format {FORMAT}, found something else.")
    return sealed[2 : 2 + sealed[1]].decode("ascii", errors="replace")
