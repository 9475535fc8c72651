"""Outputs that are too large for a row, kept under the hash of their content: a folder by default, or S3 and its like."""

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import obstore
from django.conf import settings
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from apps.core.errors import UnavailableError
from apps.engine.errors import NotFoundError, StructForgeError

log = logging.getLogger(__name__)

_REFERENCE = re.compile(r"[0-9A-Za-z-]{1,64}/[0-9a-f]{64}")


class ObjectStoreError(UnavailableError):
    """The store cannot be reached, or refuses: it is away, full, or not permitted. Its own words are in the log."""

    code = "object_store_failed"


class ObjectMissingError(NotFoundError):
    code = "object_missing"


class ObjectDamagedError(StructForgeError):
    """What is stored is not what was stored."""

    code = "object_damaged"


def put(workspace_id: object, data: bytes) -> str:
    """Store bytes and return their reference, `<workspace>/<SHA-256>`. Storing the same bytes again changes nothing.

    Raises ObjectStoreError; a store that is reached over a network was then tried ten times again, within three minutes.
    """
    reference = f"{workspace_id}/{hashlib.sha256(data).hexdigest()}"
    if _REFERENCE.fullmatch(reference) is None:
        raise ValueError(f"Expected the id of a workspace, found {workspace_id!r}.")
    # The store writes beside the place and renames, so that nobody reads a half-written object.
    with _answering():
        obstore.put(_store(settings.OBJECT_STORE_URL), reference, data)
    return reference


def get(reference: str) -> bytes:
    """Read stored bytes. Raises ObjectMissingError, ObjectDamagedError when their checksum is wrong, ObjectStoreError."""
    if _REFERENCE.fullmatch(reference) is None:
        raise ObjectMissingError(f"'{reference}' is no reference to a stored object.", reference=reference)
    try:
        with _answering():
            data = bytes(obstore.get(_store(settings.OBJECT_STORE_URL), reference).bytes())
    except FileNotFoundError as error:
        raise ObjectMissingError(
            f"The stored object '{reference}' is missing; was the store moved or emptied?", reference=reference
        ) from error
    if hashlib.sha256(data).hexdigest() != reference.rpartition("/")[2]:
        raise ObjectDamagedError(f"The stored object '{reference}' is damaged: its checksum is wrong.", reference=reference)
    return data


def size_of(workspace_id: object) -> int:
    """Bytes of all that is stored for a workspace, by listing it. Raises ObjectStoreError."""
    with _answering():
        parts = obstore.list(_store(settings.OBJECT_STORE_URL), prefix=f"{workspace_id}/")
        return sum(stored["size"] for part in parts for stored in part)


@contextmanager
def _answering() -> Iterator[None]:
    """Turns the errors of the store into ours, but for that of a missing object."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        # It may name folders and hosts, which are no business of whoever runs a workflow.
        log.error("The object store: %s", str(error).partition("\n")[0])
        raise ObjectStoreError("The object store cannot be reached, or refuses; the log says why.") from error


@cache
def _store(url: str) -> ObjectStore:
    if url.startswith("file://"):
        folder = Path(url.removeprefix("file://"))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalStore(folder)
    return from_url(url)
