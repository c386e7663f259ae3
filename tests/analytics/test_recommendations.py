"""What is bought together is counted once per order, follows what is given back, and becomes recommendations."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.analytics.models.recommendations import BoughtPair, Recommendation
from app.analytics.queries.recommendations import recommend_with
from app.analytics.rules import recommendations as rules
from app.analytics.rules.recommendations import Kind, Reason, affinity
from app.analytics.services import recommendations as counting
from app.analytics.services import recommending
from app.analytics.services.best_sellers import rank_best_sellers, rank_first_best_sellers
from app.analytics.services.recommendations import recommend, recommend_all
from app.analytics.services.sales_folding import fold_sales
from app.core.extensions import db
from app.core.permissions import system
from app.products.models.products import Product
from app.products.services.categories import create_category
from app.products.services.products import delete_product, update_product
from tests.analytics.baskets import added_up, counted, sell
from tests.concurrency import at_once
from tests.orders.selling import cancel, make_goods, pay, place
from tests.servers import on_sqlite

NOW: Final = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
NEVER: Final = float("inf")


def _asin(product_id: int) -> str:
    found = db.session.scalars(sa.select(Product.asin).where(Product.id == product_id)).one()
    db.session.rollback()
    return found


def _change(product_id: int, **changes: Any) -> None:
    version = db.session.scalars(sa.select(Product.version).where(Product.id == product_id)).one()
    update_product(actor=system(), now=NOW, product_id=product_id, expected_version=version, **changes)


def _names(asin: str, kind: Kind = Kind.BOUGHT_TOGETHER, limit: int = 10) -> list[tuple[int, Reason]]:
    found = [(each.product.id, each.reason) for each in recommend_with(asin, kind=kind, limit=limit)]
    db.session.rollback()
    return found


def _count(*, now: datetime = NOW) -> None:
    assert recommend(clock=lambda: now, seconds=NEVER)


def test_what_is_paid_together_is_recommended_until_it_is_given_back(context: Flask) -> None:
    kettle, strainer, cup, lamp = (make_goods("10.00", now=NOW, brand=None) for _ in range(4))
    orders = [place({kettle: 1, strainer: 1}, now=NOW) for _ in range(3)]
    orders += [place({kettle: 1, cup: 2}, now=NOW) for _ in range(2)]
    orders += [place({kettle: 1, lamp: 1}, now=NOW)]
    unpaid = [place({lamp: 1, cup: 1}, now=NOW) for _ in range(3)]
    for order_id in orders:
        pay(order_id, now=NOW)
    _count()

    together = Reason.BOUGHT_TOGETHER
    assert _names(_asin(kettle)) == [(strainer, together), (cup, together)]
    assert _names(_asin(lamp)) == []
    assert recommend_with(_asin(cup))[0].score is not None

    for order_id in (*orders[:2], unpaid[0]):
        cancel(order_id, now=NOW + timedelta(hours=1))
    _count(now=NOW + timedelta(hours=1))

    assert _names(_asin(kettle)) == [(cup, together)]
    assert _names(_asin(strainer)) == []
    assert counted() == added_up(today=NOW)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_sales_are_counted_as_they_add_up_in_whatever_steps(
    context: Flask, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chosen = random.Random(seed)
    monkeypatch.setattr(counting, "FACTS", 3)
    monkeypatch.setattr(recommending, "BATCH", 2)
    sold: list[tuple[int, dict[int, int]]] = []
    for order_id in range(1, 31):
        at = NOW + timedelta(minutes=order_id * 4)
        units = {chosen.randrange(1, 8): chosen.randrange(1, 3) for _ in range(chosen.randrange(1, 5))}
        sold.append((order_id, units))
        sell(order_id, units, at=at - timedelta(minutes=chosen.randrange(14)))  # who began earlier may end later
        if chosen.random() < 0.4:
            back_id, units = chosen.choice(sold)
            sell(back_id, {product_id: -quantity for product_id, quantity in units.items()}, at=at)
            sold.remove((back_id, units))
        if chosen.random() < 0.3:
            sell(None, {1: 1, 2: 1}, at=at)
        if chosen.random() < 0.5:
            recommend(clock=lambda: at, seconds=chosen.choice([0, NEVER]))  # noqa: B023  # called at once
    _count(now=NOW + timedelta(hours=3))

    assert counted() == added_up(today=NOW)

    recommend_all(clock=lambda: NOW + timedelta(hours=3), anew=True)

    assert counted() == added_up(today=NOW)


def test_two_who_count_at_once_count_each_order_once(app: Flask) -> None:
    with app.app_context():
        for order_id in range(1, 40):
            sell(order_id, {order_id % 5 + 1: 1, order_id % 7 + 1: 1, 9: 1}, at=NOW + timedelta(seconds=order_id))

    found = at_once(app, _count, lambda: recommend_all(clock=lambda: NOW, anew=True), _count)

    assert [each for each in found if isinstance(each, Exception)] == []
    with app.app_context():
        _count()
        assert counted() == added_up(today=NOW)


def test_orders_older_than_the_window_count_no_more(context: Flask) -> None:
    sell(1, {1: 1, 2: 1}, at=NOW)
    sell(2, {1: 1, 2: 1}, at=NOW + timedelta(days=10))
    _count(now=NOW + timedelta(days=11))
    assert counted() == ({1: 2, 2: 2}, {(1, 2): 2, (2, 1): 2})

    later = NOW + timedelta(days=rules.WINDOW_DAYS + 5)
    _count(now=later)

    assert counted() == ({1: 1, 2: 1}, {(1, 2): 1, (2, 1): 1})
    assert counted() == added_up(today=later)

    recommend_all(clock=lambda: later, anew=True)
    sell(1, {2: -1}, at=later)
    _count(now=later)

    assert counted() == ({1: 1, 2: 1}, {(1, 2): 1, (2, 1): 1})


def test_of_each_product_only_the_pairs_of_most_orders_are_kept(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommending, "PAIRS_KEPT", 3)
    for number, times in enumerate([5, 1, 4, 2, 3], start=2):
        for at in range(times):
            sell(number * 10 + at, {1: 1, number: 1}, at=NOW)
    _count()

    kept = (
        sa.select(BoughtPair.other_id, BoughtPair.orders).where(BoughtPair.product_id == 1).order_by(BoughtPair.orders)
    )
    assert [tuple(row) for row in db.session.execute(kept)] == [(6, 3), (4, 4), (2, 5)]


def test_a_new_product_gets_best_sellers_and_says_so(context: Flask) -> None:
    kitchen, garden = (create_category(actor=system(), now=NOW, name=name).id for name in ("Kitchen", "Garden"))
    kettle, pot, rake, cup, hose = (
        make_goods("10.00", now=NOW, brand=brand) for brand in ("Lumo", "Lumo", "Rego", "Lumo", None)
    )
    for product_id, category in ((kettle, kitchen), (pot, kitchen), (rake, garden), (hose, garden)):
        _change(product_id, categories=[category])
    for at, (product_id, quantity) in enumerate({pot: 1, rake: 5, cup: 2, hose: 1}.items()):
        sell(at + 1, {product_id: quantity}, at=NOW)
    sell(9, {hose: -1}, at=NOW)
    rank_best_sellers(now=NOW)

    expected = [(pot, Reason.CATEGORY), (cup, Reason.BRAND), (rake, Reason.SHOP)]
    assert _names(_asin(kettle)) == expected
    assert all(each.is_fallback and each.score is None for each in recommend_with(_asin(kettle)))
    assert _names(_asin(kettle), limit=2) == expected[:2]
    assert _names(_asin(hose))[0] == (rake, Reason.CATEGORY)


def test_what_sells_first_is_ranked_at_once_and_then_in_its_turn(context: Flask) -> None:
    kettle, pot = (make_goods("10.00", now=NOW, brand=None) for _ in range(2))
    rank_best_sellers(now=NOW)
    sell(1, {pot: 1}, at=NOW)
    fold_sales()
    rank_first_best_sellers(now=NOW)
    assert _names(_asin(kettle)) == [(pot, Reason.SHOP)]

    rake = make_goods("10.00", now=NOW, brand=None)
    sell(2, {rake: 5}, at=NOW)
    fold_sales()
    rank_first_best_sellers(now=NOW)
    assert _names(_asin(kettle)) == [(pot, Reason.SHOP)]
    rank_best_sellers(now=NOW)
    assert _names(_asin(kettle)) == [(rake, Reason.SHOP), (pot, Reason.SHOP)]


def test_similar_products_share_category_brand_and_price(context: Flask) -> None:
    kitchen = create_category(actor=system(), now=NOW, name="Kitchen").id
    tea = create_category(actor=system(), now=NOW, name="Tea", parent_id=kitchen).id
    prices = {"kettle": "20.00", "near": "21.00", "far": "90.00", "branded": "20.00", "other": "20.00"}
    ids = {
        name: make_goods(price, now=NOW, brand="Lumo" if name in {"kettle", "branded"} else "Rego")
        for name, price in prices.items()
    }
    for name, categories in {"kettle": [tea], "near": [tea], "far": [tea], "branded": [kitchen]}.items():
        _change(ids[name], categories=categories)
    rank_best_sellers(now=NOW)

    similar = [(ids[name], Reason.SIMILAR) for name in ("near", "far", "branded")]
    assert _names(_asin(ids["kettle"]), Kind.SIMILAR) == similar
    whys = [each.why for each in recommend_with(_asin(ids["kettle"]), kind=Kind.SIMILAR)]
    assert whys == ["Of the same category", "Of the same category", "Of the same brand"]


def test_what_cannot_be_bought_is_not_recommended(context: Flask) -> None:
    kettle, inactive, deleted, sold_out, there = (make_goods("10.00", now=NOW, on_hand=9) for _ in range(5))
    for order_id in range(1, 4):
        sell(order_id, dict.fromkeys((kettle, inactive, deleted, sold_out, there), 1), at=NOW)
    _count()
    rank_best_sellers(now=NOW)
    _change(inactive, is_active=False)
    delete_product(actor=system(), now=NOW, product_id=deleted, expected_version=1)
    place({sold_out: 9}, now=NOW)

    for kind in Kind:
        assert [product_id for product_id, _ in _names(_asin(kettle), kind)] == [there]


def test_recommendations_stay_while_everything_is_counted_anew(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    for order_id in range(1, 4):
        sell(order_id, {1: 1, 2: 1}, at=NOW)
    _count()
    counting._begin_anew()
    counting._empty_part()

    assert db.session.scalar(sa.select(sa.func.count()).select_from(Recommendation)) == 2
    assert counted() == ({}, {})


@on_sqlite
def test_few_orders_say_little_and_popular_products_less(context: Flask) -> None:
    assert affinity(0, 5, 5) == 0
    assert affinity(2, 2, 2) < affinity(20, 20, 20) < 1_000_000
    assert affinity(5, 5, 1_000) < affinity(5, 5, 10)
    assert affinity(50, 5, 5) <= 1_000_000


@on_sqlite
@pytest.mark.parametrize(
    ("path", "status", "pointer"),
    [
        ("/products/B0NOSUCH00/recommendations", 404, None),
        ("/products/x/recommendations", 404, None),
        ("/products/{asin}/recommendations?kind=cheaper", 422, "/kind"),
        ("/products/{asin}/recommendations?limit=0", 422, "/limit"),
        ("/products/{asin}/recommendations?limit=21", 422, "/limit"),
        ("/products/{asin}/recommendations?brand=Lumo", 422, "/brand"),
    ],
)
def test_nonsense_is_refused_by_name(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], path: str, status: int, pointer: str | None
) -> None:
    with app.app_context():
        asin = _asin(make_goods("10.00", now=NOW))

    answer = client.get(f"/api/v1{path.format(asin=asin)}", headers=auth_headers)

    assert answer.status_code == status
    assert [each["pointer"] for each in answer.get_json().get("errors", [])] == ([pointer] if pointer else [])


@on_sqlite
def test_the_api_says_why_and_how_much(app: Flask, client: FlaskClient, auth_headers: dict[str, str]) -> None:
    with app.app_context():
        kettle, strainer = (make_goods(price, now=NOW, brand="Lumo") for price in ("20.00", "5.50"))
        for order_id in range(1, 11):
            sell(order_id, {kettle: 1, strainer: 1}, at=NOW)
        _count()
        asin = _asin(kettle)

    answer = client.get(f"/api/v1/products/{asin.lower()}/recommendations", headers=auth_headers).get_json()

    assert (answer["asin"], answer["kind"]) == (asin, "bought_together")
    (found,) = answer["recommended"]
    assert (found["product_id"], found["price"], found["reason"]) == (strainer, "5.50", "bought_together")
    assert (found["score"], found["fallback"]) == ("0.500000", False)
    assert found["why"] == "Often bought together with Lamp"
