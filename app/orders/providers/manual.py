"""What staff collect themselves: invoices and cash. Nobody is asked; whether it was paid is what staff record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.core.money import Money
from app.orders.providers.port import Answer, Charge, Dispute, Notice, NoticeForged, ProviderState


class Manual:
    """Waits for staff, who say that an invoice was paid and pay back what is refunded."""

    name = "manual"

    def charge(self, charge: Charge) -> Answer:
        """Wait until staff record that it was paid."""
        return Answer(ref=charge.key, state=ProviderState.WAITING, key=charge.key)

    def find(self, key: str) -> Answer | None:
        """Wait likewise: what was not recorded was not paid."""
        return Answer(ref=key, state=ProviderState.WAITING, key=key)

    def look_up(self, ref: str) -> Answer:
        """Wait likewise."""
        return Answer(ref=ref, state=ProviderState.WAITING, key=ref)

    def cancel(self, ref: str) -> Answer:
        """End it: nobody collects it any more."""
        return Answer(ref=ref, state=ProviderState.CANCELLED, key=ref)

    def refund(self, *, ref: str, amount: Money, key: str) -> Answer:
        """Count it as given back: staff hand it out, or transfer it."""
        return Answer(
            ref=key, state=ProviderState.CAPTURED, captured_minor=amount.minor, currency=amount.currency, key=key
        )

    def look_up_refund(self, ref: str) -> Answer:
        """Count it as given back, as it was the first time."""
        return Answer(ref=ref, state=ProviderState.CAPTURED, key=ref)

    def refunds_of(self, ref: str) -> Sequence[Answer]:  # the port's
        """None: whatever was given back, staff have recorded."""
        return ()

    def disputes_of(self, ref: str) -> Sequence[Dispute]:  # the port's
        """None: no bank is between."""
        return ()

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Refuse it: nobody sends any."""
        raise NoticeForged("Nobody sends notices about what staff collect themselves.")


def make() -> Manual:
    """The provider; it needs no settings."""
    return Manual()
