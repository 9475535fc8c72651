"""Sealed texts open with the right key, in their own row, unchanged; and not otherwise."""

import base64
import copy
import json
import pickle
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.credentials.sealing import DERIVED, KeyRing, SealError, UnknownKeyError, key_id_of, new_key, open_sealed, seal
from apps.nodes.secret import Secret

SECRET_KEY = "a secret key of the installation"
OLD, NEW = new_key("old"), new_key("new")
ROW = {"workspace_id": uuid4(), "credential_id": uuid4()}
TEXT = b'{"value": "a secret"}'


def ring(*entries: str) -> KeyRing:
    return KeyRing.of(",".join(entries), secret_key=SECRET_KEY)


@given(st.binary(max_size=500))
def test_what_is_sealed_opens_again(data):
    assert open_sealed(ring(OLD), seal(ring(OLD), data, **ROW), **ROW) == data


def test_the_same_text_is_never_sealed_alike():
    sealed = {seal(ring(OLD), TEXT, **ROW) for _ in range(100)}

    assert len(sealed) == 100
    assert not any(b"a secret" in each for each in sealed)


def test_a_sealed_text_does_not_open_in_another_row_or_another_workspace():
    sealed = seal(ring(OLD), TEXT, **ROW)

    for moved in ({**ROW, "workspace_id": uuid4()}, {**ROW, "credential_id": uuid4()}):
        with pytest.raises(SealError) as refused:
            open_sealed(ring(OLD), sealed, **moved)
        assert "a secret" not in str(refused.value)


def test_no_byte_of_a_sealed_text_can_be_changed():
    sealed = seal(ring(OLD), TEXT, **ROW)

    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealError):
            open_sealed(ring(OLD), bytes(changed), **ROW)


@pytest.mark.parametrize("text", [b"", b"\x01", b"\x02\x03old" + bytes(40), b"\x01\xff", b"\x01\x03old", b"plain text", bytes(100)])
def test_what_was_never_sealed_does_not_open(text):
    with pytest.raises(SealError):
        open_sealed(ring(OLD), text, **ROW)


def test_the_first_key_seals_and_all_open():
    sealed = seal(ring(OLD), TEXT, **ROW)
    both = ring(NEW, OLD)

    assert (key_id_of(sealed), key_id_of(seal(both, TEXT, **ROW))) == ("old", "new")
    assert open_sealed(both, sealed, **ROW) == TEXT


def test_a_text_of_a_key_that_is_gone_names_that_key():
    with pytest.raises(UnknownKeyError) as refused:
        open_sealed(ring(NEW), seal(ring(OLD), TEXT, **ROW), **ROW)

    assert refused.value.details == {"key_id": "old"}


def test_another_key_of_the_same_id_opens_nothing():
    with pytest.raises(SealError, match="not the one of that id"):
        open_sealed(ring(new_key("old")), seal(ring(OLD), TEXT, **ROW), **ROW)


def test_without_keys_one_made_from_the_secret_key_seals_and_still_opens_later():
    sealed = seal(ring(), TEXT, **ROW)

    assert key_id_of(sealed) == DERIVED
    assert open_sealed(ring(NEW), sealed, **ROW) == TEXT
    with pytest.raises(SealError):
        open_sealed(KeyRing.of("", secret_key="another"), sealed, **ROW)


@pytest.mark.parametrize(
    "entries",
    [
        "old",
        "old:",
        "old:short",
        f"old:{base64.b64encode(bytes(31)).decode()}",
        f"{OLD},{OLD}",
        OLD.replace("old", "derived"),
        f":{OLD}",
        "é:AA",
    ],
    ids=["no key", "empty", "short", "31 bytes", "twice", "reserved", "no id", "not ASCII"],  # the keys are new in each process
)
def test_a_wrong_ring_is_refused_without_showing_its_keys(entries):
    with pytest.raises(ValueError, match=r"entry [12]") as refused:
        ring(entries)

    assert OLD.partition(":")[2] not in str(refused.value)
    assert OLD.partition(":")[2] not in repr(ring(OLD))


@pytest.mark.parametrize(
    "leak", [str, "{}".format, "{!s}".format, lambda s: f"{s}", "%s".__mod__, json.dumps, orjson.dumps, pickle.dumps, copy.deepcopy]
)
def test_a_secret_refuses_to_become_anything_else(leak):
    with pytest.raises(TypeError):
        leak(Secret("a secret"))


def test_a_secret_shows_a_mask_and_gives_itself_out_when_asked():
    assert repr({"key": Secret("a secret")}) == "{'key': Secret(•••)}"
    assert Secret("a secret").reveal() == "a secret"
