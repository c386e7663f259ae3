"""Payments, for those who make them: how far theirs is, and looking it up again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from flask import current_app
from flask.views import MethodView

from app.cart.api.shopper import current_shopper, open_to_shoppers
from app.core.api import ApiBlueprint
from app.core.errors import Busy
from app.core.orm import utc_now
from app.core.rates import limited
from app.core.running import settings
from app.core.seats import Seats
from app.orders.api.visitors import own_order, with_cart_token
from app.orders.schemas.payments import OwnPaymentSchema
from app.orders.services import own_payments

_TOO_OFTEN: Final = "Payments were looked up too often from this network address"

blp = ApiBlueprint("payments", __name__, description="Payments, for those who make them")


@contextmanager
def _seated() -> Iterator[None]:
    """Have a quarter of the threads at most wait for providers on behalf of customers who only look."""
    seats: Seats = current_app.extensions.setdefault("payment_seats", Seats(settings().web_threads))
    with seats.taken() as is_seated:
        if not is_seated:
            raise Busy("Too many payments are being looked up; try again in a moment.")
        yield


@blp.route("/orders/<number>/payment")
class OwnPayment(MethodView):
    """The payment of one of one's own orders."""

    @open_to_shoppers
    @limited("payment")
    @with_cart_token
    @blp.answers(200, OwnPaymentSchema)
    @blp.alt_response(429, description=_TOO_OFTEN)
    @blp.alt_response(503, description="The provider does not answer; nothing is lost, ask again")
    def get(self, number: str) -> Any:
        """Get how far the payment of one of one's own orders is, with what a browser needs to go on with it."""
        order_id = own_order(number)
        with _seated():
            return own_payments.show_payment(order_id)


@blp.route("/orders/<number>/payment/refresh")
class OwnPaymentRefresh(MethodView):
    """What the provider says of it by now."""

    @open_to_shoppers
    @limited("payment")
    @with_cart_token
    @blp.answers(200, OwnPaymentSchema, secret=True)
    @blp.alt_response(429, description=_TOO_OFTEN)
    @blp.alt_response(503, description="The provider does not answer; nothing is lost, ask again")
    def post(self, number: str) -> Any:
        """Have the payment looked up at the provider, and its order placed where it was paid meanwhile."""
        order_id = own_order(number)
        with _seated():
            return own_payments.refresh_payment(order_id=order_id, actor=current_shopper().principal, now=utc_now())
