"""The file store: streams in, streams out, on a local folder or anything that fsspec reaches."""

from __future__ import annotations

import dataclasses
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.config import Files, Settings
from app.core import files
from app.core.files import FileStore, StorageFull
from tests.servers import make_settings


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    """A local folder, and one that is none: what is not local takes the same ways as S3."""
    url = f"file://{tmp_path}/files" if request.param == "file" else f"memory://{secrets.token_hex(8)}"
    return FileStore(url)


def settings(url: str) -> Settings:
    return make_settings("sqlite://", "unix:///nowhere", files=Files(url=url))


def test_what_is_written_is_read_in_pieces_and_gone_when_it_is_deleted(store: FileStore) -> None:
    folder = store.new_folder("operations")
    content = os.urandom(3 * files.CHUNK_BYTES + 7)
    with store.writing(f"{folder}/upload") as target:
        target.write(content)
    pieces = list(store.pieces(f"{folder}/upload"))
    assert (b"".join(pieces), len(pieces) > 3) == (content, True)
    assert store.size(f"{folder}/upload") == len(content)
    with store.as_local(f"{folder}/upload") as path:
        assert Path(path).read_bytes() == content
    with store.reading(f"{folder}/upload") as source:
        source.seek(5)
        assert source.read(10) == content[5:15]
    store.delete(folder)
    store.delete(folder)
    with pytest.raises(FileNotFoundError):
        store.size(f"{folder}/upload")


def test_a_file_whose_writing_fails_is_not_there(store: FileStore) -> None:
    key = f"{store.new_folder('operations')}/upload"
    pieces = iter([b"half"])
    with pytest.raises(StopIteration), store.writing(key) as target:
        target.writelines([next(pieces), next(pieces)])
    with pytest.raises(FileNotFoundError):
        store.size(key)


def test_a_scratch_file_begins_as_a_copy_can_be_kept_and_is_gone(store: FileStore, tmp_path: Path) -> None:
    folder = store.new_folder("operations")
    (tmp_path / "a").write_bytes(b"a")
    store.keep(str(tmp_path / "a"), f"{folder}/first")
    with store.scratch(f"{folder}/scratch", copy_of=f"{folder}/first") as path:
        with Path(path).open("ab") as file:
            file.write(b"b")
        store.keep(path, f"{folder}/second")
    assert not Path(path).exists()
    assert b"".join(store.pieces(f"{folder}/second")) == b"ab"


def test_folders_cannot_be_guessed(store: FileStore) -> None:
    assert len({store.new_folder("operations") for _ in range(100)}) == 100
    assert len(store.new_folder("operations").partition("/")[2]) == 32


def test_a_local_disk_keeps_its_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = FileStore(f"file://{tmp_path}/files")
    local.require_room(1)
    with pytest.raises(StorageFull):
        local.require_room(2**60)
    monkeypatch.setattr(files, "MIN_FREE_BYTES", 2**60)
    with pytest.raises(StorageFull):
        local.require_room(1)
    FileStore("memory://room").require_room(2**60)


def test_without_a_url_files_lie_below_the_instance(tmp_path: Path) -> None:
    plain = dataclasses.replace(settings(""), instance_dir=tmp_path)
    assert plain.files_url == f"file://{tmp_path}/files"
    assert plain.files.max_upload_mb == 2048


def test_folders_are_found_by_when_something_was_last_put_into_them(store: FileStore) -> None:
    now = datetime.now(UTC)
    assert list(store.folders("operations", before=now + timedelta(hours=1))) == []
    first, second, other = (store.new_folder(kind) for kind in ("operations", "operations", "others"))
    for key in (f"{first}/upload", f"{second}/upload", f"{second}/more", f"{other}/upload", "operations/mine/upload"):
        with store.writing(key) as target:
            target.write(b"x")
    assert sorted(store.folders("operations", before=now + timedelta(hours=1))) == sorted([first, second])
    assert list(store.folders("operations", before=now - timedelta(hours=1))) == []
    store.delete(first)
    assert list(store.folders("operations", before=now + timedelta(hours=1))) == [second]
