"""What carts must know of the checkouts that were begun with them (``app.cart.checkouts``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import select

from app.cart.checkouts import Checkouts
from app.core.extensions import db
from app.orders.models.orders import REFERENCE, Order, OrderState
from app.products.models.stock import Allocation


def held_stock(cart_id: int) -> Mapping[int, int]:
    """What stock the unfinished checkout of a cart holds, by product id."""
    held = (
        select(Allocation.product_id, Allocation.quantity)
        .join(Order, (Allocation.reference_kind == REFERENCE) & (Allocation.reference_id == Order.id))
        .where(Order.cart_id == cart_id, Order.state == OrderState.DRAFT)
    )
    return {row.product_id: row.quantity for row in db.session.execute(held)}


def unfinished(cart_ids: Collection[int]) -> set[int]:
    """Which of these carts have a checkout that was neither finished nor given up."""
    drafts = select(Order.cart_id).where(Order.cart_id.in_(cart_ids), Order.state == OrderState.DRAFT)
    return {cart_id for cart_id in db.session.scalars(drafts) if cart_id is not None}


CHECKOUTS = Checkouts(held=held_stock, unfinished=unfinished)
