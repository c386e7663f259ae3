"""Units that were sold of each product, less those that came back, from the facts of docs/metrics.md."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from sqlalchemy import BigInteger, Select, cast, func, select

from app.core.orm import table_of
from app.orders.models.sales import Sale

_SALE: Final = table_of(Sale)


def units_by_product(first_on: date, last_on: date | None = None) -> Select[Any]:
    """``product_id`` and ``units`` of what was sold or came back from one day to another, both included."""
    wanted = select(_SALE.c.product_id, cast(func.sum(_SALE.c.quantity), BigInteger).label("units"))
    wanted = wanted.where(_SALE.c.product_id.is_not(None), _SALE.c.sold_on >= first_on)
    if last_on is not None:
        wanted = wanted.where(_SALE.c.sold_on <= last_on)
    return wanted.group_by(_SALE.c.product_id)


def units_by_product_and_day(first_on: date, last_on: date) -> Select[Any]:
    """``product_id``, ``sold_on`` and ``units`` of each day on which something was sold or came back."""
    units = cast(func.sum(_SALE.c.quantity), BigInteger).label("units")
    wanted = select(_SALE.c.product_id, _SALE.c.sold_on, units)
    wanted = wanted.where(_SALE.c.product_id.is_not(None), _SALE.c.sold_on >= first_on, _SALE.c.sold_on <= last_on)
    return wanted.group_by(_SALE.c.product_id, _SALE.c.sold_on)
