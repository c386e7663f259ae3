"""Reads of sales facts: page by page, and their sums over a period (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, select

from app.core.extensions import db
from app.core.orm import table_of
from app.core.pagination import Page, fetch_page
from app.orders.models.sales import Sale, SaleKind

_SALE: Final = table_of(Sale)
AMOUNTS: Final = ("gross_minor", "discount_minor", "tax_minor", "shipping_minor", "net_minor", "total_minor")


def list_sales(
    *, limit: int, cursor: str | None = None, since: date | None = None, until: date | None = None, **which: Any
) -> Page[Sale]:
    """Facts by the shop's day and, of one day, by when they were recorded; the newest first, or with ``oldest`` last.

    ``since`` and ``until`` are days, both included; ``which`` are values of columns.
    """
    newest = not which.pop("oldest", False)
    wanted = select(Sale).where(*_conditions(since, until, which))
    return fetch_page(wanted, keys=[(Sale.sold_on, newest), (Sale.id, newest)], limit=limit, cursor=cursor)


def sum_sales(*, since: date | None = None, until: date | None = None, **which: Any) -> dict[str, Any]:
    """The sums of a period by currency: of sales, of refunds, and of both (``altogether``); None is no end.

    ``orders`` are different orders: of sales those that were paid, of refunds those of which money went back; together
    it is those that were paid. ``which`` as in ``list_sales``.
    """
    sums = [func.sum(_SALE.c[name]).label(name) for name in ("quantity", *AMOUNTS)]
    counts = [func.count().label("facts"), func.count(_SALE.c.order_id.distinct()).label("orders")]
    wanted = select(_SALE.c.currency, _SALE.c.kind, *counts, *sums).where(*_conditions(since, until, which))
    found: dict[str, dict[str, Any]] = {}
    for row in db.session.execute(wanted.group_by(_SALE.c.currency, _SALE.c.kind)):
        found.setdefault(row.currency, {})[row.kind] = row._asdict()
    currencies = [_of_currency(currency, by_kind) for currency, by_kind in sorted(found.items())]
    return {"since": since, "until": until, "currencies": currencies}


def _of_currency(currency: str, by_kind: Mapping[str, Any]) -> dict[str, Any]:
    parts = {kind.value: _sums(currency, by_kind.get(kind)) for kind in SaleKind}
    sold, back = parts[SaleKind.SALE], parts[SaleKind.REFUND]
    both = {name: sold[name] + back[name] for name in ("facts", "quantity", *AMOUNTS)}
    return {"currency": currency, **parts, "altogether": {"currency": currency, "orders": sold["orders"], **both}}


def _sums(currency: str, row: Any) -> dict[str, Any]:
    """The sums of one kind as whole numbers; databases give them in types of their own."""
    names = ("facts", "orders", "quantity", *AMOUNTS)
    return {"currency": currency} | {name: int(row[name]) if row else 0 for name in names}


def _conditions(since: date | None, until: date | None, which: Mapping[str, Any]) -> Sequence[ColumnElement[bool]]:
    conditions = [_SALE.c[name] == value for name, value in which.items()]
    conditions += [] if since is None else [_SALE.c.sold_on >= since]
    conditions += [] if until is None else [_SALE.c.sold_on <= until]
    return [and_(*conditions)] if conditions else []
