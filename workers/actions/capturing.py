"""Taking pictures and HTML of a page as it stands; whatever the page does, in bounded time and without an error."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from typing import Final

from app.rpa.evidence import MAX_HTML_BYTES
from app.rpa.readings import Kind, Piece
from workers.chrome.page import Page
from workers.chrome.websocket import AnswerTimeoutError, CommandRefusedError, ConnectionLostError
from workers.errors import TaskError

log = logging.getLogger(__name__)

PIECE_S: Final = 2.0
"""How long a page may take for each piece; one that does not answer is not asked for the next."""
CUT: Final = b"\n<!-- cut off here -->\n"
_DOCUMENT: Final = """limit => {
  const all = (document.doctype ? "<!doctype html>" : "") + (document.documentElement?.outerHTML ?? "");
  return all.slice(0, limit).toWellFormed();
}"""
_FAILURES: Final = (TaskError, CommandRefusedError, AnswerTimeoutError, ConnectionLostError, RuntimeError)


def capture(page: Page, *, html: bool) -> tuple[tuple[Piece, ...], str | None]:
    """A screenshot, and with ``html`` the document; what could be had, and why not where it is less than that."""
    pieces: list[Piece] = []
    wanted: dict[Kind, Callable[[Page], bytes]] = {Kind.SCREENSHOT: _screenshot}
    if html:
        wanted[Kind.HTML] = _html
    page.stop_counting()
    for kind, take in wanted.items():
        try:
            pieces.append(Piece(kind, take(page)))
        except _FAILURES as error:
            log.info("no %s: %s", kind, error)
            return tuple(pieces), f"no {kind}: the page did not give it"
    return tuple(pieces), None


def compress(document: str) -> bytes:
    """A document as it is stored: at most MAX_HTML_BYTES of it, compressed; the same text gives the same bytes."""
    content = document.encode("utf-8", "replace")
    if len(content) > MAX_HTML_BYTES:
        content = content[: MAX_HTML_BYTES - len(CUT)] + CUT
    return gzip.compress(content, mtime=0)


def _screenshot(page: Page) -> bytes:
    return page.screenshot(timeout_s=PIECE_S)


def _html(page: Page) -> bytes:
    return compress(page.run(_DOCUMENT, MAX_HTML_BYTES + 1, timeout_s=PIECE_S))
