"""Whatever is done to stock in whatever order: it adds up, and nothing is promised that is not there."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import Any, Final

from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.core.errors import Refusal
from app.core.orm import utc_now
from app.products.models.stock import MovementKind
from app.products.services.allocations import release, ship, take_back
from app.products.services.stock import Shortfall, change_stock, set_stock, set_threshold
from tests.products.stocking import ACTOR, assert_adds_up, buy, counters, is_low, make_product, order

_numbers: Final = itertools.count(1)

product = st.integers(0, 2)
orders = st.integers(1, 4)
few = st.integers(1, 6)
items = st.dictionaries(product, few, min_size=1)
shortfall = st.sampled_from(Shortfall)
DEEDS: Final = st.one_of(
    st.tuples(st.just("receive"), product, few),
    st.tuples(st.just("adjust"), product, st.integers(-6, 6).filter(bool), shortfall),
    st.tuples(st.just("count"), product, st.integers(0, 12), st.integers(-1, 1), shortfall),
    st.tuples(st.just("threshold"), product, st.none() | st.integers(0, 8)),
    st.tuples(st.just("buy"), orders, items),
    st.tuples(st.just("release"), orders, st.none() | items),
    st.tuples(st.just("ship"), orders, st.none() | items),
    st.tuples(st.just("take back"), orders, items),
)


def act(products: list[int], first: int, deed: Any) -> None:
    """Do one deed; ``first`` is the number before the orders of this run."""
    name, which, *rest = deed
    who: dict[str, Any] = {"actor": ACTOR, "now": utc_now()}
    if name in {"buy", "release", "ship", "take back"}:
        (chosen,) = rest
        wanted = None if chosen is None else {products[key]: quantity for key, quantity in chosen.items()}
        if name == "buy":
            buy(first + which, wanted or {})
        else:
            service: Any = {"release": release, "ship": ship, "take back": take_back}[name]
            service(reference=order(first + which), items=wanted, **who)
        return
    target = products[which]
    if name == "receive":
        change_stock(product_id=target, kind=MovementKind.RECEIVED, delta=rest[0], **who)
    elif name == "adjust":
        change_stock(product_id=target, kind=MovementKind.ADJUSTED, delta=rest[0], reason="x", shortfall=rest[1], **who)
    elif name == "count":
        base = max(0, counters(target)[0] + rest[1])
        set_stock(product_id=target, quantity=rest[0], based_on=base, reason="x", shortfall=rest[2], **who)
    else:
        set_threshold(product_id=target, threshold=rest[0], **who)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=st.lists(DEEDS, min_size=5, max_size=25))
@example(deeds=[
    ("receive", 0, 6), ("buy", 1, {0: 6}), ("ship", 1, {0: 2}), ("count", 0, 0, 0, Shortfall.RELEASE),
    ("take back", 1, {0: 2}), ("threshold", 0, 2), ("buy", 2, {0: 1}),
])  # fmt: skip
def test_stock_adds_up_after_every_deed(context: Flask, deeds: list[Any]) -> None:
    products = [make_product(next(_numbers)) for _ in range(3)]
    first, thresholds = products[0] * 10, dict.fromkeys(range(3))
    for deed in deeds:
        with suppress(Refusal):
            act(products, first, deed)
            if deed[0] == "threshold":
                thresholds[deed[1]] = deed[2]
        assert_adds_up(*products)
        for number, threshold in thresholds.items():
            on_hand, allocated = counters(products[number])
            assert is_low(products[number]) == (threshold is not None and on_hand - allocated <= threshold)
