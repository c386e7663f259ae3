"""What a double of Stripe refuses, in Stripe's words (https://docs.stripe.com/error-codes), and its test cards."""

from __future__ import annotations

import re
from typing import Any, Final

Json = dict[str, Any]

DECLINED: Final = {
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", None),
    "pm_card_visa_chargeDeclinedStolenCard": ("card_declined", "stolen_card"),
    "pm_card_visa_chargeDeclinedLostCard": ("card_declined", "lost_card"),
}
ASKING: Final = {"pm_card_authenticationRequired", "pm_card_threeDSecure2Required"}
"""Cards whose bank asks the customer something first."""
SLOW: Final = "pm_slow"
"""Paid with what takes days: ``processing`` until ``finish``. No test card of Stripe's for cards does that."""
REFUND_PENDING: Final = "pm_card_pendingRefund"
GOOD: Final = {"pm_card_visa", "pm_card_mastercard", "pm_card_refundFail", REFUND_PENDING}
_LEAST: Final = {"usd": 50, "eur": 50}
_STEPS: Final = {"isk": 100, "ugx": 100, **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10)}


class Refused(Exception):
    """An error as Stripe answers it; ``is_executed`` where the request had begun, so that its key keeps it."""

    def __init__(
        self, status: int, code: str | None, message: str, *, is_executed: bool = True, kind: str = "", **more: Any
    ) -> None:
        super().__init__(message)
        self.status, self.is_executed = status, is_executed
        kind = kind or ("card_error" if status == 402 else "invalid_request_error")
        self.body = {"error": {"type": kind, "code": code, "message": message} | more}


def require_known(sent: Json, names: set[str]) -> None:
    """Refuse parameters of other names."""
    unknown = sorted(sent.keys() - names)
    if unknown:
        message = f"Received unknown parameter: {unknown[0]}"
        raise Refused(400, "parameter_unknown", message, is_executed=False, param=unknown[0])


def amount_of(sent: Json) -> int:
    """The amount that is sent, a whole number above 0."""
    text = str(sent.get("amount", ""))
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        raise Refused(400, "parameter_invalid_integer", f"Invalid integer: {text}", is_executed=False, param="amount")
    return int(text)


def check_amount(amount: int, currency: str) -> None:
    """Refuse what is too small, too large, or no number of that currency."""
    if not re.fullmatch(r"[a-z]{3}", currency):
        raise Refused(400, None, f"Invalid currency: {currency}", is_executed=False, param="currency")
    if amount % _STEPS.get(currency, 1):
        raise Refused(400, None, f"Invalid amount: must divide by {_STEPS[currency]}", is_executed=False)
    if amount < _LEAST.get(currency, 1):
        raise Refused(400, "amount_too_small", "Amount must be at least 50 cents.", is_executed=False)
    if amount > 99_999_999:
        raise Refused(400, "amount_too_large", "Amount must be no more than 999,999.99.", is_executed=False)


def check_method(method: str) -> None:
    """Refuse a payment method that does not exist."""
    if method not in GOOD | ASKING | DECLINED.keys() | {SLOW}:
        message = f"No such PaymentMethod: '{method}'"
        raise Refused(400, "resource_missing", message, is_executed=False, param="payment_method")
