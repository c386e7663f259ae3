"""Where figures of sales are read: rollups by day and by month, and the facts themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    or_,
)

from app.analytics.models.sales_rollups import (
    NO_BRAND,
    NO_CATEGORY,
    CategoryGroupMember,
    SalesDay,
    SalesDayBrand,
    SalesDayCategory,
    SalesDayProduct,
    SalesMonthBrand,
    SalesMonthCategory,
    SalesMonthProduct,
)
from app.analytics.rules.sales_figures import ORDER_SUMS, SUMS
from app.core.orm import table_of
from app.orders.models.sales import Sale, SaleKind
from app.products.models.categories import ProductCategory

SALE: Final = table_of(Sale)
MEMBER: Final = table_of(CategoryGroupMember)
_PRODUCT_CATEGORY: Final = table_of(ProductCategory)
_EARLIER: Final = SALE.alias("earlier")
# by names of their own, for facts that are cut by category and kept to one as well
_OF_GROUP: Final = MEMBER.alias("of_group")
_OF_PRODUCT: Final = _PRODUCT_CATEGORY.alias("of_product")
ONE: Final[ColumnElement[int]] = literal_column("1")
# said with a number in the statement, not as a parameter: partial indexes are found by that
UNCOUNTED: Final = SALE.c.uncounted == ONE
COUNTED: Final = SALE.c.uncounted.is_(None)


class Dimension(StrEnum):
    """What the shop's sales can be cut by."""

    CATEGORY = "category"
    BRAND = "brand"
    PRODUCT = "product"


@dataclass(frozen=True)
class Source:
    """The rollups of one dimension."""

    day: Table
    month: Table
    key: str
    """The column that says whose sums they are."""


SOURCES: Final[dict[Dimension, Source]] = {
    Dimension.CATEGORY: Source(table_of(SalesDayCategory), table_of(SalesMonthCategory), "category_id"),
    Dimension.BRAND: Source(table_of(SalesDayBrand), table_of(SalesMonthBrand), "brand"),
    Dimension.PRODUCT: Source(table_of(SalesDayProduct), table_of(SalesMonthProduct), "asin"),
}
DAY: Final = table_of(SalesDay)

_IS_ORDERED: Final = and_(SALE.c.kind == SaleKind.SALE.value, SALE.c.order_id.is_not(None))
_FOLLOWS: Final = exists().where(
    _EARLIER.c.order_id == SALE.c.order_id, _EARLIER.c.kind == SaleKind.SALE.value, _EARLIER.c.id < SALE.c.id
)
LEADS: Final[ColumnElement[int]] = case((and_(_IS_ORDERED, ~_FOLLOWS), ONE), else_=literal_column("0"))
"""1 for the fact that an order is counted by: the first one of what was paid of it."""
ORDERED: Final[ColumnElement[int]] = case((_IS_ORDERED, SALE.c.net_minor), else_=literal_column("0"))


BACK: Final = ("quantity", "tax_minor", "shipping_minor", "net_minor")
"""What figures need of refunds."""


def summed(column: ColumnElement[Any]) -> ColumnElement[int]:
    """The sum of a column as a whole number; databases give it in types of their own."""
    return cast(func.sum(column), BigInteger)


def fact_sums(*, whole_shop: bool) -> list[ColumnElement[int]]:
    """The sums of facts, in the order and with the names of SUMS, for the whole shop with ORDER_SUMS."""
    sums: list[ColumnElement[int]] = [cast(func.count(), BigInteger).label("facts")]
    sums += [summed(SALE.c[name]).label(name) for name in SUMS[1:]]
    return sums + ([summed(LEADS).label("orders"), summed(ORDERED).label("ordered_minor")] if whole_shop else [])


def rollup_sums(table: FromClause, *, whole_shop: bool) -> list[ColumnElement[int]]:
    """The same of a rollup."""
    names = SUMS + ORDER_SUMS if whole_shop else SUMS
    sums: list[ColumnElement[int]] = [summed(table.c[name]).label(name) for name in names]
    return sums


def split_sums(kind: ColumnElement[str], columns: Mapping[str, ColumnElement[Any]]) -> list[ColumnElement[int]]:
    """One row of sums for both kinds: those of sales in the order of the columns, then those of refunds of BACK.

    Half as many rows as one for each kind, which is what reading years of days takes its time for.
    """
    none: ColumnElement[int] = literal_column("0")
    of = {each: kind == literal_column(f"'{each.value}'") for each in SaleKind}
    sold = [(f"sold_{name}", case((of[SaleKind.SALE], column), else_=none)) for name, column in columns.items()]
    back = [(f"back_{name}", case((of[SaleKind.REFUND], columns[name]), else_=none)) for name in BACK]
    return [summed(each).label(name) for name, each in sold + back]


def columns_of_facts(*, whole_shop: bool) -> dict[str, ColumnElement[Any]]:
    """What of a fact is summed up, by the names of SUMS, for the whole shop with ORDER_SUMS."""
    columns: dict[str, ColumnElement[Any]] = {"facts": ONE} | {name: SALE.c[name] for name in SUMS[1:]}
    return columns | ({"orders": LEADS, "ordered_minor": ORDERED} if whole_shop else {})


def key_of_facts(dimension: Dimension, *, counted: bool) -> ColumnElement[Any]:
    """What facts are cut by; of a category the facts must be joined with ``joined``."""
    if dimension is Dimension.BRAND:
        return func.coalesce(SALE.c.brand, NO_BRAND)
    if dimension is Dimension.PRODUCT:
        return SALE.c.asin
    return MEMBER.c.category_id if counted else func.coalesce(_PRODUCT_CATEGORY.c.category_id, NO_CATEGORY)


def joined(wanted: Select[Any], dimension: Dimension | None, *, counted: bool) -> Select[Any]:
    """Facts, each with a row for every category where they are cut by that: as it was counted, else as it is now."""
    if dimension is not Dimension.CATEGORY:
        return wanted.select_from(SALE)
    if counted:
        return wanted.select_from(SALE.join(MEMBER, MEMBER.c.group_id == SALE.c.category_group_id))
    on = _PRODUCT_CATEGORY.c.product_id == SALE.c.product_id
    return wanted.select_from(SALE.outerjoin(_PRODUCT_CATEGORY, on))


def facts_within(dimension: Dimension) -> ColumnElement[bool]:
    """The condition that a fact is of the one that the parameter ``only_...`` names, whether it is counted or not."""
    wanted: BindParameter[Any] = bindparam(f"only_{dimension}")
    if dimension is Dimension.PRODUCT:
        return SALE.c.asin == wanted
    if dimension is Dimension.BRAND:
        return SALE.c.brand == wanted
    was = exists().where(_OF_GROUP.c.group_id == SALE.c.category_group_id, _OF_GROUP.c.category_id == wanted)
    its = (_OF_PRODUCT.c.product_id == SALE.c.product_id, _OF_PRODUCT.c.category_id == wanted)
    return or_(and_(COUNTED, was), and_(UNCOUNTED, exists().where(*its)))
