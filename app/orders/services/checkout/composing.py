"""What is ordered, at the prices of this moment: products are read again, refused where not sold, and priced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select

from app.core.extensions import db
from app.core.money import Money
from app.core.running import settings
from app.orders.errors import CartEmpty, ProductsUnavailable, TotalChanged, TotalTooLarge, UnknownProducts
from app.orders.models.orders import MAX_ORDER_LINES
from app.orders.pricing import Priced, Terms, Totals, price
from app.orders.services.checkout.wanted import Item
from app.orders.services.coupons.claiming import find_discount
from app.products.models.products import Product
from app.products.models.stock import Stock

MAX_TOTAL_MINOR: Final = 10**15
"""Of one order: the sums of a thousand of them still fit into 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """What an order will be made of."""

    terms: Terms
    totals: Totals
    coupon: str | None
    lines: tuple[dict[str, Any], ...]
    """The columns of each ``OrderLine`` but its order, in their order."""
    is_short: bool
    """Whether less is free of one of them than is wanted: at this moment, for who holds nothing yet."""

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of ``Order`` that these are the sums for."""
        return {
            "currency": settings().currency,
            "tax_rate_ppm": self.terms.tax_rate_ppm,
            "tax_included": self.terms.tax_included,
            "subtotal_minor": self.totals.subtotal_minor,
            "discount_minor": self.totals.discount_minor,
            "shipping_minor": self.totals.shipping_minor,
            "tax_minor": self.totals.tax_minor,
            "total_minor": self.totals.total_minor,
            "coupon_code": self.coupon,
        }


def current_terms() -> Terms:
    """On which terms orders are made now."""
    checkout = settings().checkout
    return Terms(
        tax_rate_ppm=checkout.tax_rate_ppm,
        tax_included=checkout.tax_included,
        shipping_minor=checkout.shipping_minor,
        free_shipping_minor=checkout.free_shipping_minor,
    )


def compose(
    items: Sequence[Item], *, coupon: str | None, email: str, now: datetime, order_id: int | None = None
) -> Composed:
    """Read these products again and price them; no product stands there twice, and there are at most 50.

    Raises CartEmpty, UnknownProducts, ProductsUnavailable for what is inactive or deleted, UnknownCoupon and
    CouponNotUsable (what the order ``order_id`` has used of it already does not count), TotalTooLarge.
    """
    if not items:
        raise CartEmpty("There is nothing in the cart.")
    if len({item.product_id for item in items}) != len(items) or len(items) > MAX_ORDER_LINES:
        raise ValueError("a product twice, or too many of them")
    products = _read([item.product_id for item in items])
    _require_sold(items, products)
    priced = [Priced(item.quantity, products[item.product_id].price_minor) for item in items]
    subtotal = sum(each.quantity * each.unit_price_minor for each in priced)
    if subtotal > MAX_TOTAL_MINOR:
        raise TotalTooLarge(Money(MAX_TOTAL_MINOR, settings().currency))
    discount = coupon and find_discount(
        coupon,
        subtotal_minor=subtotal,
        currency=settings().currency,
        email=email,
        now=now,
        order_id=order_id,
    )
    terms = current_terms()
    totals = price(priced, terms=terms, discount=discount or None)
    lines = tuple(
        {
            "product_id": item.product_id,
            "position": position,
            "quantity": item.quantity,
            "unit_price_minor": each.unit_price_minor,
            **_copied(products[item.product_id]),
            **asdict(amounts),
        }
        for position, (item, each, amounts) in enumerate(zip(items, priced, totals.lines, strict=True))
    )
    is_short = any(item.quantity > products[item.product_id].available for item in items)
    coupon_code = discount.code if discount else None
    return Composed(terms=terms, totals=totals, coupon=coupon_code, lines=lines, is_short=is_short)


def require_total(composed: Composed, expected: Money) -> None:
    """Raise TotalChanged unless it costs what the customer was shown."""
    total = Money(composed.totals.total_minor, settings().currency)
    if expected != total:
        raise TotalChanged(expected=expected, total=total)


def _read(product_ids: Sequence[int]) -> Mapping[int, Any]:
    columns = (
        Product.id,
        Product.asin,
        Product.name,
        Product.brand,
        Product.price_minor,
        Product.currency,
        Product.is_active,
        Product.deleted_at,
        func.coalesce(Stock.on_hand - Stock.allocated, 0).label("available"),
    )
    read = select(*columns).outerjoin(Stock, Stock.product_id == Product.id).where(Product.id.in_(product_ids))
    rows = db.session.execute(read)
    return {row.id: row for row in rows}


def _copied(product: Any) -> dict[str, Any]:
    return {"asin": product.asin, "name": product.name, "brand": product.brand}


def _require_sold(items: Sequence[Item], products: Mapping[int, Any]) -> None:
    unknown = {at: item.product_id for at, item in enumerate(items) if item.product_id not in products}
    if unknown:
        raise UnknownProducts(unknown)
    gone = [product for product in (products[item.product_id] for item in items) if not _is_sold(product)]
    if gone:
        raise ProductsUnavailable([{"product_id": each.id, "asin": each.asin, "name": each.name} for each in gone])


def _is_sold(product: Any) -> bool:
    return product.is_active and product.deleted_at is None and product.currency == settings().currency
