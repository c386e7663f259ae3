"""The price index of reports, as rows (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.analytics.queries.price_index import get_price_index_series
from app.analytics.rules.periods import Period


def by_day(period: Period, filters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A row for each day and storefront that was compared, the first day first.

    Raises StorefrontUnknown, and Invalid for too many days of too many storefronts.
    """
    yield from get_price_index_series(period=period, storefront=filters.get("storefront"))["points"]
