"""The page that a link in a mail opens: how far an order is, and where its parcels are."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, render_template

from app.core.orm import utc_now
from app.core.pages import PageBlueprint
from app.core.rates import limited
from app.orders.models.orders import FulfilmentState, Order, OrderState, PaymentState
from app.orders.queries.links import linked_order
from app.orders.queries.tracking import follow_order

pages = PageBlueprint("tracking_pages", __name__)

_GOODS: Final = {
    FulfilmentState.UNFULFILLED: ("Being prepared", "accent"),
    FulfilmentState.PARTIALLY_SHIPPED: ("Partly on its way", "accent"),
    FulfilmentState.SHIPPED: ("On its way", "accent"),
    FulfilmentState.DELIVERED: ("Delivered", "good"),
    FulfilmentState.PARTIALLY_RETURNED: ("Partly returned", ""),
    FulfilmentState.RETURNED: ("Returned", ""),
    FulfilmentState.VOIDED: ("Cancelled", "bad"),
}
_MONEY: Final = {
    PaymentState.UNPAID: ("To be paid", "warning"),
    PaymentState.PENDING: ("Payment under way", "accent"),
    PaymentState.PAID: ("Paid", "good"),
    PaymentState.PARTIALLY_REFUNDED: ("Partly refunded", ""),
    PaymentState.REFUNDED: ("Refunded", ""),
    PaymentState.VOIDED: ("Nothing to pay", ""),
}


@pages.get("/track/<token>")
@pages.public
@limited("tracking")
def track(token: str) -> Any:
    """Show the order of a link to whoever holds it."""
    followed = follow_order(linked_order(token, now=utc_now()))
    page = render_template("orders/tracking.html", followed=followed, badges=_badges(followed.order))
    # the address is the secret: it is told to no other site, and no search engine keeps it
    return Response(page, headers={"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"})


def _badges(order: Order) -> list[tuple[str, str]]:
    if order.state in {OrderState.CANCELLED, OrderState.EXPIRED}:
        goods = ("Cancelled", "bad") if order.state == OrderState.CANCELLED else ("Not ordered", "")
    else:
        goods = _GOODS[FulfilmentState(order.fulfilment_state)]
    return [goods, _MONEY[PaymentState(order.payment_state)]]
