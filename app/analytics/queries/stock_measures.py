"""What stock is measured by, as the database computes it: the same for what is read and for what is kept."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, func, literal_column, or_

from app.analytics.rules.replenishing import Policy
from app.core.orm import table_of
from app.products.models.products import Product
from app.products.models.stock import Stock

NEVER: Final = 2**62
"""Thousandths of days that the stock lasts of what is not sold: it comes last."""
_DEAREST: Final = 9_000_000_000
"""Prices above it sort as if they were this one, so that no product of them is beyond 64 bits."""
EXACT: Final[ColumnElement[Any]] = literal_column("1.0e0")
"""Makes numbers that grow beyond 64 bits instead of an error."""
PRODUCT: Final = table_of(Product)
STOCK: Final = table_of(Stock)
AVAILABLE: Final[ColumnElement[int]] = STOCK.c.on_hand - STOCK.c.allocated
VALUE: Final[ColumnElement[int]] = STOCK.c.on_hand * case(
    (PRODUCT.c.price_minor > _DEAREST, _DEAREST), else_=PRODUCT.c.price_minor
)
"""What is on hand at the product's price, to sort by."""


def cover(units: Any, days: Any) -> ColumnElement[int]:
    """Thousandths of a day that what is available lasts, to sort by."""
    lasts = cast(func.floor(EXACT * AVAILABLE * days * 1000 / units), BigInteger)
    return case((units > 0, lasts), else_=NEVER)


def is_to_reorder(units: Any, squares: Any, policy: Policy) -> ColumnElement[bool]:
    """Whether available <= the reorder point: ``Demand.level`` without a root, with both sides times the days.

    available <= ceil(d x L + z x sqrt(v x L)) where available - 1 - d x L is below 0, or its square below z^2 x v x L.
    """
    days, lead = policy.days, policy.lead_days
    short = EXACT * (AVAILABLE - 1) * days - EXACT * units * lead
    spread = (squares * days - EXACT * units * units) * days / (days - 1)
    within = short * short < policy.safety_factor**2 * lead * spread
    return and_(units > 0, or_(short < 0, within))
