"""Customers' orders: what they bought, and how far it is."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask.views import MethodView

from app.cart.api.shopper import current_shopper, open_to_shoppers
from app.core.api import ApiBlueprint, unless_known
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.orders.api.visitors import open_to_holders, own_order, visible_order, with_cart_token, with_order_token
from app.orders.queries import orders as queries
from app.orders.queries.orders_listing import list_own_orders
from app.orders.queries.orders_timeline import list_public_events, without_words
from app.orders.schemas import orders as schemas
from app.orders.services.cancelling import cancel_order

blp = ApiBlueprint("orders", __name__, description="Orders, for those who made them")


@blp.route("/orders")
class Orders(MethodView):
    """One's own orders."""

    @open_to_shoppers
    @with_cart_token
    @blp.arguments(schemas.OwnOrderArguments, location="query")
    @blp.answers(200, schemas.OrderPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List one's own orders, the newest first; a guest has the one that the cart became."""
        return list_own_orders(current_shopper(), **which)


@blp.route("/orders/<number>")
class Order(MethodView):
    """One of one's own orders."""

    @open_to_holders
    @with_cart_token
    @with_order_token
    @blp.answers(200, schemas.OrderSchema, etag=True)
    @blp.alt_response(304, description="If-None-Match names the ETag that the order has", success=True)
    def get(self, number: str) -> Any:
        """Get one of one's own orders; by a mail's link without email, note and addresses."""
        order_id, by_link = visible_order(number)
        if by_link:  # never 304: what the browser may have kept is the whole order, of who was here before
            return queries.without_person(queries.read_order(order_id))
        head = unless_known(queries.read_head(order_id))
        return head if isinstance(head, Response) else queries.with_parts(head)


@blp.route("/orders/<number>/cancel")
class OrderCancellation(MethodView):
    """Taking an order back."""

    @open_to_shoppers
    @with_cart_token
    @blp.arguments(schemas.OwnCancellationIn)
    @blp.answers(200, schemas.OrderSchema, etag=True)
    @blp.alt_response(409, description="Something was shipped, or nothing is left to cancel; nothing was changed")
    @blp.alt_response(503, description="A payment is under way, and the provider does not say how it ends")
    def post(self, sent: dict[str, Any], number: str) -> Any:
        """Cancel one of one's own orders, or checkouts, of which nothing was shipped; what was paid goes back."""
        which: dict[str, Any] = {"order_id": own_order(number), "by_customer": True}
        return cancel_order(actor=current_shopper().principal, clock=utc_now, **which, **sent)


@blp.route("/orders/<number>/events")
class OrderEvents(MethodView):
    """What happened to an order."""

    @open_to_holders
    @with_cart_token
    @with_order_token
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.OwnEventPage)
    def get(self, page: dict[str, Any], number: str) -> Any:
        """List what happened to one of one's own orders, the newest first; by a link without what people wrote."""
        order_id, by_link = visible_order(number)
        events = list_public_events(order_id, **page)
        return without_words(events) if by_link else events
