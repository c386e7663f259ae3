"""Files that are sent as they are made.

The web server keeps one piece that a client has not taken, and half a megabyte of what was sent; a thread waits as long
as the client does not read. So pieces are small, and few threads at once send files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flask import Response, current_app, stream_with_context

from app.core.errors import Busy
from app.core.seats import Seated, Seats

_PIECE: Final = 64 * 1024


class DownloadsBusy(Busy):
    """Too many files are being sent at the moment."""

    code = "DOWNLOADS_BUSY"


def send_pieces(pieces: Iterator[bytes], *, content_type: str, filename: str, size: int | None = None) -> Response:
    """A file, saved by browsers as ``filename``, of ``size`` bytes where that is known.

    Raises DownloadsBusy when a quarter of the process's threads are sending files.
    """
    seats: Seats = current_app.extensions["download_seats"]
    if not seats.take():
        raise DownloadsBusy("Too many files are being downloaded; try again in a moment.")
    answer = Response(Seated(stream_with_context(in_small(pieces)), seats), content_type=content_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    if size is not None:
        answer.content_length = size
    return answer


def in_small(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at most 64 KB."""
    for piece in pieces:
        for start in range(0, len(piece), _PIECE):
            yield piece[start : start + _PIECE]
