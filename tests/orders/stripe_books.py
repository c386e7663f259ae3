"""What a double of Stripe keeps: PaymentIntents, refunds and events, and how often money really moved.

Objects have the members, states and errors that https://docs.stripe.com/api gives them, as far as we use them. The
names of payment methods are those of Stripe's own test cards (https://docs.stripe.com/testing).
"""

from __future__ import annotations

import copy
import itertools
import re
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from tests.orders.stripe_rules import (
    ASKING,
    DECLINED,
    REFUND_PENDING,
    SLOW,
    Json,
    Refused,
    amount_of,
    check_amount,
    check_method,
    require_known,
)

_CANCELABLE: Final = {"requires_payment_method", "requires_confirmation", "requires_action"}
_OF_INTENT: Final = {
    "amount",
    "currency",
    "confirm",
    "payment_method",
    "payment_method_types",
    "metadata",
    "return_url",
}
_OF_REFUND: Final = {"payment_intent", "amount", "metadata"}


class Books:
    """The state of the double; every deed is whole, however many ask at once."""

    def __init__(self) -> None:
        self.intents: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.disputes: dict[str, Json] = {}
        self.events: list[Json] = []
        """All that happened, in order."""
        self.lock = threading.RLock()
        self.is_search_behind = False
        """Whether a search finds nothing yet of what there is."""
        self._numbers = itertools.count(1)

    # --- What money did ----------------------------------------------------------------------------------------------

    def taken(self, order_number: str) -> list[int]:
        """The amounts that were taken for an order, one for each time that money really moved."""
        with self.lock:
            of_order = [one for one in self.intents.values() if one["metadata"].get("order") == order_number]
            return [one["amount_received"] for one in of_order if one["status"] == "succeeded"]

    def given_back(self, order_number: str) -> list[int]:
        """The amounts that went back for an order and did not come back again."""
        with self.lock:
            return [
                one["amount"]
                for one in self.refunds.values()
                if self.intents[one["payment_intent"]]["metadata"].get("order") == order_number
                and one["status"] in {"pending", "succeeded"}
            ]

    # --- What we ask -------------------------------------------------------------------------------------------------

    def create_intent(self, sent: Json) -> Json:
        """``POST /v1/payment_intents``."""
        require_known(sent, _OF_INTENT)
        amount, currency = amount_of(sent), str(sent.get("currency", ""))
        check_amount(amount, currency)
        method = sent.get("payment_method")
        if method is not None:
            check_method(method)
        if sent.get("confirm") == "true" and method is None:
            raise Refused(400, "parameter_missing", "Confirming needs a payment method.", is_executed=False)
        with self.lock:
            ref = self._id("pi")
            intent = self.intents[ref] = {
                "id": ref,
                "object": "payment_intent",
                "amount": amount,
                "amount_received": 0,
                "currency": currency,
                "client_secret": f"{ref}_secret_{secrets.token_hex(12)}",
                "created": int(time.time()),
                "last_payment_error": None,
                "latest_charge": None,
                "livemode": False,
                "metadata": sent.get("metadata", {}),
                "next_action": None,
                "payment_method": method,
                "return_url": sent.get("return_url"),
                "status": "requires_confirmation" if method else "requires_payment_method",
            }
            self._tell("payment_intent.created", intent)
            if sent.get("confirm") == "true":
                self._confirm(intent, str(method))
            return copy.deepcopy(intent)

    def retrieve_intent(self, ref: str) -> Json:
        """``GET /v1/payment_intents/{id}``."""
        with self.lock:
            return copy.deepcopy(self._intent(ref))

    def search_intents(self, sent: Json) -> Json:
        """``GET /v1/payment_intents/search``: by one member of the metadata."""
        found = re.fullmatch(r"metadata\['(\w+)'\]:'([^']+)'", sent.get("query", ""))
        if found is None:
            raise Refused(400, None, "We were unable to parse your search query.", is_executed=False)
        with self.lock:
            fits = [one for one in self.intents.values() if one["metadata"].get(found[1]) == found[2]]
            data = [] if self.is_search_behind else copy.deepcopy(fits)
        return {"object": "search_result", "url": "/v1/payment_intents/search", "has_more": False, "data": data}

    def cancel_intent(self, ref: str, sent: Json) -> Json:
        """``POST /v1/payment_intents/{id}/cancel``: refused once it has succeeded, or is cancelled."""
        require_known(sent, set())
        with self.lock:
            intent = self._intent(ref)
            if intent["status"] not in _CANCELABLE:
                raise _wrong_state("cancel", intent)
            intent.update(status="canceled", next_action=None)
            self._tell("payment_intent.canceled", intent)
            return copy.deepcopy(intent)

    def create_refund(self, sent: Json) -> Json:
        """``POST /v1/refunds``."""
        require_known(sent, _OF_REFUND)
        with self.lock:
            intent = self._intent(str(sent.get("payment_intent")))
            if intent["status"] != "succeeded":
                raise Refused(400, None, "This PaymentIntent does not have a successful charge to refund.")
            left = intent["amount_received"] - sum(
                one["amount"]
                for one in self.refunds.values()
                if one["payment_intent"] == intent["id"] and one["status"] != "failed"
            )
            amount = amount_of(sent) if "amount" in sent else left
            if left == 0:
                raise Refused(400, "charge_already_refunded", "The charge has already been refunded.")
            if amount > left:
                raise Refused(400, None, "The refund is greater than the unrefunded amount.", param="amount")
            ref = self._id("re")
            refund = self.refunds[ref] = {
                "id": ref,
                "object": "refund",
                "amount": amount,
                "currency": intent["currency"],
                "created": int(time.time()),
                "failure_reason": None,
                "metadata": sent.get("metadata", {}),
                "payment_intent": intent["id"],
                "status": "pending" if intent["payment_method"] == REFUND_PENDING else "succeeded",
            }
            self._tell("refund.created", refund)
            self._tell("charge.refunded", _charge_of(intent))
            return copy.deepcopy(refund)

    def retrieve_refund(self, ref: str) -> Json:
        """``GET /v1/refunds/{id}``."""
        with self.lock:
            return copy.deepcopy(self._refund(ref))

    def list_refunds(self, sent: Json) -> Json:
        """``GET /v1/refunds?payment_intent=``, newest first."""
        with self.lock:
            found = [one for one in self.refunds.values() if one["payment_intent"] == sent.get("payment_intent")]
            data = copy.deepcopy(found[::-1][: int(sent.get("limit", 10))])
        return {"object": "list", "url": "/v1/refunds", "has_more": len(data) < len(found), "data": data}

    def list_disputes(self, sent: Json) -> Json:
        """``GET /v1/disputes?payment_intent=``, newest first."""
        with self.lock:
            found = [one for one in self.disputes.values() if one["payment_intent"] == sent.get("payment_intent")]
            data = copy.deepcopy(found[::-1][: int(sent.get("limit", 10))])
        return {"object": "list", "url": "/v1/disputes", "has_more": len(data) < len(found), "data": data}

    # --- What customers, banks and time do ---------------------------------------------------------------------------

    def confirm(self, ref: str, method: str = "pm_card_visa") -> Json:
        """The customer's browser pays with this, as Stripe.js does by the client secret; raises Refused."""
        with self.lock:
            intent = self._intent(ref)
            if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
                raise _wrong_state("confirm", intent)
            self._confirm(intent, method)
            return copy.deepcopy(intent)

    def authenticate(self, ref: str, *, success: bool = True) -> Json:
        """The customer answers their bank, rightly or not."""
        with self.lock:
            intent = self._intent(ref)
            if intent["status"] != "requires_action":
                raise _wrong_state("authenticate", intent)
            intent["next_action"] = None
            if success:
                self._take(intent)
            else:
                self._fail(intent, "payment_intent_authentication_failure", None)
            return copy.deepcopy(intent)

    def finish(self, ref: str, *, success: bool = True) -> Json:
        """The bank has finished what was ``processing``."""
        with self.lock:
            intent = self._intent(ref)
            assert intent["status"] == "processing"
            if success:
                self._take(intent)
            else:
                self._fail(intent, "payment_intent_payment_attempt_failed", None)
            return copy.deepcopy(intent)

    def end_refund(self, ref: str, status: str, reason: str | None = None) -> Json:
        """A bank took the money of a refund (``succeeded``), or sent it back (``failed``) also after it succeeded."""
        with self.lock:
            refund = self._refund(ref)
            refund.update(status=status, failure_reason=reason)
            self._tell("refund.failed" if status == "failed" else "refund.updated", refund)
            self._tell("charge.refund.updated", refund)
            return copy.deepcopy(refund)

    def refund_in_dashboard(self, ref: str, amount: int | None = None) -> Json:
        """Somebody gives money back at Stripe itself: so much, or all that is left."""
        return self.create_refund({"payment_intent": ref} | ({} if amount is None else {"amount": str(amount)}))

    def dispute(self, ref: str, amount: int | None = None, reason: str = "fraudulent") -> Json:
        """The customer's bank asks for the money of a PaymentIntent, or a part of it; Stripe takes it away."""
        with self.lock:
            intent = self._intent(ref)
            dispute_ref = self._id("du")
            dispute = self.disputes[dispute_ref] = {
                "id": dispute_ref,
                "object": "dispute",
                "amount": intent["amount_received"] if amount is None else amount,
                "charge": intent["latest_charge"],
                "created": int(time.time()),
                "currency": intent["currency"],
                "evidence": {"customer_name": "Augusta King", "customer_email_address": "augusta@example.org"},
                "payment_intent": ref,
                "reason": reason,
                "status": "needs_response",
            }
            self._tell("charge.dispute.created", dispute)
            self._tell("charge.dispute.funds_withdrawn", dispute)
            return copy.deepcopy(dispute)

    def answer_dispute(self, ref: str) -> None:
        """The shop has sent what it has to say."""
        with self.lock:
            self.disputes[ref].update(status="under_review")
            self._tell("charge.dispute.updated", self.disputes[ref])

    def end_dispute(self, ref: str, status: str) -> None:
        """The bank has decided: ``won`` or ``lost``, as the shop sees it."""
        with self.lock:
            self.disputes[ref].update(status=status)
            self._tell("charge.dispute.closed", self.disputes[ref])
            if status == "won":
                self._tell("charge.dispute.funds_reinstated", self.disputes[ref])

    def change(self, ref: str, **members: Any) -> None:
        """Make a PaymentIntent say something else than what was asked for, as nobody should."""
        with self.lock:
            self._intent(ref).update(members)

    def events_of(self, ref: str, *kinds: str) -> list[Json]:
        """The events about a PaymentIntent or its refunds, in order; of some kinds, or all."""
        with self.lock:
            return [
                event
                for event in self.events
                if ref in {event["data"]["object"]["id"], event["data"]["object"].get("payment_intent")}
                and (not kinds or event["type"] in kinds)
            ]

    def add_event(self, kind: str, about: Mapping[str, Any]) -> Json:
        """An event of any kind about anything."""
        with self.lock:
            return self._tell(kind, about)

    def _confirm(self, intent: Json, method: str) -> None:
        check_method(method)
        intent.update(payment_method=method, last_payment_error=None)
        if method in DECLINED:
            self._fail(intent, *DECLINED[method])
            code, decline_code = DECLINED[method]
            raise Refused(
                402, code, "Your card was declined.", decline_code=decline_code, payment_intent=copy.deepcopy(intent)
            )
        if method in ASKING:
            url = f"https://hooks.stripe.example/authenticate/{intent['id']}"
            to_page = {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": intent["return_url"]}}
            in_page = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
            intent.update(status="requires_action", next_action=to_page if intent["return_url"] else in_page)
            self._tell("payment_intent.requires_action", intent)
        elif method == SLOW:
            intent["status"] = "processing"
            self._tell("payment_intent.processing", intent)
        else:
            self._take(intent)

    def _take(self, intent: Json) -> None:
        intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=self._id("ch"))
        self._tell("payment_intent.succeeded", intent)
        self._tell("charge.succeeded", _charge_of(intent))

    def _fail(self, intent: Json, code: str, decline_code: str | None) -> None:
        error = {"type": "card_error", "code": code, "decline_code": decline_code, "message": "It was declined."}
        intent.update(status="requires_payment_method", last_payment_error=error, payment_method=None)
        self._tell("payment_intent.payment_failed", intent)

    def _tell(self, kind: str, about: Mapping[str, Any]) -> Json:
        event = {
            "id": self._id("evt"),
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "data": {"object": copy.deepcopy(dict(about))},
            "livemode": False,
            "type": kind,
        }
        self.events.append(event)
        return event

    def _intent(self, ref: str) -> Json:
        return _found(self.intents, ref, "payment_intent")

    def _refund(self, ref: str) -> Json:
        return _found(self.refunds, ref, "refund")

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):04}{secrets.token_hex(8)}"


def _found(objects: Mapping[str, Json], ref: str, what: str) -> Json:
    if ref not in objects:
        raise Refused(404, "resource_missing", f"No such {what}: '{ref}'", is_executed=False)
    return objects[ref]


def _wrong_state(deed: str, intent: Json) -> Refused:
    message = f"You cannot {deed} this PaymentIntent because it has a status of {intent['status']}."
    return Refused(400, "payment_intent_unexpected_state", message, payment_intent=copy.deepcopy(intent))


def _charge_of(intent: Json) -> Json:
    return {
        "id": intent["latest_charge"],
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount_received"],
        "billing_details": {"email": "grace@example.org", "name": "Grace Hopper"},
        "currency": intent["currency"],
        "payment_intent": intent["id"],
        "receipt_email": "grace@example.org",
        "status": "succeeded",
    }
