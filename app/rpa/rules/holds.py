"""What of a storefront keeps visits from starting, and until when: decided with plain values.

The claim, the dispatcher and everybody who shows it ask here, so that they say the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.rpa.models.jobs import Action
from app.rpa.models.storefronts import AnyShop
from app.rpa.rules.hours import Hours, day_of, day_starts_at, read_hours
from app.rpa.rules.standstill import Reason, Wait
from app.rpa.rules.timing import TimingRefused, check_zone

_PAGES: Final = {Action.VIEW_PRODUCT: 1, Action.ADD_TO_CART: 3}
_DAY: Final = timedelta(days=1)
_UTC: Final = ZoneInfo("UTC")


def pages_of(action: Action) -> int:
    """How many pages an errand counts for: that of the product, with a cart also the cart before and after."""
    return _PAGES[action]


def find_hold(shop: AnyShop, now: datetime, *, pages: int = 1) -> Wait | None:
    """What keeps a visit of so many pages from starting on a storefront now: of several what lasts longest."""
    if not shop.is_active:
        return Wait(Reason.STOREFRONT_INACTIVE, "The storefront is not active.")
    if _zone(shop) is None:
        return Wait(Reason.HOURS, f"This machine does not know the time zone {shop.timezone}.")
    holds = [hold for hold in _holds(shop, now, pages) if hold.until is not None and hold.until > now]
    return max(holds, key=lambda hold: hold.until or now, default=None)


def gap_of(shop: AnyShop) -> timedelta:
    """What lies between the starts of two visits: what its profile says, or more where its robots.txt wants it."""
    return timedelta(milliseconds=max(shop.gap_ms, shop.crawl_delay_ms if shop.obeys_robots else 0))


def most_at_once(shop: AnyShop) -> int:
    """How many visits may run at once: only one while it cools down."""
    return shop.concurrency if shop.cooldown_until is None else 1


def hours_of(shop: AnyShop) -> Hours | None:
    """When a storefront may be visited; None: always."""
    return read_hours(shop.hours, _zone(shop) or _UTC)


def pages_today(shop: AnyShop, now: datetime) -> int:
    """How many pages of it were visited on the date that its time zone has."""
    return shop.pages_count if shop.pages_day == _today(shop, now).isoformat() else 0


def pages_left(shop: AnyShop, now: datetime) -> int | None:
    """How many pages of it may still be visited on this day; None: as many as one likes."""
    return None if shop.daily_cap is None else max(0, shop.daily_cap - pages_today(shop, now))


def count_pages(shop: AnyShop, now: datetime, pages: int) -> dict[str, Any]:
    """What a storefront's row says when so many pages more are visited now."""
    return {"pages_count": pages_today(shop, now) + pages, "pages_day": _today(shop, now).isoformat()}


def next_day_at(shop: AnyShop, now: datetime) -> datetime:
    """When the next day of the cap begins."""
    return day_starts_at(_today(shop, now) + _DAY, _zone(shop) or _UTC)


def _holds(shop: AnyShop, now: datetime, pages: int) -> Iterator[Wait]:
    yield Wait(Reason.STOREFRONT_PAUSED, "The shop asked us to wait.", shop.paused_until)
    yield Wait(
        Reason.COOLDOWN, f"The shop blocked {shop.blocks} visits in a row; then one probes.", shop.cooldown_until
    )
    if shop.obeys_robots:
        yield Wait(Reason.ROBOTS, "The shop's robots.txt cannot be read.", shop.robots_retry_at)
    hours = hours_of(shop)
    if hours is not None:
        yield Wait(Reason.HOURS, "The storefront may not be visited at this hour.", hours.opens_at(now))
    left = pages_left(shop, now)
    if left is not None and left < pages:
        tomorrow = next_day_at(shop, now)
        until = tomorrow if hours is None else hours.opens_at(tomorrow)
        yield Wait(Reason.DAILY_CAP, f"The storefront's {shop.daily_cap} pages of this day are used up.", until)


def _today(shop: AnyShop, now: datetime) -> date:
    """The date that counts; where the clocks go back over midnight, the day that has begun goes on."""
    today = day_of(now, _zone(shop) or _UTC)
    return today + _DAY if shop.pages_day == (today + _DAY).isoformat() else today


def _zone(shop: AnyShop) -> ZoneInfo | None:
    """Its time zone; None where another machine's database of them had more than this one's."""
    try:
        return check_zone(shop.timezone)
    except TimingRefused:
        return None
