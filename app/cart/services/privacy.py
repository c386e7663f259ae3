"""What carts keep of a person."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import delete, select

from app.cart.models import Cart, CartItem
from app.core.extensions import db
from app.products.models.products import Product


def export_carts(user_id: int) -> list[dict[str, Any]]:
    """The carts of a person, newest first, with what is in them; those that became orders are kept for a month."""
    carts = db.session.scalars(select(Cart).where(Cart.user_id == user_id).order_by(Cart.id.desc())).all()
    items: dict[int, list[dict[str, Any]]] = {cart.id: [] for cart in carts}
    inside = (
        select(CartItem.cart_id, CartItem.quantity, CartItem.added_at, Product.asin, Product.name)
        .join(Product, Product.id == CartItem.product_id)
        .where(CartItem.cart_id.in_(items))
        .order_by(CartItem.id)
    )
    for row in db.session.execute(inside):
        about = {"asin": row.asin, "name": row.name, "quantity": row.quantity, "added_at": row.added_at.isoformat()}
        items[row.cart_id].append(about)
    return [
        {
            "id": cart.id,
            "state": cart.state,
            "note": cart.note,
            "created_at": cart.created_at.isoformat(),
            "updated_at": cart.updated_at.isoformat(),
            "items": items[cart.id],
        }
        for cart in carts
    ]


def erase_carts(user_id: int) -> None:
    """Delete the carts of a person, in the open transaction; orders that came of them keep what they need."""
    delete_carts(list(db.session.scalars(select(Cart.id).where(Cart.user_id == user_id))))


def delete_carts(ids: Collection[int]) -> None:
    """Delete carts with what is in them, in the open transaction: a guest's token opens nothing any more."""
    session = db.session()
    if ids:
        session.execute(select(Cart.id).where(Cart.id.in_(ids)).order_by(Cart.id).with_for_update())
        session.execute(delete(CartItem).where(CartItem.cart_id.in_(ids)))
        session.execute(delete(Cart).where(Cart.id.in_(ids)))
