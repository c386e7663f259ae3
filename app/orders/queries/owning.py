"""Whose order it is: what customers may see is found by who they are, never by a number alone."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select

from app.cart.shopper import Shopper
from app.core.reading import reading
from app.orders.errors import OrderNotFound
from app.orders.models.orders import Order, id_of_number

_OWNERS: Final = select(Order.user_id, Order.cart_id).where(Order.id == bindparam("id"))


def find_order(number: str) -> int:
    """The id that an order with this number has, whether or not there is one; raises OrderNotFound for what is none."""
    order_id = id_of_number(number)
    if order_id is None:
        raise no_order(number)
    return order_id


def find_own_order(number: str, shopper: Shopper) -> int:
    """The id of a shopper's own order: of their account, or of the guest's cart that their token opens.

    Raises OrderNotFound for what is no number, for an order that is not there, and alike for one of somebody else.
    """
    order_id = find_order(number)
    with reading() as connection:
        owners = connection.execute(_OWNERS, {"id": order_id}).first()
    if owners is not None:
        if shopper.user_id is not None and owners.user_id == shopper.user_id:
            return order_id
        if shopper.guest_cart_id is not None and owners.cart_id == shopper.guest_cart_id:
            return order_id
    raise no_order(number)


def no_order(number: str) -> OrderNotFound:
    """The one answer to all who may not know whether there is such an order."""
    return OrderNotFound(f"There is no order {number[:32]}.")
