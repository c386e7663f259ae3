"""Prices of storefronts and the way of orders as charts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from app.analytics.charts.item import chart_item
from app.analytics.charts.prices import OURS, IndexPoint, PricePoint, price_history, price_index
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


def chart_of_series(found: dict[str, Any]) -> dict[str, Any]:
    """Each storefront's index by day."""
    points = [
        IndexPoint(point["day"], point["storefront_name"], None if point["index"] is None else Decimal(point["index"]))
        for point in found["points"]
    ]
    return chart_item(price_index(points))


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
    return chart_item(price_history([*points, *own.values()], zone=settings().timezone))


def chart_of_funnel(found: dict[str, Any]) -> dict[str, Any]:
    """How many got as far as each step."""
    return chart_item(order_funnel([FunnelStep(_STEPS[share.step], share.count) for share in found["steps"]]))
