"""One attempt: the request that tells a webhook of an event. It touches no database."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from app.core.errors import AddressRefused, NotReachable
from app.core.outgoing import fetch
from app.core.resolving import Lookup, Target
from app.core.retry_after import parse_retry_after
from app.notifications.models import MAX_EXCERPT, MAX_REASON
from app.notifications.services.signing import signed_headers

DEADLINE_S: Final = 10.0
"""For one attempt, from looking up the host to the end of the answer."""
GONE: Final = 410
_EXCERPT_BYTES: Final = 4 * MAX_EXCERPT
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that is due, with all that sending it takes."""

    delivery_id: int
    attempts: int
    """Those before this one."""
    is_requested: bool
    kind: str
    event_id: str
    body: str
    url: str
    signers: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt."""

    parcel: Parcel
    at: datetime
    duration_ms: int
    status: int | None = None
    """None without an answer."""
    error: str | None = None
    response: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver has taken it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300


def attempt(
    parcel: Parcel,
    *,
    private: frozenset[Target],
    now: datetime,
    deadline_s: float = DEADLINE_S,
    lookup: Lookup | None = None,
) -> Outcome:
    """Send a parcel once; raises nothing for what the receiver or the way to it does."""
    body = parcel.body.encode()
    headers = signed_headers(parcel.event_id, body, signers=parcel.signers, now=now)
    began = time.monotonic()
    try:
        answer = fetch(
            "POST", parcel.url, headers=headers, body=body, private=private, deadline_s=deadline_s,
            largest=_EXCERPT_BYTES, excerpt=True, lookup=lookup,
        )  # fmt: skip
    except (AddressRefused, NotReachable) as refusal:
        return Outcome(parcel, now, _ms(began), error=_clean(refusal.detail)[:MAX_REASON])
    return Outcome(
        parcel,
        now,
        _ms(began),
        status=answer.status,
        error=None if 200 <= answer.status < 300 else f"The receiver answers {answer.status}.",
        response=_clean(answer.body.decode(errors="replace"))[:MAX_EXCERPT],
        retry_after=_wish(answer.headers.get("Retry-After"), now),
    )


def _ms(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _clean(text: str) -> str:
    return _CONTROL.sub("�", text)


def _wish(header: str | None, now: datetime) -> timedelta | None:
    seconds = None if header is None else parse_retry_after(header, now.timestamp())
    return None if seconds is None else timedelta(seconds=seconds)
