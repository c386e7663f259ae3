"""What nobody may try again and again at checkout: codes of coupons, cards of others, and writing to strangers."""

from __future__ import annotations

from typing import Any, Final

import orjson
from flask import Response, g, request

from app.auth.addressee import addressee
from app.core.extensions import SAFE
from app.core.rates import limited
from app.orders.errors import CouponNotUsable, UnknownCoupon

_TELLING: Final = {(UnknownCoupon.code, None), (CouponNotUsable.code, "used_by_customer")}
"""Answers that tell whoever tries something new: that there is no such coupon, or that somebody has used it."""


def guards_coupons(view: Any) -> Any:
    """Let nobody find coupons, or who uses them, more often than ``COUPON_RATE`` says; stands below who may enter.

    Only requests with a ``coupon`` in their body or query are held up then: who has none can still buy.
    """
    return limited("coupon", unless=_names_no_coupon, counting=_was_guessed)(view)


def guards_cards(view: Any) -> Any:
    """Let nobody have more cards declined than ``DECLINE_RATE`` says; stands below who may enter.

    Thieves try stolen cards wherever it costs nothing, and shops pay for it. Only requests that name what is paid with
    are held up then: others can still buy, and so can who gives the card to the provider's own page.
    """
    return limited("decline", unless=_names_no_card, counting=lambda response: response.status_code == 402)(view)


def guards_mailboxes(view: Any) -> Any:
    """Let guests order no more for one mailbox than ``ORDER_TO_ONE_RATE`` says; stands below who may enter.

    Whoever orders as a guest may give anybody's address, and each order is a mail to it.
    """
    return limited("order_to_one", by=lambda: f"guest:{addressee()}", unless=_is_for_themselves, but_refusals=True)(
        view
    )


def _names_no_coupon() -> bool:
    if request.method in SAFE:
        return "coupon" not in request.args
    return not _sent("coupon")


def _names_no_card() -> bool:
    return not _sent("source")


def _is_for_themselves() -> bool:
    return g.shopper.user_id is not None or not addressee()


def _sent(name: str) -> Any:
    body = request.get_json(silent=True)
    return body.get(name) if isinstance(body, dict) else None


def _was_guessed(response: Response) -> bool:
    if response.status_code not in {409, 422}:
        return False
    problem = orjson.loads(response.get_data())
    return (problem.get("code"), problem.get("reason")) in _TELLING
