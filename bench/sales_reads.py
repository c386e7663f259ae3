"""What figures of sales are read by bench.analytics, of the shop that it fills."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import sqlalchemy as sa

from app.analytics.errors import PeriodTooWide
from app.analytics.queries.sales_analytics import shares_of
from app.analytics.queries.sales_figures import Grouping, comparison, series, totals
from app.analytics.queries.sales_narrowing import answered
from app.analytics.queries.sales_shares import MAX_SHARES, WINDOWS, by_category, top_products
from app.analytics.queries.sales_sources import Dimension
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import EVERYTHING, Filters
from app.core.extensions import db
from app.products.models.categories import Category
from bench.rows import asin


def reads(today: date, days: int) -> dict[str, tuple[Callable[[], object], float | None]]:
    """What is read, by its name, with the milliseconds it may take."""
    month, years = (Period(today - timedelta(days=some - 1), today) for some in (30, days))
    odd = Period(today - timedelta(days=59), today - timedelta(days=1))
    found: dict[str, tuple[Callable[[], object], float | None]] = {}
    for name, period, most in (("30 days", month, 5.0), ("two years", years, 20.0)):
        found[f"totals, {name}"] = (partial(totals, period), most)
        found[f"by day, {name}"] = (partial(series, period, Grouping.DAY), most)
        found[f"by category, {name}"] = (partial(by_category, period), most)
        found[f"by category with growth, {name}"] = (
            partial(shares_of, Dimension.CATEGORY, period, EVERYTHING, limit=MAX_SHARES, compare=True), most,
        )  # fmt: skip
        found[f"comparison, {name}"] = (partial(comparison, period), None)
        found[f"one brand by week, {name}"] = (partial(series, period, Grouping.WEEK, Filters(brand="Brand 3")), None)
    for window_days in WINDOWS:
        window = Period(today - timedelta(days=window_days - 1), today)
        found[f"best products, {window_days} days"] = (partial(top_products, window), 50.0)
        found[f"best products with growth, {window_days} days"] = (
            partial(shares_of, Dimension.PRODUCT, window, EVERYTHING, limit=10, compare=True), 50.0,
        )  # fmt: skip
    found["best products, 59 days, not ranked"] = (partial(top_products, odd), 2_000.0)
    found["best products, two years, not ranked"] = (partial(top_products, years), 2_000.0)
    return found | reads_of_facts(month, years)


def reads_of_facts(month: Period, years: Period) -> dict[str, tuple[Callable[[], object], float | None]]:
    """What several filters decide: of the two brands, one sells most of all, one as much as most."""
    with_category = db.session.scalar(sa.select(Category.id).where(Category.name == "Top 0"))
    found: dict[str, tuple[Callable[[], object], float | None]] = {}
    for name, period in (("30 days", month), ("two years", years)):
        for brand, product in ((0, 0), (250, 250)):
            both = Filters(brand=f"Brand {brand}", asin=asin(product))
            in_category = Filters(brand=f"Brand {brand}", category_id=with_category)
            found[f"brand {brand} and product, {name}"] = (partial(_asked, totals, period, both), 2_000.0)
            found[f"brand {brand} and category, {name}"] = (partial(_asked, totals, period, in_category), 2_000.0)
            found[f"products of brand {brand}, {name}"] = (
                partial(_asked, _products_of, period, Filters(brand=f"Brand {brand}")), 2_000.0,
            )  # fmt: skip
        of_category = Filters(category_id=with_category)
        found[f"products of a category, {name}"] = (partial(_asked, _products_of, period, of_category), 2_000.0)
    return found


def _products_of(period: Period, filters: Filters) -> object:
    return top_products(period, limit=10, filters=filters)


def _asked(read: Callable[[Period, Filters], object], period: Period, filters: Filters) -> str | None:
    """Read, or find the narrower period that the refusal names, which must then be answered; returns which."""
    try:
        answered(lambda some: read(some, filters), period)
    except PeriodTooWide as refusal:
        if "narrower" not in refusal.facts:
            return "not even a day"
        first, last = (date.fromisoformat(refusal.facts["narrower"][end]) for end in ("from", "to"))
        read(Period(first, last), filters)
        return f"refused, {Period(first, last).days} days"
    return None
