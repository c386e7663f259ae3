"""What a payment provider can be asked, and what it may answer; every call is made outside of any transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.core.money import Money


class ProviderState(StrEnum):
    """What the provider says of a payment or a refund."""

    WAITING = "WAITING"
    """The customer, or a bank, has something to do."""
    CAPTURED = "CAPTURED"
    """Of a refund: the money is on its way."""
    FAILED = "FAILED"
    """Refused for good, or not paid for now (``error_code``); nothing is charged."""
    CANCELLED = "CANCELLED"
    """It can never be charged any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What is to be paid. Sent again with the same key and contents it is one charge."""

    key: str
    amount: Money
    order_number: str
    method: str
    source_ref: str | None
    """What the customer pays with (``pm_...``); None: they will say so to the provider."""
    email: str
    return_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider says: its own id of the payment, how far it is, and what whoever pays needs."""

    ref: str
    state: ProviderState
    captured_minor: int = 0
    error_code: str | None = None
    client_secret: str | None = None
    """What the customer's browser needs to go on; never stored."""
    redirect_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A webhook whose signature was right."""

    event_id: str
    kind: str
    payment_ref: str | None
    body: str


class ProviderUnreachable(Exception):
    """No answer, or none that says what happened: it may or may not have been done. Ask again with the same key."""


class ProviderRefused(Exception):
    """The provider says that it will never do this, and nothing happened; ``code`` is its own word for why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class NoticeForged(Exception):
    """A webhook that does not come from the provider, is too old, or cannot be read."""


class Provider(Protocol):
    """One provider. Calls end within ``Payments.timeout_s`` and raise ProviderUnreachable or ProviderRefused."""

    name: str

    def charge(self, charge: Charge) -> Answer:
        """Begin a payment, and finish it where nobody has anything to do; a declined card is FAILED."""

    def look_up(self, ref: str) -> Answer:
        """How far a payment is by now."""

    def cancel(self, ref: str) -> Answer:
        """End a payment that is not captured: CANCELLED once it is sure, or CAPTURED where it came too late."""

    def refund(self, *, ref: str, amount: Money, key: str) -> Answer:
        """Give back a part of what was captured; ``ref`` of the answer is the refund's own."""

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Read a webhook; raises NoticeForged."""
