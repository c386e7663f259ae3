"""What a payment provider can be asked, and what it may answer; every call is made outside of any transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Refused for good (``error_code``): nothing is charged, and nothing will be."""
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
    return_url: str | None
    """Where the customer's browser goes when a bank has asked them something; None: it stays where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider says: its own id of the payment, how far it is, and what whoever pays needs."""

    ref: str | None
    """None where it refused before there was anything to have an id."""
    state: ProviderState
    captured_minor: int = 0
    """In our minor units; of a refund: what goes back."""
    currency: str | None = None
    """What that is an amount of; None where nothing is captured."""
    error_code: str | None = None
    """Why it failed; of what waits or was cancelled: why the last attempt to pay it did."""
    client_secret: str | None = None
    """What the customer's browser needs to go on; never stored."""
    redirect_url: str | None = None
    key: str | None = None
    """Our own key, as it was given to the provider: by it a payment is known whose first answer was lost."""


class DisputeState(StrEnum):
    """How far it is when somebody disputes a payment with their bank."""

    OPEN = "OPEN"
    WON = "WON"
    """The money stays here, or was never taken away."""
    LOST = "LOST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A payment, or a part of it, that somebody disputes with their bank."""

    ref: str
    state: DisputeState
    amount: Money
    reason: str
    """Why, in the provider's word (``fraudulent``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A webhook whose signature was right."""

    event_id: str
    kind: str
    payment_ref: str | None
    """None where it is about nothing that we asked for."""
    body: str
    """Without secrets, and without what is known of people."""


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
        """Begin a payment, and finish it where nobody has anything to do; a declined card is FAILED.

        Sent again it answers how far the payment is by now.
        """

    def find(self, key: str) -> Answer | None:
        """The payment that was begun with this key, however long ago; None where none was.

        What was begun within the last hour may not be found yet: there ``charge`` is sent again.
        """

    def look_up(self, ref: str) -> Answer:
        """How far a payment is by now."""

    def cancel(self, ref: str) -> Answer:
        """End a payment that is not captured: CANCELLED once it is sure, or CAPTURED where it came too late.

        WAITING where a bank is at it, so that nobody can end it: ask again.
        """

    def refund(self, *, ref: str, amount: Money, key: str) -> Answer:
        """Give back a part of what was captured; ``ref`` of the answer is the refund's own.

        Sent again with the same key, however much later, it is the same refund as it is by now.
        """

    def look_up_refund(self, ref: str) -> Answer:
        """How far a refund is by now; one that was CAPTURED may still end as FAILED, when a bank sends it back."""

    def refunds_of(self, ref: str) -> Sequence[Answer]:
        """The newest hundred refunds of a payment, whoever made them, the newest first; ``key`` is ours or None."""

    def disputes_of(self, ref: str) -> Sequence[Dispute]:
        """The newest hundred disputes of a payment, the newest first."""

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Read a webhook; raises NoticeForged."""
