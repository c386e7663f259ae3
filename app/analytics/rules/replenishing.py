"""When to buy a product again and how much of it, from how it sold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Final

_ENOUGH: Final = 9
"""Decimals beyond which a number is noise of its calculation."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is assumed: days of the past, days until a delivery and days that it lasts, and how sure one is to be."""

    days: int
    dead_days: int
    lead_days: int
    order_days: int
    service_percent: float

    @property
    def safety_factor(self) -> float:
        """z: within how many standard deviations the demand stays with that probability, if it is normal."""
        return NormalDist().inv_cdf(self.service_percent / 100)


@dataclass(frozen=True, slots=True)
class Demand:
    """What was sold in some days: the units of all, and the sum of the squares of the units of each day."""

    days: int
    units: int
    squares: float

    @property
    def per_day(self) -> float:
        """Units of an average day; 0 where more came back than was sold."""
        return max(0, self.units) / self.days

    @property
    def variance(self) -> float:
        """Of the units of a day, as estimated from these days (n - 1); days on which nothing was sold count."""
        return max(0.0, (self.squares - self.units**2 / self.days) / (self.days - 1))

    def level(self, days: int, safety_factor: float) -> int:
        """The units that so many days will take at most, with the probability that the factor stands for.

        d x L + z x sigma x sqrt(L), rounded up (Silver, Pyke and Thomas, Inventory and Production Management in Supply
        Chains, 4th edition, 2017, chapter 6: demand of days that do not depend on each other, normally distributed).
        """
        if self.units <= 0:
            return 0
        return math.ceil(round(self.per_day * days + safety_factor * math.sqrt(self.variance * days), _ENOUGH))


def reorder_point(demand: Demand, policy: Policy) -> int:
    """At how many available units to buy again: what the time until a delivery will take at most."""
    return demand.level(policy.lead_days, policy.safety_factor)


def order_quantity(demand: Demand, policy: Policy, available: int) -> int:
    """How much to buy now so that it lasts until the delivery after the next one, ``order_days`` later (R, S)."""
    return max(0, demand.level(policy.lead_days + policy.order_days, policy.safety_factor) - available)


def days_of_cover(demand: Demand, available: int) -> Decimal | None:
    """How many days what is available lasts if it goes on like that, to a tenth; None where nothing is sold."""
    if demand.units <= 0:
        return None
    return (Decimal(available) * demand.days / demand.units).quantize(Decimal("0.1"))
