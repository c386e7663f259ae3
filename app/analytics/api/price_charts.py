"""Prices of storefronts and the way of orders as charts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from app.analytics.charts.item import chart_item
from app.analytics.charts.prices import (
    OURS,
    Days,
    IndexPoint,
    PricePoint,
    index_by_storefront,
    price_history,
    price_index,
)
from app.analytics.charts.shares import FunnelStep, order_funnel
from app.analytics.rules.funnel import Step
from app.core.running import settings

_STEPS: Final = {
    Step.CARTS: "Carts begun",
    Step.CHECKOUTS: "Checkouts begun",
    Step.PLACED: "Orders placed",
    Step.PAID: "Orders paid",
    Step.DELIVERED: "Orders delivered",
}


def chart_of_indexes(found: dict[str, Any]) -> dict[str, Any]:
    """Each storefront's index of one day."""
    return chart_item(index_by_storefront([_point(each) for each in found["storefronts"]]))


def chart_of_series(found: dict[str, Any]) -> dict[str, Any]:
    """Each storefront's index by day."""
    return chart_item(price_index([_point(each) for each in found["points"]], days=_days(found)))


def _days(found: dict[str, Any]) -> Days:
    return found["since"], found["until"]


def _point(of: dict[str, Any]) -> IndexPoint:
    return IndexPoint(of["day"], of["storefront_name"], None if of["index"] is None else Decimal(of["index"]))


def chart_of_history(found: dict[str, Any]) -> dict[str, Any]:
    """What every storefront asked for a product at the end of each day, and what we asked."""
    points = [
        PricePoint(day.day, shop["storefront_name"], day.last, day.currency)
        for shop in found["storefronts"]
        for day in shop["days"]
    ]
    own = {
        point["day"]: PricePoint(point["day"], OURS, point["price"], point["currency"]) for point in found["own"] or []
    }
    return chart_item(price_history([*points, *own.values()], zone=settings().timezone, days=_days(found)))


def chart_of_funnel(found: dict[str, Any]) -> dict[str, Any]:
    """How many got as far as each step."""
    return chart_item(order_funnel([FunnelStep(_STEPS[share.step], share.count) for share in found["steps"]]))
