"""Reads of the options that products have on storefronts."""

from __future__ import annotations

from sqlalchemy import select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.products.queries.products import get_product
from app.rpa.errors import CartOptionsNotFound
from app.rpa.models.cart_options import CartOptions
from app.rpa.queries.storefronts import get_storefront


def list_of_product(product_id: int, *, limit: int, cursor: str | None) -> Page[CartOptions]:
    """The options of a product, storefront by storefront; raises ProductNotFound."""
    get_product(product_id)
    query = select(CartOptions).where(CartOptions.product_id == product_id)
    return fetch_page(query, keys=[(CartOptions.storefront_id, False)], limit=limit, cursor=cursor)


def list_of_storefront(storefront_id: int, *, limit: int, cursor: str | None) -> Page[CartOptions]:
    """The options on a storefront, product by product; raises StorefrontNotFound."""
    get_storefront(storefront_id)
    query = select(CartOptions).where(CartOptions.storefront_id == storefront_id)
    return fetch_page(query, keys=[(CartOptions.product_id, False)], limit=limit, cursor=cursor)


def get_cart_options(product_id: int, storefront_id: int) -> CartOptions:
    """The options of a product on a storefront; raises CartOptionsNotFound."""
    row = db.session.get(CartOptions, (storefront_id, product_id))
    if row is None:
        raise CartOptionsNotFound("The product has no options on this storefront.")
    return row


def find_options(product_id: int, storefront_id: int) -> dict[str, str]:
    """What a product's options on a storefront are; empty without any."""
    query = select(CartOptions.options).where(
        CartOptions.storefront_id == storefront_id, CartOptions.product_id == product_id
    )
    return db.session.scalar(query) or {}
