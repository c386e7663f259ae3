"""Hostile answers of a server."""

from __future__ import annotations

import gzip
import itertools
from typing import Final

from app.rpa.rules.codes import Code
from tests.workers.hostile.page import DRIP_S, Answer, Hostile, Visitor, page, product, status

_BOMB: Final = gzip.compress(b"<p>much</p>" * 1_000_000)
_ENTITIES: Final = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 12))


def _sent(*lines: str, body: str | bytes) -> Answer:
    def answer(visitor: Visitor) -> None:
        visitor.head(*lines)
        visitor.send(body)

    return answer


def _slow_head(visitor: Visitor) -> None:
    visitor.send("HTTP/1.1 200 OK\r\nX-Slow: ")
    visitor.pour(itertools.repeat(b"x"), pause_s=DRIP_S)


def _slow_body(visitor: Visitor) -> None:
    visitor.head()
    visitor.send(product(visitor.asin).removesuffix("</body></html>"))
    visitor.pour(itertools.repeat(b"<p>.</p>"), pause_s=DRIP_S)


def _endless_body(visitor: Visitor) -> None:
    visitor.head()
    visitor.pour(itertools.repeat(b"<p>more</p>" * 10_000))


def _cut_off(*lines: str, before: str = "", after: str = "") -> Answer:
    def answer(visitor: Visitor) -> None:
        visitor.head(*lines)
        visitor.send(before + product(visitor.asin)[:300] + after)

    return answer


ANSWERS: Final = (
    Hostile("SLOWHEAD01", "headers that come byte by byte and never end", Code.NAV_TIMEOUT, _slow_head),
    Hostile("SLOWBODY01", "a page that comes byte by byte and never ends", Code.NAV_TIMEOUT, _slow_body),
    Hostile("ENDLESS001", "a page without an end, as fast as it goes", Code.PAGE_TOO_LARGE, _endless_body),
    Hostile(
        "GZIPBOMB01",
        "a small compressed page of many megabytes",
        Code.PAGE_TOO_LARGE,
        _sent("Content-Encoding: gzip", body=_BOMB),
    ),
    Hostile(
        "XMLBOMB001",
        "XML whose entities grow without an end",
        Code.SELECTOR_MISSING,
        _sent("Content-Type: text/xml", body=f'<!DOCTYPE x [<!ENTITY e0 "lol">{_ENTITIES}]><x>&e11;</x>'),
    ),
    Hostile(
        "HEADERS001",
        "headers of 800 KB",
        Code.PAGE_TOO_LARGE,
        page(*(f"X-Bomb-{at}: {'x' * 4000}" for at in range(200))),
    ),
    Hostile(
        "COOKIES001",
        "fifty cookies of 4 KB",
        None,
        page(*(f"Set-Cookie: c{at}={'x' * 3900}; Path=/; Max-Age=99999" for at in range(50))),
    ),
    Hostile("CUTOFF0001", "a page that is cut off", Code.NAV_CONN, _cut_off("Content-Length: 9000")),
    Hostile(
        "CUTCHUNK01",
        "a page in chunks that is cut off",
        Code.NAV_CONN,
        _cut_off("Transfer-Encoding: chunked", before="12c\r\n", after="\r\n"),
    ),
    Hostile("BADGZIP001", "a compressed page that is none", Code.NAV_CONN, page("Content-Encoding: gzip")),
    Hostile("BADLENGTH1", "two lengths that differ", Code.NAV_CONN, page("Content-Length: 5", "Content-Length: 900")),
    Hostile("NOHTTP0001", "an answer that is not HTTP", Code.NAV_CONN, lambda visitor: visitor.send(b"\0\1\2\3" * 10)),
    Hostile("RESET00205", "205, reset the form", Code.NO_DOCUMENT, status("205 Reset Content")),
    Hostile("OLDNEWS304", "304, as you know it, of an unknown page", Code.NO_DOCUMENT, status("304 Not Modified")),
    Hostile("AFILE00001", "a PDF", Code.NO_DOCUMENT, _sent("Content-Type: application/pdf", body="%PDF-1.4")),
    Hostile("PICTURE001", "a picture", Code.SELECTOR_MISSING, _sent("Content-Type: image/gif", body=b"GIF89a")),
    Hostile("PLAINTEXT1", "HTML that says it is plain text", Code.SELECTOR_MISSING, page("Content-Type: text/plain")),
    Hostile(
        "BADUTF8001",
        "bytes that are no text in UTF-8",
        None,
        lambda visitor: _sent(
            body=product(visitor.asin, body="<i>?</i>").encode().replace(b"?", b"\xff\xfe\xc0\xaf\xed\xa0\x80\0")
        )(visitor),
    ),
    Hostile(
        "UTF16LIE01",
        "UTF-16 that says it is UTF-8",
        Code.SELECTOR_MISSING,
        lambda visitor: _sent(body=product(visitor.asin).encode("utf-16-le"))(visitor),
    ),
)
