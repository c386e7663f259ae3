"""Taking pictures and HTML of a page as it stands; whatever the page does, in bounded time and without an error."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Collection
from typing import Final

from app.rpa.rules.evidence import MAX_HTML_BYTES
from app.rpa.rules.readings import Kind, Piece
from workers.chrome.page import Page
from workers.chrome.websocket import AnswerTimeoutError, CommandRefusedError, ConnectionLostError
from workers.errors import TaskError

log = logging.getLogger(__name__)

PIECE_S: Final = 2.0
"""How long a page may take for each piece; one that does not answer is not asked for the next."""
CUT: Final = b"\n<!-- cut off here -->\n"
_MOST_ROOTS: Final = 1000
_DOCUMENT: Final = """({limit, most}) => {
  const root = document.documentElement;
  const shadowRoots = [];
  const scopes = [document];
  while (scopes.length && shadowRoots.length < most) {
    for (const element of scopes.pop().querySelectorAll("*")) {
      if (element.shadowRoot && shadowRoots.length < most) {
        shadowRoots.push(element.shadowRoot);
        scopes.push(element.shadowRoot);
      }
    }
  }
  let html = root?.outerHTML ?? "";
  if (shadowRoots.length) {
    const [open, end] = root.cloneNode(false).outerHTML.split(/(?=<\\/[^>]*>$)/);
    html = open + root.getHTML({shadowRoots}) + end;
  }
  return ((document.doctype ? "<!doctype html>" : "") + html).slice(0, limit).toWellFormed();
}"""
"""The document with its open shadow roots as templates, as a browser reads them back."""
_FAILURES: Final = (TaskError, CommandRefusedError, AnswerTimeoutError, ConnectionLostError, RuntimeError)


def capture(page: Page, kinds: Collection[Kind]) -> tuple[tuple[Piece, ...], str | None]:
    """What could be had of these kinds, the screenshot first, and why not where it is less than that."""
    pieces: list[Piece] = []
    takes: dict[Kind, Callable[[Page], bytes]] = {Kind.SCREENSHOT: _screenshot, Kind.HTML: _html}
    page.stop_counting()
    for kind in [kind for kind in takes if kind in kinds]:
        try:
            pieces.append(Piece(kind, takes[kind](page)))
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
    return compress(page.run(_DOCUMENT, {"limit": MAX_HTML_BYTES + 1, "most": _MOST_ROOTS}, timeout_s=PIECE_S))
