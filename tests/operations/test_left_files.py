"""What uploads leave on disk that nobody waits for: nothing where they fail, and for a day where their process dies."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Files
from app.core.files import FileStore, file_store
from app.core.orm import utc_now
from app.operations.services import running
from tests.conftest import AppWith
from tests.products.operating import HEADER, IMPORTS, begin, row_of
from tests.servers import on_sqlite
from workers.jobs.outbox import HANDLERS
from workers.schedule import TIMETABLE


@on_sqlite
def test_an_upload_that_breaks_off_leaves_no_folder(
    app_with: AppWith, auth_headers: dict[str, str], tmp_path: Path
) -> None:
    client: FlaskClient = app_with(files=Files(url=f"file://{tmp_path}/files")).test_client()
    begun = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nabc'
    for body in (begun, begun.replace(b"abc", b"\r\n--b--"), b"nonsense"):
        kind = "multipart/form-data; boundary=b"
        assert client.post(IMPORTS, data=body, content_type=kind, headers=auth_headers).status_code == 422
    assert list(tmp_path.glob("files/operations/*")) == []


def uploaded() -> str:
    """The folder of an upload whose process died before there was an operation."""
    folder = FileStore.new_folder("operations")
    with file_store().writing(f"{folder}/upload") as upload:
        upload.write(b"asin")
    return folder


def sweep() -> None:
    """Delete what other tests have left."""
    while running.sweep_folders(now=utc_now() + timedelta(hours=25)):
        pass


def test_files_without_an_operation_are_deleted_after_a_day_and_no_others(app: Flask) -> None:
    operation_id = begin(app, HEADER)
    known = row_of(app, operation_id)["folder"]
    with app.app_context():
        store, now = file_store(), utc_now()
        sweep()
        left = uploaded()
        assert running.sweep_folders(now=now + timedelta(hours=23)) == 0
        assert store.size(f"{left}/upload") == 4
        assert running.sweep_folders(now=now + timedelta(hours=25)) == 1
        assert running.sweep_folders(now=now + timedelta(hours=25)) == 0
        with pytest.raises(FileNotFoundError):
            store.size(f"{left}/upload")
        assert store.size(f"{known}/upload") == len(HEADER)


@on_sqlite
def test_so_many_folders_are_deleted_at_once_and_the_rest_later(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        sweep()
        monkeypatch.setattr(running, "_SWEPT", 4)
        monkeypatch.setattr(running, "_LOOKED_AT", 2)
        left = {uploaded() for _ in range(5)}
        later = utc_now() + timedelta(hours=25)
        assert [running.sweep_folders(now=later) for _ in range(3)] == [4, 1, 0]
        assert left.isdisjoint(file_store().folders("operations", before=later))


@on_sqlite
def test_the_timetable_has_what_is_left_deleted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "purge_operation_files" in TIMETABLE
    monkeypatch.setattr(running, "UNKNOWN", timedelta(hours=-1))
    with app.app_context():
        folder = uploaded()
        HANDLERS["purge_operation_files"]()
        with pytest.raises(FileNotFoundError):
            file_store().size(f"{folder}/upload")
