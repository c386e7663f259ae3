"""Stripe: payments by card (PaymentIntents), refunds, and its webhooks; https://docs.stripe.com/api.

What is sent is made of the charge alone, so that it is the same whenever it is sent again. Stripe keeps idempotency
keys for 24 hours at least (https://docs.stripe.com/api/idempotent_requests) and repeats the first answer word by word,
so an answer that it repeats is looked up anew, and what is older is found by our key in the metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import stripe

from app.config import Payments
from app.core.money import Money
from app.core.running import settings
from app.orders.providers import stripe_notices
from app.orders.providers.port import (
    Answer,
    Charge,
    Dispute,
    DisputeState,
    Notice,
    ProviderState,
    ProviderUnreachable,
)
from app.orders.providers.stripe_transport import Transport, asking, decline_code, told
from app.orders.providers.units import from_stripe, to_stripe

PAYMENT: Final = "payment"
"""Under which name a PaymentIntent's metadata has our key."""
REFUND: Final = "refund"
_MOST: Final = 100
_STATES: Final = {"succeeded": ProviderState.CAPTURED, "canceled": ProviderState.CANCELLED}
"""Of PaymentIntents; in all other states somebody has something to do."""
_REFUND_STATES: Final = {
    "succeeded": ProviderState.CAPTURED,
    "failed": ProviderState.FAILED,
    "canceled": ProviderState.FAILED,
}
"""Of refunds; else it is on its way to become one of these."""
_DISPUTE_STATES: Final = {
    "lost": DisputeState.LOST,
    "won": DisputeState.WON,
    "warning_closed": DisputeState.WON,
    "prevented": DisputeState.WON,
}
"""Of disputes and of inquiries that come before them; else somebody has something to do."""


class Stripe:
    """Payments by card at Stripe, or at a server that speaks as it does (``STRIPE_URL``)."""

    name = "stripe"

    def __init__(self, configured: Payments) -> None:
        self._configured = configured

    def charge(self, charge: Charge) -> Answer:
        """Make the PaymentIntent and confirm it where the customer has said what they pay with."""
        client, sent = self._client(), _asked(charge)
        with asking():
            try:
                intent = client.v1.payment_intents.create(sent, {"idempotency_key": charge.key})
            except stripe.CardError as error:
                return _declined(client, error)
            except stripe.IdempotencyError:  # an older version of us asked for the same in other words
                return self._found(charge.key)
            return _answer(_latest(client.v1.payment_intents, intent))

    def find(self, key: str) -> Answer | None:
        """Search for the PaymentIntent that has our key."""
        with asking():
            query = f"metadata['{PAYMENT}']:'{key}'"
            found = self._client().v1.payment_intents.search({"query": query, "limit": _MOST}).to_dict()["data"]
        answers = [_answer(intent) for intent in found if intent["metadata"].get(PAYMENT) == key]
        captured = [answer for answer in answers if answer.state == ProviderState.CAPTURED]
        return next(iter(captured + answers), None)

    def look_up(self, ref: str) -> Answer:
        """Retrieve the PaymentIntent."""
        with asking():
            return _look_up(self._client(), ref)

    def cancel(self, ref: str) -> Answer:
        """Cancel the PaymentIntent; where Stripe will not, as it has ended or a bank is at it, say how far it is."""
        with asking():
            return _cancel(self._client(), ref)

    def refund(self, *, ref: str, amount: Money, key: str) -> Answer:
        """Make the refund, unless one with this key is there."""
        client, number = self._client(), to_stripe(amount)
        with asking():
            known = client.v1.refunds.list({"payment_intent": ref, "limit": _MOST}).to_dict()["data"]
            for refund in known:
                if (refund.get("metadata") or {}).get(REFUND) == key:
                    return _refund_answer(refund)
            made = client.v1.refunds.create(
                {"payment_intent": ref, "amount": number, "metadata": {REFUND: key}}, {"idempotency_key": key}
            )
            return _refund_answer(_latest(client.v1.refunds, made))

    def look_up_refund(self, ref: str) -> Answer:
        """Retrieve the refund."""
        with asking():
            return _refund_answer(self._client().v1.refunds.retrieve(ref).to_dict())

    def refunds_of(self, ref: str) -> Sequence[Answer]:
        """List the refunds of the PaymentIntent."""
        with asking():
            listed = self._client().v1.refunds.list({"payment_intent": ref, "limit": _MOST}).to_dict()["data"]
            return [_refund_answer(refund) for refund in listed]

    def disputes_of(self, ref: str) -> Sequence[Dispute]:
        """List the disputes of the PaymentIntent."""
        with asking():
            listed = self._client().v1.disputes.list({"payment_intent": ref, "limit": _MOST}).to_dict()["data"]
            return [_dispute(each) for each in listed]

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Check the signature over the very bytes and read the event."""
        return stripe_notices.read(body, headers, self._configured.stripe_webhook_secret)

    def _found(self, key: str) -> Answer:
        answer = self.find(key)
        if answer is None:
            raise ProviderUnreachable("The key was used for another request, and what it made is not found yet.")
        return answer

    def _client(self) -> stripe.StripeClient:
        """A client for one call: the deadline is the call's, however many requests it takes."""
        url = self._configured.stripe_url
        return stripe.StripeClient(
            self._configured.stripe_secret_key,
            base_addresses={"api": url, "connect": url, "files": url, "meter_events": url},
            max_network_retries=0,
            http_client=Transport(url, self._configured.timeout_s),
        )


def make() -> Stripe:
    """The provider as it is configured."""
    return Stripe(settings().payments)


def _asked(charge: Charge) -> Any:
    sent: dict[str, Any] = {
        "amount": to_stripe(charge.amount),
        "currency": charge.amount.currency.lower(),
        "payment_method_types": [charge.method],
        "metadata": {"order": charge.order_number, PAYMENT: charge.key},
    }
    if charge.source_ref is not None:
        sent |= {"payment_method": charge.source_ref, "confirm": True}
        sent |= {"return_url": charge.return_url} if charge.return_url else {}
    return sent


def _latest(service: Any, made: Any) -> dict[str, Any]:
    """What was made as it is by now: the answer to a key that was sent before is as old as its first use."""
    if made.last_response.headers.get("Idempotent-Replayed") == "true":
        made = service.retrieve(made["id"])
    whole: dict[str, Any] = made.to_dict()
    return whole


def _declined(client: stripe.StripeClient, error: stripe.CardError) -> Answer:
    """End what was declined, so that nobody can pay it with another card while the next attempt is under way."""
    intent = error.error.payment_intent if error.error else None
    if intent is None:
        return Answer(ref=None, state=ProviderState.FAILED, error_code=decline_code(error))
    ended = _cancel(client, intent["id"])
    if ended.state != ProviderState.CANCELLED:
        return ended
    return Answer(ref=ended.ref, state=ProviderState.FAILED, error_code=decline_code(error), key=ended.key)


def _cancel(client: stripe.StripeClient, ref: str) -> Answer:
    try:
        return _answer(client.v1.payment_intents.cancel(ref).to_dict())
    except stripe.InvalidRequestError:
        return _look_up(client, ref)


def _look_up(client: stripe.StripeClient, ref: str) -> Answer:
    return _answer(client.v1.payment_intents.retrieve(ref).to_dict())


def _answer(intent: Mapping[str, Any]) -> Answer:
    state = _STATES.get(intent["status"], ProviderState.WAITING)
    failure = intent.get("last_payment_error") or {}
    received = from_stripe(intent.get("amount_received", intent["amount"]), intent["currency"])
    is_captured = state == ProviderState.CAPTURED
    code = failure.get("decline_code") or failure.get("code")
    is_waiting = state == ProviderState.WAITING
    return Answer(
        ref=intent["id"],
        state=state,
        captured_minor=received.minor if is_captured else 0,
        currency=received.currency if is_captured else None,
        error_code=told(code) if code and not is_captured else None,
        client_secret=intent.get("client_secret") if is_waiting else None,
        redirect_url=_redirect(intent) if is_waiting else None,
        key=(intent.get("metadata") or {}).get(PAYMENT),
    )


def _redirect(intent: Mapping[str, Any]) -> str | None:
    url = ((intent.get("next_action") or {}).get("redirect_to_url") or {}).get("url")
    return str(url) if url else None


def _refund_answer(refund: Mapping[str, Any]) -> Answer:
    state = _REFUND_STATES.get(refund["status"], ProviderState.WAITING)
    amount = from_stripe(refund["amount"], refund["currency"])
    failed = state == ProviderState.FAILED
    return Answer(
        ref=refund["id"],
        state=state,
        captured_minor=0 if failed else amount.minor,
        currency=None if failed else amount.currency,
        error_code=str(refund.get("failure_reason") or refund["status"])[:64] if failed else None,
        key=(refund.get("metadata") or {}).get(REFUND),
    )


def _dispute(dispute: Mapping[str, Any]) -> Dispute:
    return Dispute(
        ref=dispute["id"],
        state=_DISPUTE_STATES.get(dispute["status"], DisputeState.OPEN),
        amount=from_stripe(dispute["amount"], dispute["currency"]),
        reason=str(dispute.get("reason") or "")[:64],
    )
