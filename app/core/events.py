"""What a lower domain sets off in an upper one, inside the same transaction; subscriptions are wired in create_app."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

E = TypeVar("E")

_subscribers: dict[type[Any], list[Callable[[Any], None]]] = defaultdict(list)


def subscribe(kind: type[E], handler: Callable[[E], None]) -> None:
    """Call ``handler`` for every published event of exactly this class; subscribing twice is once."""
    if handler not in _subscribers[kind]:
        _subscribers[kind].append(handler)


def publish(event: object) -> None:
    """Hand an event to its subscribers now, inside the open transaction: what they raise undoes it all."""
    for handler in _subscribers[type(event)]:
        handler(event)
