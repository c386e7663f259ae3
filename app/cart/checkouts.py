"""What carts must know of the checkouts that were begun with them; answered by who does checkouts, above carts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkouts:
    """The questions; each is one statement."""

    held: Callable[[int], Mapping[int, int]]
    """What stock an unfinished checkout of this cart holds, by product id: nobody is told that it is gone."""
    unfinished: Callable[[Collection[int]], set[int]]
    """Which of these carts have a checkout that has neither become an order nor been given up."""


_asked = Checkouts(held=lambda _cart_id: {}, unfinished=lambda _cart_ids: set())


def register(checkouts: Checkouts) -> None:
    """Say who answers; wired in create_app."""
    global _asked  # noqa: PLW0603  # one application has one shop
    _asked = checkouts


def held_for(cart_id: int) -> Mapping[int, int]:
    """What stock an unfinished checkout of a cart holds, by product id."""
    return _asked.held(cart_id)


def unfinished(cart_ids: Collection[int]) -> set[int]:
    """Which of some carts are in a checkout that is not finished."""
    return _asked.unfinished(cart_ids) if cart_ids else set()
