"""Large outputs in the object store, in a folder as by default."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apps.core import object_store
from apps.core.object_store import ObjectDamagedError, ObjectMissingError, ObjectStoreError

WORKSPACE = "0198f2a4-0000-7000-8000-000000000001"


@pytest.fixture
def folder(tmp_path, settings) -> Path:
    folder = tmp_path / "large outputs"
    settings.OBJECT_STORE_URL = f"file://{folder}"
    return folder


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("data", [b"", b"\0\xff", b"x" * 5_000_000])
def test_what_is_put_can_be_got(data):
    reference = object_store.put(WORKSPACE, data)

    assert reference == f"{WORKSPACE}/{hashlib.sha256(data).hexdigest()}"
    assert object_store.get(reference) == data


def test_the_same_content_is_kept_once(folder):
    assert object_store.put(WORKSPACE, b"same") == object_store.put(WORKSPACE, b"same")

    assert len([path for path in folder.rglob("*") if path.is_file()]) == 1


def test_each_workspace_has_its_own(folder):
    references = {object_store.put(workspace, b"same") for workspace in (WORKSPACE, "other")}

    assert len(references) == 2
    assert sorted(path.name for path in folder.iterdir()) == sorted([WORKSPACE, "other"])


def test_only_the_owner_of_the_process_can_look_into_the_folder(folder):
    object_store.put(WORKSPACE, b"secret")

    assert folder.stat().st_mode & 0o077 == 0


def test_writers_of_the_same_content_do_not_disturb_each_other(folder):
    data = b"x" * 1_000_000
    with ThreadPoolExecutor(8) as threads:
        references = set(threads.map(lambda _: object_store.put(WORKSPACE, data), range(32)))

    assert object_store.get(references.pop()) == data
    assert [path.stat().st_size for path in folder.rglob("*") if path.is_file()] == [len(data)]


@pytest.mark.usefixtures("folder")
def test_a_missing_object_is_named():
    reference = f"{WORKSPACE}/{'0' * 64}"

    with pytest.raises(ObjectMissingError, match="is missing") as caught:
        object_store.get(reference)
    assert caught.value.details == {"reference": reference}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("act", [object_store.put, lambda workspace, data: object_store.get(f"{workspace}/{'0' * 64}")], ids=["put", "get"])
def test_a_store_that_refuses_is_an_error_which_names_no_place(folder, act, caplog):
    folder.mkdir()
    (folder / WORKSPACE).touch()  # where its folder should be

    with pytest.raises(ObjectStoreError) as caught:
        act(WORKSPACE, b"x")

    assert str(folder) not in caught.value.message
    assert str(folder) in caplog.text


@pytest.mark.parametrize("content", [b"", b"other", b"x" * 99])
def test_a_damaged_object_is_not_handed_out(folder, content):
    reference = object_store.put(WORKSPACE, b"x" * 100)
    (folder / reference).write_bytes(content)

    with pytest.raises(ObjectDamagedError, match="checksum"):
        object_store.get(reference)


@pytest.mark.parametrize("reference", ["", "a", "../../etc/passwd", f"../{'0' * 64}", f"a/b/{'0' * 64}", f"a/{'0' * 63}g", f"/{'0' * 64}"])
def test_a_reference_leads_nowhere_else(folder, reference):
    with pytest.raises(ObjectMissingError, match="no reference"):
        object_store.get(reference)


@pytest.mark.parametrize("workspace", ["", "../a", "a/b", "a b", "x" * 65])
def test_a_workspace_is_an_id(folder, workspace):
    with pytest.raises(ValueError, match="id of a workspace"):
        object_store.put(workspace, b"")
