"""What the observations of a day come to, on plain rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from app.rpa.models.observations import Observation, ObservationDay
from app.rpa.rules.readings import Availability

_BUYABLE: Final = frozenset(
    {Availability.IN_STOCK, Availability.LIMITED, Availability.PREORDER, Availability.BACKORDER}
)


def day_of(instant: datetime) -> date:
    """The day of an instant, in UTC."""
    return instant.astimezone(UTC).date()


def new_day(observation: Observation) -> ObservationDay:
    """An empty day for this observation and those that follow of its product, storefront and day."""
    return ObservationDay(
        product_id=observation.product_id,
        storefront_id=observation.storefront_id,
        day=day_of(observation.observed_at),
        count=0,
        priced_count=0,
        known_count=0,
        available_count=0,
    )


def fold(day: ObservationDay, observation: Observation) -> None:
    """Add an observation to its day; they come in the order in which they were made."""
    day.count += 1
    if observation.availability is not None:
        day.known_count += 1
        day.available_count += observation.availability in _BUYABLE
    price = observation.price_minor
    if price is None:
        return
    day.priced_count += 1
    if day.currency != observation.currency:
        day.currency, day.first_minor = observation.currency, price
        day.lowest_minor = day.highest_minor = price
    day.last_minor = price
    day.lowest_minor = min(price, price if day.lowest_minor is None else day.lowest_minor)
    day.highest_minor = max(price, price if day.highest_minor is None else day.highest_minor)
