"""Ranking what sells best in each category, of each brand and in the shop, some hundred of them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, insert, select, true

from app.analytics.models.recommendations import BestSeller, ProductDemand
from app.analytics.models.sales_rollups import SalesDayProduct
from app.analytics.queries.product_units import units_by_asin
from app.analytics.rules.recommendations import DEMAND_DAYS, RANKED, SHOP_SCOPE, brand_scope, category_scope
from app.core.orm import table_of
from app.core.transactions import connection, in_transaction
from app.orders.services.sales import day_of
from app.products.models.categories import Category, ProductCategory
from app.products.models.products import Product

SCOPES: Final = 200
"""Categories or brands of one transaction."""
_CATEGORY: Final = table_of(Category)
_MEMBER: Final = table_of(ProductCategory)
_PRODUCT: Final = table_of(Product)
_DEMAND: Final = table_of(ProductDemand)
_DAY: Final = table_of(SalesDayProduct)
_BEST: Final = table_of(BestSeller)
_SOLD: Final = func.coalesce(_DEMAND.c.units, 0)


def rank_best_sellers(*, now: datetime) -> int:
    """Rank again by the units of the last DEMAND_DAYS days; how many categories and brands were ranked.

    Only products that are active are ranked, also those that sold nothing. Lists change one by one while they are used;
    run twice at once, the later one wins.
    """
    today = day_of(now)
    _note_demand(first_on=today - timedelta(days=DEMAND_DAYS), last_on=today)
    _rank_shop(now=now)
    done, after, brand = 0, 0, ""
    while ids := _rank_categories(after=after, now=now):
        done, after = done + len(ids), ids[-1]
    while brands := _rank_brands(after=brand, now=now):
        done, brand = done + len(brands), brands[-1]
    _forget_unranked(now=now)
    return done


def rank_first_best_sellers(*, now: datetime) -> None:
    """Rank at once where something sold and nothing is ranked by it yet, as after a new shop's import of its sales."""
    if _is_first_sold(since=day_of(now) - timedelta(days=DEMAND_DAYS)):
        rank_best_sellers(now=now)


@in_transaction
def _is_first_sold(*, since: date) -> bool:
    ranked = select(_BEST.c.product_id).where(_BEST.c.scope == SHOP_SCOPE)
    sold = select(_DAY.c.asin).join(_PRODUCT, _PRODUCT.c.asin == _DAY.c.asin)
    sold = sold.where(_DAY.c.sold_on >= since, _DAY.c.quantity > 0, _PRODUCT.c.is_active == true())
    return bool(connection().scalar(select(and_(~exists(ranked), exists(sold)))))


@in_transaction
def _note_demand(*, first_on: date, last_on: date) -> None:
    """Write down once what every list is ranked by."""
    sold = units_by_asin(first_on, last_on).subquery("sold")
    connection().execute(delete(_DEMAND))
    known = select(_PRODUCT.c.id, sold.c.units).join(sold, sold.c.asin == _PRODUCT.c.asin).where(sold.c.units > 0)
    connection().execute(insert(_DEMAND).from_select(["product_id", "units"], known))


@in_transaction
def _rank_shop(*, now: datetime) -> None:
    best = _products().order_by(_SOLD.desc(), _PRODUCT.c.id).limit(RANKED)
    rows = connection().execute(best.where(_DEMAND.c.units > 0)).all()
    _keep([SHOP_SCOPE], [(SHOP_SCOPE, at, row.id, row.units) for at, row in enumerate(rows)], now)


@in_transaction
def _rank_categories(*, after: int, now: datetime) -> Sequence[int]:
    next_ids = select(_CATEGORY.c.id).where(_CATEGORY.c.id > after).order_by(_CATEGORY.c.id).limit(SCOPES)
    ids = connection().scalars(next_ids).all()
    if ids:
        inside = _products(_MEMBER.c.category_id.label("part"), _position(_MEMBER.c.category_id))
        inside = inside.join(_MEMBER, _MEMBER.c.product_id == _PRODUCT.c.id)
        inside = inside.where(_MEMBER.c.category_id.between(ids[0], ids[-1]))
        rows = [(category_scope(row.part), row.position, row.id, row.units) for row in _first_of(inside)]
        _keep([category_scope(each) for each in ids], rows, now)
    return ids


@in_transaction
def _rank_brands(*, after: str, now: datetime) -> Sequence[str]:
    next_brands = select(_PRODUCT.c.brand).where(_PRODUCT.c.brand > after).distinct()
    brands = connection().scalars(next_brands.order_by(_PRODUCT.c.brand).limit(SCOPES)).all()
    if brands:
        of_them = _products(_PRODUCT.c.brand.label("part"), _position(_PRODUCT.c.brand))
        of_them = of_them.where(_PRODUCT.c.brand > after, _PRODUCT.c.brand <= brands[-1])
        rows = [(brand_scope(row.part), row.position, row.id, row.units) for row in _first_of(of_them)]
        _keep([brand_scope(each) for each in brands], rows, now)
    return brands


@in_transaction
def _forget_unranked(*, now: datetime) -> None:
    """Forget the lists of categories and brands that are there no more."""
    connection().execute(delete(_BEST).where(_BEST.c.ranked_at < now))


def _products(*columns: ColumnElement[Any]) -> Select[Any]:
    products = select(_PRODUCT.c.id, _SOLD.label("units"), *columns)
    products = products.select_from(_PRODUCT).outerjoin(_DEMAND, _DEMAND.c.product_id == _PRODUCT.c.id)
    return products.where(_PRODUCT.c.is_active == true(), _PRODUCT.c.deleted_at.is_(None))


def _position(part: ColumnElement[Any]) -> ColumnElement[int]:
    """The place in one list, beginning at 1."""
    place: ColumnElement[int] = func.row_number().over(partition_by=part, order_by=(_SOLD.desc(), _PRODUCT.c.id))
    return place.label("position")


def _first_of(ranked: Select[Any]) -> Sequence[Any]:
    found = ranked.subquery()
    return connection().execute(select(found).where(found.c.position <= RANKED)).all()


def _keep(scopes: Sequence[str], rows: Sequence[tuple[str, int, int, int]], now: datetime) -> None:
    """Replace some lists."""
    connection().execute(delete(_BEST).where(_BEST.c.scope.in_(scopes)))
    if rows:
        names = ("scope", "position", "product_id", "units")
        connection().execute(insert(_BEST), [dict(zip(names, row, strict=True), ranked_at=now) for row in rows])
