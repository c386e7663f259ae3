"""Getting one picture from where its address says, by the gate for everything that our server asks others for."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from app.core.errors import AddressRefused, NotReachable
from app.core.outgoing import fetch
from app.core.resolving import Lookup, Target
from app.products.errors import ImageHostFailed, ImageRefused
from app.products.images.kinds import kind_of

MAX_BYTES: Final = 5 * 1024 * 1024
DEADLINE_S: Final = 10.0
"""For all redirects together."""
MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WANTED: Final = {"Accept": "image/avif,image/webp,image/png,image/jpeg,image/gif", "Accept-Encoding": "identity"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a kind that browsers may be shown."""

    kind: str
    """Its media type, by its content."""
    content: bytes


def fetch_picture(
    url: str, *, private: frozenset[Target], deadline_s: float = DEADLINE_S, lookup: Lookup | None = None
) -> Picture:
    """The picture at an address; every redirect passes the gate as the address did.

    ``private`` are the (host, port) pairs that need not be public. Raises ImageRefused for an address that may not be
    asked, what is too large, and what is no picture; ImageHostFailed where none is got in time.
    """
    ends_at = time.monotonic() + deadline_s
    for _ in range(MAX_REDIRECTS + 1):
        try:
            answer = fetch(
                "GET", url, private=private, deadline_s=max(0.1, ends_at - time.monotonic()), largest=MAX_BYTES,
                headers=_WANTED, excerpt=True, lookup=lookup,
            )  # fmt: skip
        except AddressRefused as refused:  # what a name means inside our network is nobody's business
            log.warning("an image was not asked for: %s", refused.detail)
            raise ImageRefused("The address of the image is none that may be asked for it.") from refused
        except NotReachable as failed:
            raise ImageHostFailed(failed.detail) from failed
        location = answer.headers.get("Location")
        if answer.status not in _REDIRECTS or location is None:
            break
        url = _behind(url, location)
    else:
        raise ImageRefused(f"The image is behind more than {MAX_REDIRECTS} redirects.")
    if answer.status != 200:
        raise ImageHostFailed(f"Instead of the image its server answered with status {answer.status}.")
    if not answer.is_whole:
        raise ImageRefused(f"The image has more than {MAX_BYTES // 1024**2} MB.")
    kind = kind_of(answer.body)
    if kind is None:
        raise ImageRefused("What is at the address of the image is no JPEG, PNG, GIF, WebP or AVIF.")
    return Picture(kind, answer.body)


def _behind(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise ImageRefused("The address of the image leads to something that is no address.") from error
