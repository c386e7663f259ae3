"""Rollups of sales: counted once whoever counts, made anew while sales go on, compared with the facts."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from app.analytics.models.sales_rollups import SalesDay, SalesDayProduct, SalesHour, SalesMonthBrand, SalesRank
from app.analytics.queries.sales_drift import (
    Drift,
    covered,
    drifts_of_days,
    drifts_of_hours,
    drifts_of_month,
    hours_kept,
    months_of,
)
from app.analytics.queries.sales_figures import Grouping, hours, series, totals
from app.analytics.queries.sales_shares import by_category, top_products
from app.analytics.rules.periods import Period
from app.analytics.services.sales_folding import fold_sales, fold_some, purge_hours
from app.analytics.services.sales_ranking import rank_sales
from app.analytics.services.sales_rebuilding import rebuild, rebuild_days
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.orders.models.sales import Sale
from app.orders.services.sales import day_of
from tests.analytics.facts import all_facts, days, expected, record, sale
from tests.conftest import AppWith
from tests.products.categories import add_category, add_product, put
from tests.servers import on_sqlite

NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
MARCH: Final = days("2026-03-01", "2026-03-31")
BERLIN: Final = ZoneInfo("Europe/Berlin")
_ORDERS: Final = itertools.count(1)


def some(count: int, at: datetime = NOON, **values: Any) -> list[dict[str, Any]]:
    """Facts of several days, brands, products and currencies; of three each an order."""
    first = next(_ORDERS) * 1_000
    made = []
    for number in range(count):
        order = number // 3
        about: dict[str, Any] = {"order_id": first + order, "currency": "EUR" if order % 5 == 4 else "USD"}
        about |= {"asin": f"B{number % 7:09}", "brand": ["Lumo", "Øre", None][number % 3]}
        made.append(sale(at + timedelta(hours=20 * order), **(about | values)))
    return made


def drifts() -> list[str]:
    """The rollups that differ from the facts."""
    db.session.rollback()
    whole = covered()
    assert whole is not None
    found = [drift.table for drift in drifts_of_days(whole)]
    found += [drift.table for begin, end in hours_kept(utc_now()) for drift in drifts_of_hours(begin, end)]
    return found + [drift.table for month in months_of(whole) for drift in drifts_of_month(month)]


def at_once(app: Flask, *works: Callable[[], object]) -> None:
    """Do works at the same time, each in a thread; raises what one of them raises."""
    failures: list[BaseException] = []
    ready = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        with app.app_context():
            try:
                ready.wait(10)
                work()
            except BaseException as failure:  # noqa: BLE001  # raised below
                failures.append(failure)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failures:
        raise failures[0]


def test_facts_are_counted_once_by_however_many(app: Flask) -> None:
    with app.app_context():
        record(facts=some(120))

    def fold() -> None:
        for _ in range(8):
            fold_some(size=9)

    at_once(app, fold, fold, fold)
    with app.app_context():
        fold_sales()
        assert drifts() == []
        assert db.session.scalar(select(Sale.id).where(Sale.uncounted == 1)) is None
        found = {(0, each.currency): each for each in totals(days("2026-03-01", "2026-05-31"))}
        assert found == expected(all_facts(), days("2026-03-01", "2026-05-31"), lambda _: [0])


def test_sales_go_on_while_rollups_are_made_anew(app: Flask) -> None:
    with app.app_context():
        record(facts=some(60))
        fold_sales()

    def sell() -> None:
        for number in range(12):
            record(facts=some(3, NOON + timedelta(hours=number)))

    def fold() -> None:
        for _ in range(12):
            fold_some(size=5)

    at_once(app, lambda: rebuild(days_at_once=2), sell, fold)
    with app.app_context():
        assert drifts() == []
        whole = days("2026-03-01", "2026-05-31")
        found = {(0, each.currency): each for each in totals(whole)}
        assert found == expected(all_facts(), whole, lambda _: [0])
        fold_sales()
        assert drifts() == []
        assert {(0, each.currency): each for each in totals(whole)} == found


def test_what_is_wrong_is_found_and_made_right(app: Flask) -> None:
    with app.app_context():
        record(facts=some(40))
        fold_sales()
        assert drifts() == []
        right = {(each.currency, each.net_minor) for each in totals(MARCH)}
        damage()
        found = set(drifts())
        assert {"sales_day", "sales_day_product", "sales_month_brand"} <= found
        rebuild()
        assert drifts() == []
        assert {(each.currency, each.net_minor) for each in totals(MARCH)} == right


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_hours_that_are_wrong_are_found_and_made_right(app_with: AppWith, zone: str) -> None:
    app, now = app_with(timezone=ZoneInfo(zone)), utc_now()
    with app.app_context():
        record(facts=[sale(now - timedelta(minutes=97 * number), order_id=number // 2) for number in range(300)])
        fold_sales()
        record(facts=[sale(now)])
        assert hour_drifts() == []
        damage_hours()
        wrong = [(drift.table, tuple(drift.differences.items())) for drift in hour_drifts()]
        assert ("sales_hour", (("quantity", 1),)) in wrong
        assert ("sales_hour", (("orders", -1),)) in wrong
        assert len(wrong) >= 3
        rebuild()
        assert hour_drifts() == []


def hour_drifts() -> list[Drift]:
    db.session.rollback()
    return [drift for begin, end in hours_kept(utc_now()) for drift in drifts_of_hours(begin, end)]


@in_transaction
def damage_hours() -> None:
    rows = list(db.session.scalars(select(SalesHour).order_by(SalesHour.sold_from)))
    rows[30].quantity += 1
    next(row for row in rows[40:] if row.orders).orders -= 1
    db.session.delete(rows[60])


@in_transaction
def damage() -> None:
    db.session.execute(update(SalesDay).values(net_minor=SalesDay.net_minor + 1))
    db.session.execute(delete(SalesDayProduct).where(SalesDayProduct.asin == "B000000003"))
    db.session.execute(update(SalesMonthBrand).values(quantity=0))


def test_the_commands_tell_of_drift_and_mend_it(app: Flask) -> None:
    with app.app_context():
        record(facts=some(20))
        fold_sales()
    runner = app.test_cli_runner()
    assert runner.invoke(args=["analytics", "check"]).exit_code == 0
    with app.app_context():
        damage()
        record(facts=some(2))
    told = runner.invoke(args=["analytics", "check"])
    assert told.exit_code == 1
    assert "2 facts not counted yet" in told.output
    assert "net_minor +1" in told.output
    assert runner.invoke(args=["analytics", "rebuild"]).exit_code == 0
    healed = runner.invoke(args=["analytics", "check"])
    assert (healed.exit_code, "0 rows differ, 0 facts" in healed.output) == (0, True)


@on_sqlite
def test_without_any_sale_there_is_nothing_to_do(app: Flask) -> None:
    runner = app.test_cli_runner()
    assert "0 days" in runner.invoke(args=["analytics", "check"]).output
    assert "0 days" in runner.invoke(args=["analytics", "rebuild"]).output


def test_sales_stay_in_the_categories_that_they_were_counted_in(app: Flask) -> None:
    with app.app_context():
        old, new = add_category("Old"), add_category("New")
        product = add_product(1, old)
        record(facts=[sale(NOON, product_id=product, asin="B000000001")])
        fold_sales()
        put({product: [new]})
        record(facts=[sale(NOON, product_id=product, asin="B000000001", gross_minor=500)])
        for count in (fold_sales, rebuild, fold_sales):
            found = {share.name: share.figures.net_minor for share in by_category(MARCH)}
            assert found == {"Old": 1000, "New": 500}
            count()


def test_days_weeks_and_hours_are_those_of_the_shop_when_its_clock_is_changed(app_with: AppWith) -> None:
    app = app_with(timezone=BERLIN)
    with app.app_context():
        before, after = (datetime(2026, 10, 24, 21, 59, tzinfo=UTC), datetime(2026, 10, 25, 23, 0, tzinfo=UTC))
        twice = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
        record(facts=[sale(at) for at in (before, before + timedelta(minutes=1), *twice, after)])
        shown = hours(25, now=datetime(2026, 10, 25, 22, 59, tzinfo=UTC))
        assert shown[0].begins_at == datetime(2026, 10, 24, 22, tzinfo=UTC)
        assert [each.figures.lines for each in shown[:5]] == [1, 0, 1, 1, 0]
        assert sum(each.figures.lines for each in shown) == 3
        for _ in range(2):
            points = series(days("2026-10-24", "2026-10-26"), Grouping.DAY)
            assert [point.figures.lines for point in points] == [1, 3, 1]
            weeks = series(days("2026-10-24", "2026-10-26"), Grouping.WEEK)
            assert [(each.period.days, each.figures.lines) for each in weeks] == [(2, 4), (1, 1)]
            fold_sales()


def test_hours_are_the_same_before_and_after_they_are_counted_and_old_ones_go(app: Flask) -> None:
    now = utc_now()
    with app.app_context():
        record(facts=[sale(now - timedelta(hours=3 * number), order_id=number) for number in range(200)])
        before = hours(14 * 24, now=now)
        assert sum(each.figures.lines for each in before) == 112
        fold_some(size=150)
        assert hours(14 * 24, now=now) == before
        fold_sales()
        assert hours(14 * 24, now=now) == before
        rebuild()
        assert hours(14 * 24, now=now) == before
        kept = len(db.session.scalars(select(SalesHour)).all())
        assert kept < 200
        age_hours()
        assert purge_hours() == kept


@in_transaction
def age_hours() -> None:
    for row in list(db.session.scalars(select(SalesHour).order_by(SalesHour.sold_from))):
        row.sold_from -= timedelta(days=40)
        db.session.flush()


def test_the_best_of_a_window_are_those_of_its_days_whether_they_are_ranked_or_not(app: Flask) -> None:
    now = utc_now()
    with app.app_context():
        window = Period(day_of(now) - timedelta(days=29), day_of(now))
        record(facts=[sale(now - timedelta(days=number % 40), asin=f"B{number % 50:09}") for number in range(120)])
        fold_sales()
        unranked = top_products(window, "units", 7)
        assert rank_sales(now=now)
        assert db.session.scalar(select(SalesRank.key).limit(1))
        assert top_products(window, "units", 7) == unranked
        record(facts=[sale(now, asin="B000000049", quantity=99)])
        assert top_products(window, "units", 1)[0].key == "B000000049"
        rank_sales(now=now)
        assert top_products(window, "units", 1)[0].key == "B000000049"


def test_a_day_that_is_made_anew_leaves_what_is_not_counted_to_who_counts(app: Flask) -> None:
    with app.app_context():
        record(facts=some(4))
        rebuild_days(period=MARCH)
        assert db.session.scalars(select(SalesDay)).all() == []
        assert sum(each.lines for each in totals(MARCH)) == 4
        fold_sales()
        assert drifts() == []
