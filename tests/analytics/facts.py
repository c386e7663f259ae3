"""Sales facts of tests of figures, and what they come to when they are added up one by one."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import insert, select

from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import Figures
from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.core.transactions import in_transaction
from app.orders.models.sales import Sale
from app.orders.services.sales import day_of
from app.products.models.categories import ProductCategory

_NUMBERS: Final = itertools.count(1)


@in_transaction
def record(*, facts: list[dict[str, Any]]) -> None:
    """Write facts as they would be written by orders; what is not said is the same for all."""
    db.session.execute(insert(Sale), [_whole(fact) for fact in facts])


def _whole(fact: dict[str, Any]) -> dict[str, Any]:
    usual: dict[str, Any] = {"kind": "sale", "asin": "B0CW1A0001", "name": "Kettle", "brand": "Lumo", "currency": "USD"}
    usual |= {"quantity": 1, "gross_minor": 1000, "discount_minor": 0, "tax_minor": 0, "shipping_minor": 0}
    usual |= {"order_id": None, "order_line_id": None, "refund_id": None, "operation_id": None, "product_id": None}
    made = usual | fact
    net = made.setdefault("net_minor", made["gross_minor"] - made["discount_minor"])
    made.setdefault("total_minor", net + made["tax_minor"] + made["shipping_minor"])
    made.setdefault("sold_at", utc_now())
    made.setdefault("sold_on", day_of(made["sold_at"]))
    return made | {"unique_key": f"test:{next(_NUMBERS)}", "created_at": utc_now()}


def sale(sold_at: datetime, **values: Any) -> dict[str, Any]:
    """A fact at an instant."""
    return {"sold_at": sold_at} | values


def all_facts() -> list[Sale]:
    """Every fact there is now."""
    db.session.rollback()
    return list(db.session.scalars(select(Sale).order_by(Sale.id)))


def expected(
    facts: Iterable[Sale], period: Period, key: Callable[[Sale], Iterable[Any]], *, whole_shop: bool = True
) -> dict[tuple[Any, str], Figures]:
    """The figures of a period by key and currency, added up as docs/metrics.md says; no keys without any."""
    found: dict[tuple[Any, str], list[Sale]] = defaultdict(list)
    for fact in facts:
        if period.first_on <= fact.sold_on <= period.last_on:
            for each in key(fact):
                found[each, fact.currency].append(fact)
    return {of: _figures(of[1], some, whole_shop) for of, some in found.items()}


def _figures(currency: str, facts: list[Sale], whole_shop: bool) -> Figures:
    sold = [fact for fact in facts if fact.kind == "sale"]
    back = [fact for fact in facts if fact.kind == "refund"]
    orders = len({fact.order_id for fact in sold} - {None})
    ordered = sum(fact.net_minor for fact in sold if fact.order_id is not None)
    return Figures(
        currency=currency,
        orders=orders if whole_shop else None,
        lines=len(sold),
        units=sum(fact.quantity for fact in facts),
        units_returned=-sum(fact.quantity for fact in back),
        gross_minor=sum(fact.gross_minor for fact in sold),
        discount_minor=sum(fact.discount_minor for fact in sold),
        refund_minor=-sum(fact.net_minor for fact in back),
        net_minor=sum(fact.net_minor for fact in facts),
        tax_minor=sum(fact.tax_minor for fact in facts),
        shipping_minor=sum(fact.shipping_minor for fact in facts),
        total_minor=sum(fact.total_minor for fact in facts),
        average_order_minor=(2 * ordered + orders) // (2 * orders) if whole_shop and orders else None,
    )


def categories_of() -> dict[int | None, set[int]]:
    """The categories of every product, with those above them."""
    found: dict[int | None, set[int]] = defaultdict(set)
    for product_id, category_id in db.session.execute(
        select(table_of(ProductCategory).c.product_id, table_of(ProductCategory).c.category_id)
    ):
        found[product_id].add(category_id)
    return found


def days(first: str, last: str) -> Period:
    """A period by its first and last day."""
    return Period(date.fromisoformat(first), date.fromisoformat(last))
