"""The figures of the farm, against the rows that they are of."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.analytics.errors import NotAddedUpYet
from app.analytics.models.farm import FarmBucket, FarmMark
from app.analytics.queries import farm_marks, farm_reading, farm_rows
from app.analytics.queries.farm_drift import compare_days
from app.analytics.queries.farm_figures import find_figures, find_groups, find_summary, find_throughput, find_times
from app.analytics.rules.farm_buckets import ALL, Grain, beginning
from app.analytics.rules.farm_figures import FarmSummary, Outcomes, Which, Window
from app.analytics.services import farm_adding
from app.analytics.services.farm_adding import add_up
from app.analytics.services.farm_upkeep import purge_farm_figures
from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.core.running import settings
from app.products.models.products import Product, ProductUpdate
from app.rpa.models.jobs import Action, Task
from tests.analytics.farm_filling import Filler, Truth, clear
from tests.servers import on_sqlite

EVERYTHING = Which()


def since_hours(hours: int, grain: Grain = Grain.HOUR) -> Window:
    """From the beginning of an hour some hours ago to now."""
    now = utc_now()
    return Window(beginning(Grain.HOUR, now - timedelta(hours=hours), settings().timezone), now, grain)


def since_days(days: int, grain: Grain = Grain.DAY) -> Window:
    """Today and some days before."""
    now, zone = utc_now(), settings().timezone
    first = beginning(Grain.DAY, now - timedelta(days=days), zone)
    return Window(first, beginning(Grain.DAY, now + timedelta(days=1), zone), grain)


@pytest.fixture
def filler(context: Flask, master: list[str]) -> Filler:
    """Somebody who fills the farm, always in the same way."""
    product_id = db.session.scalar(select(Product.id).limit(1))
    assert product_id is not None
    clear(ProductUpdate)  # what the master was made by is younger than what follows
    return Filler(product_id, random.Random(7))


@pytest.fixture
def filled(filler: Filler) -> dict[str, Any]:
    """Two storefronts, three workers, three jobs over five days, one of them open."""
    now = utc_now()
    one, two = filler.shops("one", "two")
    workers = filler.workers(3)
    begun = now - timedelta(days=5)
    jobs = [
        filler.job(one.id, begun=begun, ended=now - timedelta(minutes=1)),
        filler.job(two.id, begun=begun, ended=now - timedelta(minutes=1), action=Action.ADD_TO_CART),
        filler.job(two.id, begun=begun),
    ]
    ends = [
        (now - timedelta(seconds=filler.chance.randrange(20, most)), job, shop)
        for job, shop in zip(jobs, (one.id, two.id, two.id), strict=True)
        for most in (5 * 86400, 5 * 3600)
        for _ in range(50)
    ]
    filler.tasks(ends, workers)
    return {"one": one.id, "two": two.id, "workers": workers, "jobs": jobs}


def check(window: Window, which: Which = EVERYTHING) -> FarmSummary:
    """Compare everything of a window with the rows."""
    truth = Truth(
        window.since, window.until, which.storefront_id, which.action, which.worker_id, which.job_id
    )  # fmt: skip
    figures = find_figures(window, which)
    counted = truth.outcomes()
    assert Counter({name: n for name, n in asdict(figures.summary.outcomes).items() if n}) == counted
    assert {figure.code: figure.tasks for figure in figures.summary.codes if figure.tasks} == truth.codes()
    attempts = list(truth.attempts())
    assert figures.summary.attempts == len(attempts)
    assert figures.summary.retries == sum(attempt.outcome == "RETRY" for attempt in attempts)
    assert figures.summary.changes == truth.changes()
    points = truth.points(lambda when: beginning(window.grain, when, settings().timezone))
    assert {
        point.start_at: Counter({name: n for name, n in counts(point).items() if n}) for point in figures.throughput
    } == points
    check_times(figures.summary, truth)
    return figures.summary


def counts(outcomes: Outcomes) -> dict[str, int]:
    """The five counts."""
    names = ("succeeded", "refused", "failed", "skipped", "cancelled")
    return {name: getattr(outcomes, name) for name in names}


def check_times(summary: FarmSummary, truth: Truth) -> None:
    """Every percentile is at most 5 % and half a millisecond away."""
    found = {one.stage: one.times for one in summary.latencies}
    for stage in ("navigate", "extract"):
        times = truth.times(stage)
        assert found[stage].count == len(times) if times else stage not in found
        for share in (50, 90, 95, 99) if times else ():
            exact = times[math.ceil(len(times) * share / 100) - 1]
            assert abs(getattr(found[stage], f"p{share}_ms") - exact) <= exact * 0.05 + 0.5


WINDOWS = [
    pytest.param(lambda: since_hours(6, Grain.MINUTE), id="six hours by minute"),
    pytest.param(lambda: since_hours(30), id="thirty hours by hour"),
    pytest.param(lambda: since_days(6), id="a week by day"),
    pytest.param(lambda: since_days(6, Grain.HOUR), id="a week by hour"),
]


@pytest.mark.parametrize("window", WINDOWS)
def test_figures_are_those_of_the_rows_whatever_they_are_of(filled: dict[str, Any], window: Any) -> None:
    assert add_up(for_s=300)
    check(window())
    check(window(), Which(storefront_id=filled["one"]))
    check(window(), Which(action=Action.ADD_TO_CART))
    check(window(), Which(storefront_id=filled["two"], action=Action.VIEW_PRODUCT))
    check(window(), Which(job_id=filled["jobs"][1]))
    if window().grain is not Grain.MINUTE:
        check(window(), Which(worker_id=filled["workers"][0]))
        check(window(), Which(worker_id=filled["workers"][1], storefront_id=filled["two"]))


def test_groups_add_up_to_the_whole(filled: dict[str, Any]) -> None:
    assert add_up(for_s=300)
    window = since_days(6)
    truth = Truth(window.since, window.until)
    shops = find_groups(window, Which(), "storefront")
    assert sum((Counter(counts(group)) for group in shops), Counter()) == truth.outcomes()
    assert {group.code for group in shops} == {"one", "two"}
    for group in find_groups(window, Which(action=Action.VIEW_PRODUCT), "worker"):
        of_worker = replace(truth, action=Action.VIEW_PRODUCT, worker=group.id)
        assert +Counter(counts(group)) == of_worker.outcomes()
        assert group.name == "farm-1"


def test_each_group_tells_what_is_told_of_it_alone(filled: dict[str, Any]) -> None:
    assert add_up(for_s=300)
    for window in (since_days(6), since_hours(30)):
        for which in (Which(), Which(action=Action.ADD_TO_CART), Which(storefront_id=filled["two"])):
            of_shops = {group.id: group.summary for group in find_groups(window, which, "storefront")}
            of_workers = {group.id: group.summary for group in find_groups(window, which, "worker")}
            assert of_shops == {id_: find_summary(window, replace(which, storefront_id=id_)) for id_ in of_shops}
            assert of_workers == {id_: find_summary(window, replace(which, worker_id=id_)) for id_ in of_workers}
            assert set(of_workers) == set(filled["workers"])
            assert all(summary.latencies and summary.codes for summary in of_workers.values())


def test_years_are_read_by_month_with_the_days_around(filler: Filler) -> None:
    now = utc_now()
    (shop,) = filler.shops("one")
    workers = filler.workers(2)
    job = filler.job(shop.id, begun=now - timedelta(days=70))
    ends = [now - timedelta(days=at, seconds=filler.chance.randrange(20, 4_000)) for at in range(70)]
    filler.tasks([(end, job, shop.id) for end in ends], workers)
    assert any(add_up() for _ in range(20))
    for window in (since_days(68), since_days(62)):
        check(window)
        check(window, Which(storefront_id=shop.id))
        check(window, Which(worker_id=workers[0]))
    months = db.session.scalars(select(FarmBucket.at).where(FarmBucket.grain == Grain.MONTH)).all()
    assert len(set(months)) >= 3


def test_what_is_added_up_while_it_is_read_is_not_counted_twice(
    filled: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading what is not added up and reading the sums, somebody adds it up."""
    expected = find_summary(since_days(6), EVERYTHING)
    read, times = farm_rows.read_buckets, []

    def read_late(*arguments: Any) -> Any:
        times.append(1)
        if len(times) == 1:
            assert add_up(for_s=300)
        return read(*arguments)

    monkeypatch.setattr(farm_reading, "read_buckets", read_late)
    assert find_summary(since_days(6), EVERYTHING) == expected
    sees_one_moment = db.engine.dialect.name == "sqlite"
    assert len(times) == (1 if sees_one_moment else 2)


def test_what_is_not_added_up_is_counted_where_it_is_little(filled: dict[str, Any]) -> None:
    check(since_hours(6, Grain.MINUTE))
    check(since_days(6))


def test_what_happens_after_the_sums_is_in(filled: dict[str, Any], filler: Filler) -> None:
    assert add_up(for_s=300)
    job = filler.job(filled["one"], begun=utc_now())
    filler.tasks([(utc_now(), job, filled["one"])] * 5, filled["workers"])
    check(since_hours(6, Grain.MINUTE))
    check(since_days(2), Which(storefront_id=filled["one"]))


def test_what_commits_late_is_in_with_the_next_sums(filled: dict[str, Any], filler: Filler) -> None:
    assert add_up(for_s=300)
    late = utc_now() - timedelta(seconds=60)
    job = filler.job(filled["one"], begun=late - timedelta(hours=1))
    filler.tasks([(late, job, filled["one"])] * 5, filled["workers"])
    assert add_up(for_s=300)
    check(since_hours(6, Grain.MINUTE))
    check(since_days(6))


def test_adding_up_again_changes_nothing(filled: dict[str, Any]) -> None:
    assert add_up(for_s=300)
    window = since_days(6)
    before = find_figures(window, Which(), per="worker")
    for _ in range(3):
        assert add_up(for_s=300)
    after = find_figures(window, Which(), per="worker")
    assert (after.summary, after.throughput, after.groups) == (before.summary, before.throughput, before.groups)
    farm_adding.begin_anew()
    assert add_up(for_s=300)
    again = find_figures(window, Which(), per="worker")
    assert (again.summary, again.throughput, again.groups) == (before.summary, before.throughput, before.groups)


def test_two_that_add_up_at_once_count_nothing_twice(filled: dict[str, Any], in_threads: Any) -> None:
    results = in_threads([add_up] * 4)
    assert not [result for result in results if isinstance(result, Exception)]
    assert add_up(for_s=300)
    check(since_days(6))
    check(since_hours(6, Grain.MINUTE))


def test_days_are_those_of_the_shops_clocks_after_these_were_changed(filled: dict[str, Any]) -> None:
    assert add_up(for_s=300)
    db.session.execute(update(FarmMark).values(zone="Asia/Kolkata"))
    db.session.commit()
    assert add_up(for_s=300)
    check(since_days(6))


@on_sqlite
def test_what_is_much_and_not_added_up_has_to_be_waited_for(
    filled: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farm_marks, "_FEW", 10)
    with pytest.raises(NotAddedUpYet):
        find_throughput(since_hours(6), Which())
    assert add_up(for_s=300)
    assert find_summary(since_hours(6), Which()).outcomes.tasks


@on_sqlite
def test_times_of_a_stretch_are_those_of_its_visits(filled: dict[str, Any]) -> None:
    assert add_up(for_s=300)
    window, zone = since_days(6), settings().timezone
    points = {point.start_at: point.stages for point in find_times(window, Which())}
    by_day: dict[datetime, int] = Counter()
    for attempt in Truth(window.since, window.until).attempts():
        if attempt.facts:
            by_day[beginning(Grain.DAY, attempt.ended_at, zone)] += 1
    assert {at: stages["navigate"].count for at, stages in points.items()} == by_day
    assert points
    assert all(set(stages) >= {"queue", "total"} for stages in points.values())


@on_sqlite
def test_a_task_that_has_not_ended_is_in_no_figure(filled: dict[str, Any], filler: Filler) -> None:
    assert add_up(for_s=300)
    open_ones = update(table_of(Task)).where(Task.job_id == filled["jobs"][2]).values(state="READY", finished_at=None)
    db.session.execute(open_ones)
    db.session.commit()
    farm_adding.begin_anew()
    assert add_up(for_s=300)
    check(since_days(6))
    assert db.session.scalar(select(FarmBucket.succeeded).limit(1)) is not None


def test_of_a_long_past_only_what_is_kept_is_written(filler: Filler) -> None:
    now = utc_now()
    (shop,), workers = filler.shops("one"), filler.workers(2)
    job = filler.job(shop.id, begun=now - timedelta(days=500), ended=now)
    ages = [timedelta(days=days) for days in (470, 200, 60, 5)]
    filler.tasks([(now - age, job, shop.id) for age in ages for _ in range(6)], workers)
    while not add_up(for_s=60):
        pass
    db.session.rollback()
    ages_of: dict[tuple[str, bool], set[int]] = {}
    for bucket in db.session.scalars(select(FarmBucket)):
        ages_of.setdefault((bucket.grain, bucket.worker_id != ALL), set()).add((now - bucket.at).days)
    newest = {kind: max(found) for kind, found in ages_of.items()}
    assert newest[Grain.HOUR, False] == 60
    assert newest[Grain.HOUR, True] == 5
    assert newest[Grain.DAY, False] in (470, 471)
    assert newest[Grain.DAY, True] in (200, 201)
    assert purge_farm_figures() == 0
    assert not [compared for compared in compare_days(500) if compared.wrong]
