"""Reads of the price index: of every storefront as of a day, and day by day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, func, select

from app.analytics.models.prices import PriceIndexDay
from app.analytics.rules.periods import Period
from app.analytics.rules.price_index import STALE_DAYS, index_of, percent
from app.core.errors import Invalid
from app.core.extensions import db
from app.rpa.errors import StorefrontUnknown
from app.rpa.models.storefronts import Storefront

MAX_POINTS: Final = 20_000
"""Days times storefronts of one answer."""
_COLUMNS: Final = (
    PriceIndexDay.day,
    Storefront.code.label("storefront"),
    Storefront.name.label("storefront_name"),
    PriceIndexDay.products,
    PriceIndexDay.compared,
    PriceIndexDay.cheaper,
    PriceIndexDay.dearer,
    PriceIndexDay.other_currency,
    PriceIndexDay.stale,
    PriceIndexDay.free,
    PriceIndexDay.log_sum,
    PriceIndexDay.computed_at,
)
_COUNTS: Final = ("products", "compared", "cheaper", "dearer", "other_currency", "stale", "free")


def get_price_index(*, on: date | None) -> dict[str, Any]:
    """The index of every storefront as it was at the end of a day, by code; None: as it is now.

    Of a day on which nothing was computed it is that of the last one before; ``as_of`` is None where there is none.
    """
    newest = select(func.max(PriceIndexDay.day))
    day = db.session.scalar(newest if on is None else newest.where(PriceIndexDay.day <= on))
    rows = [] if day is None else _rows(PriceIndexDay.day == day)
    computed_at: datetime | None = max((row.computed_at for row in rows), default=None)
    storefronts = [_shown(row) for row in rows]
    return {"as_of": day, "computed_at": computed_at, "stale_days": STALE_DAYS, "storefronts": storefronts}


def get_price_index_series(*, period: Period, storefront: str | None) -> dict[str, Any]:
    """The index by day, the first one first and of a day by code; days on which nothing was computed are not in it.

    Raises StorefrontUnknown, and Invalid for more than MAX_POINTS.
    """
    conditions = [PriceIndexDay.day >= period.first_on, PriceIndexDay.day <= period.last_on]
    if storefront is None:
        _require_few(period)
    else:
        conditions.append(PriceIndexDay.storefront_id == storefront_id_of(storefront))
    points = [_shown(row) for row in _rows(*conditions)]
    return {"since": period.first_on, "until": period.last_on, "stale_days": STALE_DAYS, "points": points}


def storefront_id_of(code: str) -> int:
    """The id of a storefront by the code that the query names; raises StorefrontUnknown."""
    shop_id = db.session.scalar(select(Storefront.id).where(Storefront.code == code))
    if shop_id is None:
        raise StorefrontUnknown.field("/storefront", "There is no such storefront.", place="query")
    return shop_id


def _require_few(period: Period) -> None:
    count = db.session.scalar(select(func.count()).select_from(Storefront)) or 0
    if count * period.days > MAX_POINTS:
        most = MAX_POINTS // count
        detail = f"must be within {most} days of the last day for {count} storefronts; or name one storefront."
        raise Invalid.field("/from", detail, place="query")


def _rows(*conditions: Any) -> Sequence[Any]:
    found = select(*_COLUMNS).join(Storefront, Storefront.id == PriceIndexDay.storefront_id).where(*conditions)
    return db.session.execute(found.order_by(PriceIndexDay.day, Storefront.code).limit(MAX_POINTS)).all()


def _shown(row: Row[Any]) -> dict[str, Any]:
    """A row with what follows from its counts."""
    index = index_of(row.log_sum, row.compared)
    seen = row.compared + row.other_currency + row.stale + row.free
    return {
        "day": row.day,
        "storefront": row.storefront,
        "storefront_name": row.storefront_name,
        "index": _text(index),
        "coverage_percent": _text(percent(row.compared, row.products)),
        **{name: getattr(row, name) for name in _COUNTS},
        "equal": row.compared - row.cheaper - row.dearer,
        "not_seen": max(row.products - seen, 0),
    }


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)
