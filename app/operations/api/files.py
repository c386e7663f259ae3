"""Files of operations over HTTP: one that is sent to be worked on, and those that come of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import IO, Any, Final, cast

import orjson
from flask import Response, g
from flask.views import MethodView
from marshmallow import Schema, ValidationError

from app.core.downloads import send_pieces
from app.core.errors import FieldError, Invalid
from app.core.files import FileStore, file_store
from app.core.running import settings
from app.core.uploads import Upload, receive_file
from app.operations.files.delimited import ENCODINGS
from app.operations.files.table import FORMATS
from app.operations.files.writing import CONTENT_TYPES
from app.operations.services.imports.decisions import UPLOAD


def receiving(view: Callable[..., Response]) -> Callable[..., Response]:
    """Receive the file before the view is asked, so that an Idempotency-Key is claimed for what was really sent.

    The view gets the folder, the file being ``UPLOAD`` in it, and what was sent with it. Nothing of it is kept unless
    the view takes it.
    """

    @wraps(view)
    def receive_first(self: MethodView) -> Response:
        folder, is_taken = FileStore.new_folder("operations"), False
        try:
            upload, digest = _receive(folder)
            g.received = orjson.dumps([upload.filename, upload.fields, digest], option=orjson.OPT_SORT_KEYS)
            answer = view(self, folder, upload)
            is_taken = "Idempotent-Replayed" not in answer.headers
            return answer
        finally:
            if not is_taken:
                file_store().delete(folder)

    return receive_first


def download(pieces: Iterator[bytes], format: str, name: str, size: int | None = None) -> Response:  # noqa: A002  # it is what it is called everywhere
    """A file that is sent as it is made, and saved under this name; raises DownloadsBusy."""
    return send_pieces(pieces, content_type=CONTENT_TYPES[format], filename=f"{name}.{format}", size=size)


def upload_limit() -> int:
    """How many bytes a file may have that is sent."""
    return settings().files.max_upload_mb * 1024 * 1024


RUN: Final[dict[str, Any]] = {
    "run": {"type": "boolean", "default": False, "description": "Import at once what keeps the rules"}
}
"""A field of the forms of imports."""


def form(file: str, *, required: Sequence[str] = (), **own: dict[str, Any]) -> dict[str, Any]:
    """The body of a request that sends a file, as OpenAPI has it; ``file`` says what is in it."""
    said: dict[str, Any] = {
        "file": {"type": "string", "format": "binary", "description": file},
        **own,
        "format": {"type": "string", "enum": list(FORMATS), "description": "Where it cannot be seen"},
        "encoding": {
            "type": "string",
            "enum": list(ENCODINGS),
            "description": "utf-8 unless a byte order mark says otherwise; windows-1252 is never guessed",
        },
        "delimiter": {"type": "string", "enum": [",", ";", "tab", "|"], "description": "Where it is guessed wrongly"},
    }
    schema = {"type": "object", "required": ["file", *required], "properties": said}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def read_fields(upload: Upload, schema: Schema) -> dict[str, Any]:
    """What was said of a file that was sent; raises Invalid."""
    try:
        found: dict[str, Any] = schema.load(upload.fields)
    except ValidationError as error:
        problems: Any = error.messages
        errors = tuple(FieldError(f"/{name}", " ".join(map(str, texts))) for name, texts in problems.items())
        raise Invalid("The request breaks a rule.", errors=errors) from error
    return found | {"delimiter": "\t" if found["delimiter"] == "tab" else found["delimiter"]}


class _Hashing:
    """A file that tells the hash of what is written to it."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink, self.hash = sink, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return self._sink.write(data)


def _receive(folder: str) -> tuple[Upload, str]:
    """Store the file that is sent; also the SHA-256 of its bytes."""
    store = file_store()
    with store.writing(f"{folder}/{UPLOAD}") as sink:
        hashing = _Hashing(sink)
        upload = receive_file(
            cast(IO[bytes], hashing), name="file", limit=upload_limit(), check_room=store.require_room
        )
        if not upload.size:
            raise Invalid.field("/file", "is empty.")
        return upload, hashing.hash.hexdigest()
