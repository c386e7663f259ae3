"""The price index and the order funnel as the rows of a file."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from app.analytics.api.formats import Table, money
from app.analytics.rules.funnel import STEPS
from app.core.pagination import Page

_INDEX: Final = (
    "day", "storefront", "storefront_name", "index", "coverage_percent", "products", "compared", "cheaper", "equal",
    "dearer", "other_currency", "stale", "free", "not_seen",
)  # fmt: skip
_NUMBERS: Final = frozenset({"index", "coverage_percent", "conversion_percent", "difference_percent"})
_DIFFERENCE: Final = (
    "asin", "name", "brand", "storefront", "currency", "our_price", "their_price", "difference", "difference_percent",
    "observed_at",
)  # fmt: skip
_AMOUNTS: Final = frozenset({"our_price", "their_price", "difference"})
_FUNNEL: Final = ("day", *STEPS, "conversion_percent")


def table_of_indexes(found: dict[str, Any]) -> Table:
    """A row for every storefront."""
    return _table(_INDEX, found["storefronts"])


def table_of_series(found: dict[str, Any]) -> Table:
    """A row for every day and storefront."""
    return _table(_INDEX, found["points"])


def table_of_differences(found: Page[dict[str, Any]]) -> Table:
    """A row for every product at a storefront."""
    return _table(_DIFFERENCE, found.items)


def table_of_history(found: dict[str, Any]) -> Table:
    """A row for every day of every storefront, and for each change of our price: with ``ours`` and no storefront."""
    columns = ("seller", "storefront", "day", "currency", "first", "last", "lowest", "highest", "visits", "is_change")
    rows: list[tuple[Any, ...]] = []
    for point in found["own"] or ():
        price = money(point["price"], point["currency"])
        rows.append(("ours", None, point["day"], point["currency"], price, price, price, price, None, 1))
    for shop in found["storefronts"]:
        for day in shop["days"]:
            prices = (money(minor, day.currency) for minor in (day.first, day.last, day.lowest, day.highest))
            about = ("storefront", shop["storefront"], day.day, day.currency)
            rows.append((*about, *prices, day.visits, int(day.is_change)))
    return Table(columns, rows)


def table_of_funnel(found: dict[str, Any]) -> Table:
    """A row for every day."""
    return _table(_FUNNEL, found["days"])


def _table(columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> Table:
    return Table(columns, [tuple(_value(row, name) for name in columns) for row in rows])


def _value(row: dict[str, Any], name: str) -> Any:
    value = row[name]
    if name in _AMOUNTS:
        return money(value, row["currency"])
    return Decimal(value) if name in _NUMBERS and value is not None else value
