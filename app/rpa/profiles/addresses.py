"""What the addresses of one or two product pages tell of a shop: where the ASIN stands in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from app.core.hosts import address_of

_ASIN: Final = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{10}(?![A-Za-z0-9])")
"""Ten letters and digits as a whole word; without any digit it is rather a word of the shop's."""


class NoAsin(ValueError):
    """An address holds no ASIN, or two addresses hold the same one; the message says which."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True, slots=True)
class ProductAddress:
    """The pattern of product pages: ``template`` has ``{asin}`` once and is relative to ``base_url``."""

    base_url: str
    host: str
    template: str
    asins: tuple[str, ...]
    sure: float
    reason: str


def read_addresses(urls: Sequence[str]) -> ProductAddress:
    """The pattern of one or two addresses; raises NoAsin, and HostError for what is no web address."""
    scheme, host, port = address_of(urls[0])
    shown = host if port == {"http": 80, "https": 443}[scheme] else f"{host}:{port}"
    parts = [_parts(url, at) for at, url in enumerate(urls)]
    if len(parts) == 2 and parts[0].asin.upper() == parts[1].asin.upper():
        raise NoAsin("is the page of the same product.", 1)
    template, sure, reason = _template(parts)
    asins = tuple(part.asin.upper() for part in parts)
    return ProductAddress(f"{scheme}://{shown}/", shown, template, asins, sure, reason)


@dataclass(frozen=True, slots=True)
class _Parts:
    before: str
    """Of the path, up to the piece that holds the ASIN, with its slash."""
    piece: str
    """The path's segment, or the query's pair, with {asin}."""
    after: str
    asin: str
    in_query: bool


def _parts(url: str, at: int) -> _Parts:
    parts = urlsplit(url)
    segments = parts.path.split("/")
    for index in reversed(range(len(segments))):
        for found in reversed(list(_ASIN.finditer(segments[index]))):
            piece = segments[index][: found.start()] + "{asin}" + segments[index][found.end() :]
            before, after = "/".join(segments[:index]) + "/", "/".join(["", *segments[index + 1 :]])
            return _Parts(before, piece, after if index + 1 < len(segments) else "", found.group(), in_query=False)
    for pair in parts.query.split("&"):
        for found in _ASIN.finditer(pair):
            piece = pair[: found.start()] + "{asin}" + pair[found.end() :]
            return _Parts(parts.path or "/", piece, "", found.group(), in_query=True)
    raise NoAsin("holds no ASIN (ten letters and digits).", at)


def _template(parts: Sequence[_Parts]) -> tuple[str, float, str]:
    first, last = parts[0], parts[-1]
    joint = "?" if first.in_query else ""
    whole = f"{first.before}{joint}{first.piece}{first.after}"
    if _braces(whole) > 1:
        raise NoAsin("holds braces.", 0)
    if len(parts) == 1:
        return whole, 0.7, "the one address holds one ASIN; a second address would show what else differs"
    if first.in_query != last.in_query or first.piece != last.piece:
        return whole, 0.3, "the two addresses are built differently; try it on a third product"
    if first.before == last.before and first.after == last.after:
        return whole, 0.95, "the two addresses differ in the ASIN and nothing else"
    kept = _common_end(first.before, last.before)
    template = f"{kept}{joint}{first.piece}{first.after if first.after == last.after else ''}"
    return template, 0.5, "what else differs between the two addresses was left out: try whether the shop minds"


def _common_end(first: str, second: str) -> str:
    """The last segments that two paths share: ``/kettle/dp/`` and ``/teapot/dp/`` share ``/dp/``."""
    mine, theirs = first.strip("/").split("/"), second.strip("/").split("/")
    shared: list[str] = []
    while mine and theirs and mine[-1] == theirs[-1]:
        shared.insert(0, mine.pop())
        theirs.pop()
    return "/" + "".join(f"{segment}/" for segment in shared if segment)


def _braces(text: str) -> int:
    return text.count("{") + text.count("%7B")
