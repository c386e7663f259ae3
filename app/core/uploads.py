"""Files that are sent as multipart/form-data, written where they belong as they arrive: never in memory, or twice.

A view whose class says ``is_streamed = True`` gets its body unread, and limits it itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final

from flask import current_app, request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from app.core.errors import Busy, Invalid
from app.core.seats import Seats

_CHUNK: Final = 256 * 1024
_MAX_PARTS: Final = 30
_MAX_FIELD: Final = 4096
MAX_ENVELOPE: Final = 256 * 1024
"""Bytes of a body around its file."""
_LOOK_EVERY: Final = 64 * 1024 * 1024


class UploadsBusy(Busy):
    """Too many files are being sent to us at the moment."""

    code = "UPLOADS_BUSY"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived, and the fields that were sent with it."""

    filename: str
    size: int
    fields: dict[str, str]


def is_streamed() -> bool:
    """Whether the view of this request reads the body itself."""
    view = current_app.view_functions.get(request.endpoint or "")
    return bool(getattr(getattr(view, "view_class", None), "is_streamed", False))


def keep_unread() -> None:
    """See to it that nothing reads the body of this request as a form, such as the search for a CSRF token."""
    request.__dict__["form"] = request.__dict__["files"] = ImmutableMultiDict()


def receive_file(sink: IO[bytes], *, name: str, limit: int, check_room: Callable[[int], None]) -> Upload:
    """Write the file of the field ``name`` to ``sink`` while it arrives.

    ``check_room`` is told now and then how many bytes may still come. Raises 413 for more than ``limit`` bytes, before
    reading anything where the request says so itself; 415 for a body of another kind; UploadsBusy when a quarter of the
    process's threads are receiving files; Invalid.
    """
    boundary = request.mimetype_params.get("boundary", "")
    if request.mimetype != "multipart/form-data" or not boundary:
        raise UnsupportedMediaType("Send the file as multipart/form-data.")
    if (request.content_length or 0) > limit + MAX_ENVELOPE:
        raise RequestEntityTooLarge
    with _seats().taken() as is_seated:
        if not is_seated:
            raise UploadsBusy("Too many files are being sent; try again in a moment.")
        return _receive(sink, name, limit, check_room, boundary)


def _seats() -> Seats:
    seats: Seats = current_app.extensions["upload_seats"]
    return seats


def _receive(sink: IO[bytes], name: str, limit: int, check_room: Callable[[int], None], boundary: str) -> Upload:
    check_room(request.content_length or _LOOK_EVERY)
    receiver = _Receiver(sink, name, limit, check_room)
    decoder = MultipartDecoder(boundary.encode(), 4 * _CHUNK, max_parts=_MAX_PARTS)
    # what comes in chunks is cut there without a word, but the limit of the file is met before
    request.max_content_length = limit + 2 * MAX_ENVELOPE
    stream = request.stream
    try:
        while not receiver.is_over:
            piece = stream.read(_CHUNK)
            decoder.receive_data(piece or None)
            receiver.take_events(decoder)
    except ValueError as error:
        raise Invalid.field(f"/{name}", f"is in a body that is no multipart/form-data: {error}.") from error
    return receiver.result()


class _Receiver:
    """Sorts out the parts of a body as they come."""

    def __init__(self, sink: IO[bytes], name: str, limit: int, check_room: Callable[[int], None]) -> None:
        self._sink, self._name, self._limit, self._check_room = sink, name, limit, check_room
        self._fields: dict[str, str] = {}
        self._field: str | None = None
        self._text = bytearray()
        self._filename: str | None = None
        self._size = self._looked_at = 0
        self.is_over = False

    def take_events(self, decoder: MultipartDecoder) -> None:
        while not isinstance(event := decoder.next_event(), NeedData):
            if isinstance(event, File):
                self._begin_file(event)
            elif isinstance(event, Field):
                self._field = event.name
                self._text.clear()
            elif isinstance(event, Data):
                self._take(event)
            elif isinstance(event, Epilogue):
                self.is_over = True
                return

    def result(self) -> Upload:
        if self._filename is None:
            raise Invalid.field(f"/{self._name}", "Missing data for required field.")
        return Upload(self._filename, self._size, self._fields)

    def _begin_file(self, event: File) -> None:
        if event.name != self._name:
            raise Invalid.field(f"/{event.name}", "Unknown field.")
        if self._filename is not None:
            raise Invalid.field(f"/{event.name}", "Send one file: this field stands here twice.")
        self._filename, self._field = event.filename, None

    def _take(self, event: Data) -> None:
        if self._field is not None:
            self._text += event.data
            if len(self._text) > _MAX_FIELD:
                raise Invalid.field(f"/{self._field}", f"Longer than maximum length {_MAX_FIELD}.")
            if not event.more_data:
                self._fields[self._field] = self._text.decode("utf-8", "replace")
            return
        self._size += len(event.data)
        if self._size > self._limit:
            raise RequestEntityTooLarge
        self._sink.write(event.data)
        if self._size - self._looked_at > _LOOK_EVERY:
            self._check_room(_LOOK_EVERY)
            self._looked_at = self._size
