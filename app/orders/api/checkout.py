"""Checkout: a cart becomes an order."""

from __future__ import annotations

from typing import Any

from app.cart.api.shopper import current_shopper, open_to_shoppers
from app.core.api import ApiBlueprint
from app.core.orm import utc_now
from app.orders.api.guards import guards_cards, guards_coupons, guards_mailboxes
from app.orders.api.pointing import points_at_cart
from app.orders.schemas.checkout import CheckedOutSchema, CheckoutIn
from app.orders.schemas.quotes import QuoteArguments, QuoteSchema
from app.orders.services.checkout.checking_out import check_out
from app.orders.services.checkout.quoting import Quote, quote
from app.orders.services.checkout.wanted import CheckedOut, Particulars, Wanted

blp = ApiBlueprint("checkout", __name__, description="Making orders of carts")


@blp.route("/orders/quote")
@open_to_shoppers
@guards_coupons
@blp.takes_header("Cart-Token", "The token of a guest's cart", "m1m3h9d3nWc6m0xkT9Aq3w")
@blp.arguments(QuoteArguments, location="query")
@blp.answers(200, QuoteSchema)
@blp.alt_response(404, description="CART_NOT_FOUND")
@blp.alt_response(409, description="CART_CLOSED, CART_EMPTY, PRODUCT_UNAVAILABLE, COUPON_NOT_USABLE, TOTAL_TOO_LARGE")
@blp.alt_response(429, description="Too many unknown coupons from this network address")
@points_at_cart("query")
def get_quote(arguments: dict[str, Any]) -> Quote:
    """Get what a cart costs now, with discount, shipping and tax: its total is what a checkout is to expect.

    Nothing is held by it, and availability is the cart's to say.
    """
    return quote(shopper=current_shopper(), now=utc_now(), **arguments)


def _location(done: CheckedOut) -> str:
    return f"/api/v1/orders/{done.order.number}"


@blp.route("/orders", methods=["POST"])
@open_to_shoppers
@guards_coupons
@guards_cards
@guards_mailboxes
@blp.takes_header("Cart-Token", "The token of a guest's cart", "m1m3h9d3nWc6m0xkT9Aq3w")
@blp.arguments(CheckoutIn)
@blp.answers(201, CheckedOutSchema, location=_location, etag=True)
@blp.alt_response(402, description="PAYMENT_DECLINED: nothing was charged; the stock stays held for another try")
@blp.alt_response(404, description="CART_NOT_FOUND")
@blp.alt_response(
    409,
    description="CART_EMPTY, ALREADY_ORDERED, TOTAL_CHANGED, PRODUCT_UNAVAILABLE, OUT_OF_STOCK, COUPON_NOT_USABLE, "
    "TOTAL_TOO_LARGE",
)
@blp.alt_response(
    429,
    description="Too many unknown coupons or declined cards from this network address, or orders of guests for this "
    "email address",
)
@blp.alt_response(503, description="PAYMENT_UNKNOWN: the payment provider does not answer")
@points_at_cart("body")
def post_order(body: dict[str, Any]) -> CheckedOut:
    """Order what is in a cart.

    The same cart sent again is the same order and is never paid twice, with an Idempotency-Key or without; after a 503
    send it again to find out. With something else in it, or after it was cancelled, it is refused (ALREADY_ORDERED).
    The order is PLACED, or DRAFT where the customer still has to pay at the provider: its stock is held meanwhile.
    CANCELLED says that it was paid when the stock was gone; the money goes back.
    """
    names = ("email", "shipping_address", "billing_address", "coupon", "note")
    particulars = Particulars(method=body["payment_method"], **{name: body[name] for name in names})
    kept = {name: body[name] for name in ("cart_id", "expected_total", "source", "return_url")}
    wanted = Wanted(shopper=current_shopper(), particulars=particulars, **kept)
    return check_out(wanted=wanted, clock=utc_now)
