"""Alerts about what visits cannot do: find the fields of a profile, and fill a cart; and about which products."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.products.models.products import Product
from app.products.services.categories import create_category, delete_category
from app.products.services.filters import create_filter, delete_filter
from app.products.services.products import create_product
from app.rpa.errors import AlertScopeUnknown
from app.rpa.models.alerts import AlertRule
from app.rpa.models.jobs import Action
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.codes import CART_IMPOSSIBLE, Code
from app.rpa.rules.readings import CartReading, ProductReading, Read, TaskOutcome
from app.rpa.rules.rotting import NEEDED, Fields, count, fields_of, rotten
from app.rpa.services import alert_looks, alerts, preparing, submitting
from app.rpa.services.alert_sweep import sweep_alerts
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import ASINS, FarmDriver, reading
from tests.rpa.test_alerts import rule, told, visit
from tests.servers import on_sqlite

NO_PRICE = TaskOutcome(Code.PRICE_MISSING, missing="product.price")
NO_BUTTON = TaskOutcome(Code.SELECTOR_MISSING, missing="cart.add")
LINE = CartReading(1, Read(Money.parse("10.00", "USD"), "cart css .p", "$10.00"), None)
SYSTEM = permissions.system()


@pytest.fixture
def farm(farm: FarmDriver) -> FarmDriver:
    """A storefront with a place for every task, also for those that wait for their second visit."""
    db.session.execute(update(Storefront).values(concurrency=1000))
    db.session.commit()
    return farm


def end(farm: FarmDriver, *outcomes: TaskOutcome, asin: str = ASINS[0], action: Action = Action.VIEW_PRODUCT) -> None:
    """Visit one product once for each outcome, each by a job of its own."""
    for outcome in outcomes:
        job = submitting.submit_job(actor=SYSTEM, action=action, storefront="shop", name="c", asins=[asin])
        preparing.prepare_job(job_id=job.id)
        farm.release()
        assert finish_task(lease=farm.leased(farm.task_ids(job)[0]), outcome=outcome)


def fill(farm: FarmDriver, *ends: Code | None, asin: str = ASINS[0]) -> None:
    """Put one product into the cart once for each code; None: it is in."""
    outcomes = [TaskOutcome(code) if code else TaskOutcome(None, LINE) for code in ends]
    end(farm, *outcomes, asin=asin, action=Action.ADD_TO_CART)


def misses() -> dict[str, int]:
    db.session.rollback()
    found = db.session.scalars(select(Storefront.misses)).one() or {}
    return {field: miss["count"] for field, miss in found.items()}


@pytest.mark.parametrize(
    ("outcome", "seen", "found", "missed"),
    [
        (NO_PRICE, [], {"product.ready", "product.identity", "product.name"}, {"product.price"}),
        (TaskOutcome(Code.SELECTOR_MISSING, missing="product.ready"), [], set(), {"product.ready"}),
        (
            TaskOutcome(Code.SELECTOR_MISSING, missing="product.name"),
            [],
            {"product.ready", "product.identity"},
            {"product.name"},
        ),
        (TaskOutcome(Code.PRICE_UNPARSED), [], set(), set()),
        (TaskOutcome(Code.NAV_TIMEOUT), ["brand"], set(), set()),
        (
            TaskOutcome(None, ProductReading(name=Read("Kettle", "css:h1", "Kettle"))),
            ["brand", "price"],
            {"product.ready", "product.identity", "product.name"},
            {"product.brand"},
        ),
        (
            TaskOutcome(None, LINE),
            [],
            {"product.ready", "product.identity", "product.name", "cart.add", "cart.mini", "cart.quantity_field"}
            | {"cart.price"},
            set(),
        ),
    ],
)
def test_a_visit_says_which_parts_of_the_profile_it_found(
    outcome: TaskOutcome, seen: list[str], found: set[str], missed: set[str]
) -> None:
    assert fields_of(outcome, seen) == Fields(frozenset(found), frozenset(missed))


def test_six_misses_in_a_row_are_rotten_and_a_find_begins_anew() -> None:
    now: dict[str, Any] = {}
    missed = Fields(missed=frozenset({"product.price"}))
    for number in range(1, NEEDED):
        now = count(now, missed, number)
    assert rotten(now) == {}
    now = count(now, missed, NEEDED)
    assert rotten(now) == {"product.price": NEEDED}
    assert count(now, missed, 99) == now
    assert count(now, Fields(found=frozenset({"product.name"})), 99) == now
    assert count(now, Fields(found=frozenset({"product.price"})), 99) == {}


def test_a_selector_that_rots_is_told_once_until_its_field_is_read_again(farm: FarmDriver) -> None:
    rots = rule("selector", storefront="shop")
    end(farm, *[NO_PRICE] * (NEEDED - 1))
    assert sweep_alerts() == 0
    end(farm, NO_PRICE)
    assert [sweep_alerts(), sweep_alerts()] == [1, 0]
    end(farm, NO_PRICE, NO_BUTTON)
    assert sweep_alerts() == 0
    (alert,) = told(rots)
    assert alert.detail == "product.price was not found on shop by 6 visits in a row; mend the profile."
    assert (alert.subject.split(":")[2], alert.storefront, alert.ended_at) == ("product.price", "shop", None)
    assert farm.task(alert.task_id or 0).code == Code.PRICE_MISSING
    visit(farm, reading())
    assert misses() == {"cart.add": 1}
    assert sweep_alerts() == 0
    assert told(rots)[0].ended_at is not None
    end(farm, *[NO_PRICE] * NEEDED)
    assert sweep_alerts() == 1


def test_visits_that_end_at_once_are_each_counted(
    farm: FarmDriver, in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    tasks = farm.task_ids(farm.submit(ASINS))
    farm.release()
    leases = [farm.leased(task_id) for task_id in tasks]
    ended = in_threads([lambda lease=lease: finish_task(lease=lease, outcome=NO_PRICE) for lease in leases])  # type: ignore[misc]
    assert ended == [True] * 5
    assert misses() == {"product.price": 5}


@on_sqlite
def test_a_field_that_no_product_showed_before_is_not_missed(farm: FarmDriver) -> None:
    bare = ProductReading(name=Read("Kettle", "css:h1", "Kettle"))
    end(farm, *[TaskOutcome(None, bare)] * 2)
    assert misses() == {}
    end(farm, TaskOutcome(None, reading()), *[TaskOutcome(None, bare)] * 2)
    assert misses() == {"product.brand": 2, "product.availability": 2}


@on_sqlite
def test_the_end_of_an_old_lease_counts_no_miss(farm: FarmDriver) -> None:
    task_id = farm.task_ids(farm.submit(ASINS[:1]))[0]
    farm.release()
    lease = farm.leased(task_id)
    assert finish_task(lease=lease, outcome=NO_PRICE)
    assert not finish_task(lease=lease, outcome=NO_PRICE)
    assert misses() == {"product.price": 1}


def test_a_cart_that_cannot_be_filled_is_told_once_until_it_is_filled(farm: FarmDriver) -> None:
    fill(farm, Code.OUT_OF_STOCK)
    carts = rule("cart", storefront="shop")
    assert sweep_alerts() == 0
    fill(farm, Code.OUT_OF_STOCK, Code.CART_NOT_EMPTY)
    fill(farm, Code.NOT_FOUND, asin=ASINS[1])
    assert [sweep_alerts(), sweep_alerts()] == [2, 0]
    fill(farm, Code.NAV_DNS, Code.VARIANT_REQUIRED)
    assert sweep_alerts() == 0
    first, second = told(carts)
    assert first.detail == "B000000001 cannot be put into the cart of shop: CART_NOT_EMPTY."
    assert farm.task(first.task_id or 0).code == Code.CART_NOT_EMPTY
    assert (second.asin, second.ended_at) == (ASINS[1], None)
    fill(farm, None)
    assert sweep_alerts() == 0
    assert [alert.ended_at is None for alert in told(carts)] == [False, True]
    fill(farm, Code.OUT_OF_STOCK)
    assert [sweep_alerts(), sweep_alerts()] == [1, 0]


@on_sqlite
@pytest.mark.parametrize("code", sorted(set(Code) - CART_IMPOSSIBLE - {Code.DEADLINE, Code.CANCELLED}))
def test_an_end_that_says_nothing_of_the_cart_tells_nothing(farm: FarmDriver, code: Code) -> None:
    carts = rule("cart")
    fill(farm, code)
    assert sweep_alerts() == 0
    assert told(carts) == []


@on_sqlite
def test_a_view_that_finds_the_product_gone_says_nothing_of_the_cart(farm: FarmDriver) -> None:
    carts = rule("cart")
    visit(farm, Code.NOT_FOUND)
    assert sweep_alerts() == 0
    assert told(carts) == []


@on_sqlite
def test_very_many_ends_are_looked_at_one_part_after_the_other(
    farm: FarmDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_looks, "MOST_TASKS", 2)
    carts = rule("cart")
    for asin in ASINS:
        fill(farm, Code.OUT_OF_STOCK, asin=asin)
    assert sweep_alerts() == 5
    assert len(told(carts)) == 5


def test_a_rule_is_about_the_products_of_a_category_and_those_below_it(farm: FarmDriver) -> None:
    kitchen = create_category(actor=SYSTEM, now=utc_now(), name="Kitchen")
    kettles = create_category(actor=SYSTEM, now=utc_now(), name="Kettles", parent_id=kitchen.id)
    about: dict[str, Any] = {"name": "Pot", "price": Money.parse("10.00", "USD"), "categories": [kettles.id]}
    create_product(actor=SYSTEM, now=utc_now(), asin="B000000009", **about)
    drops, carts = (
        rule(kind, when, category_id=kitchen.id) for kind, when in (("price", {"percent": 1}), ("cart", {}))
    )
    for asin in (ASINS[0], "B000000009"):
        visit(farm, reading("10.00"), reading("9.00"), asin=asin)
        fill(farm, Code.OUT_OF_STOCK, asin=asin)
    assert sweep_alerts() == 2
    assert [[alert.asin for alert in told(each)] for each in (drops, carts)] == [["B000000009"], ["B000000009"]]


def test_a_rule_is_about_the_products_that_fit_a_saved_filter_when_it_happens(farm: FarmDriver) -> None:
    dear = create_filter(actor=SYSTEM, now=utc_now(), name="Dear", which={"price_min": "11.00", "brand": "Hearth"})
    drops = rule("price", {"percent": 1}, product_filter_id=dear.id)
    product = db.session.scalars(select(Product).where(Product.asin == ASINS[1])).one()
    product.price_minor = 1200
    db.session.commit()
    for asin in ASINS[:2]:
        visit(farm, reading("12.00"), reading("11.00"), asin=asin)
    assert sweep_alerts() == 1
    assert [alert.asin for alert in told(drops)] == [ASINS[1]]
    delete_filter(actor=SYSTEM, filter_id=dear.id, expected_version=1)
    visit(farm, reading("10.00"), asin=ASINS[1])
    assert sweep_alerts() == 0


@on_sqlite
@pytest.mark.parametrize("name", ["category_id", "product_filter_id"])
def test_a_rule_about_what_does_not_exist_is_refused_and_none_is_made(farm: FarmDriver, name: str) -> None:
    with pytest.raises(AlertScopeUnknown) as refusal:
        rule("price", {"percent": 1}, **{name: 99})
    assert [error.pointer for error in refusal.value.errors] == [f"/{name}"]
    assert db.session.scalars(select(AlertRule.id)).all() == []


@on_sqlite
def test_a_rule_about_a_category_that_is_deleted_tells_nothing(farm: FarmDriver) -> None:
    empty = create_category(actor=SYSTEM, now=utc_now(), name="Empty")
    drops = rule("price", {"percent": 1}, category_id=empty.id)
    delete_category(actor=SYSTEM, now=utc_now(), category_id=empty.id, expected_version=1)
    visit(farm, reading("10.00"), reading("9.00"))
    assert sweep_alerts() == 0
    assert told(drops) == []


@on_sqlite
def test_a_rule_that_is_paused_looks_again_from_when_it_is_resumed(farm: FarmDriver) -> None:
    rots, drops = rule("selector"), rule("price", {"percent": 1})
    end(farm, *[NO_PRICE] * NEEDED)
    assert sweep_alerts() == 1
    for each in (rots, drops):
        alerts.set_active(actor=SYSTEM, rule_id=each, is_active=False)
    visit(farm, reading("10.00"), reading("9.00"))
    assert sweep_alerts() == 0
    for each in (rots, drops):
        row = alerts.set_active(actor=SYSTEM, rule_id=each, is_active=True)
        assert alerts.set_active(actor=SYSTEM, rule_id=each, is_active=True).version == row.version == 3
    assert sweep_alerts() == 0
    assert told(rots)[0].ended_at is not None
    visit(farm, reading("8.00"))
    assert sweep_alerts() == 1


def _age(rule_id: int, days: float) -> None:
    for alert in told(rule_id):
        alert.fired_at -= timedelta(days=days)
    db.session.commit()


def test_old_alerts_are_deleted_but_those_that_still_hold(farm: FarmDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "MAX_READ", 2)
    drops, cheap = rule("price", {"percent": 1}), rule("price", {"below": "9.50", "currency": "USD"})
    for asin in ASINS:
        visit(farm, reading("10.00"), reading("9.00"), asin=asin)
    sweep_alerts()
    _age(drops, 89)
    assert alerts.purge_alerts() == 0
    _age(drops, 2)
    _age(cheap, 91)
    assert alerts.purge_alerts() == 5
    assert told(drops) == []
    assert len(told(cheap)) == 5
    visit(farm, reading("10.00"))
    assert sweep_alerts() == 1
    assert alerts.purge_alerts() == 1
