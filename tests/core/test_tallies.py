"""What the processes have counted: the sum is that of all of them, counts everything once and never goes back."""

from __future__ import annotations

import itertools
import threading

import pytest
from flask import Flask
from prometheus_client import Counter
from sqlalchemy import func, select

from app.core import metrics, tallies
from app.core.extensions import db
from app.core.metrics import Counts, add_counts
from app.core.tallies import PAST, Reporter, Tally, fold_tallies, read_total, report
from tests.servers import on_sqlite

_NUMBERS = itertools.count()  # a name is taken for as long as the process lives


@pytest.fixture
def counted(context: Flask, monkeypatch: pytest.MonkeyPatch) -> Counter:
    """The only thing that this process counts."""
    monkeypatch.setattr(metrics, "_DEFINED", {})
    return metrics.counter(f"test_{next(_NUMBERS)}", "A test's", ("colour",))


def _total(colour: str = "red") -> float:
    db.session.rollback()
    return sum(float(numbers[0]) for rows in read_total().values() for labels, numbers in rows if labels == [colour])


def test_what_is_reported_again_counts_once(counted: Counter) -> None:
    reporter = Reporter("worker")
    counted.labels("red").inc(2)
    for _ in range(3):
        report(reporter=reporter)
    assert _total() == 2
    counted.labels("red").inc()
    counted.labels("blue").inc(5)
    report(reporter=reporter)
    assert (_total(), _total("blue")) == (3, 5)
    assert db.session.scalar(select(func.count()).select_from(Tally)) == 1


def test_the_sum_is_that_of_all_processes_and_stays_when_they_are_gone(counted: Counter) -> None:
    counted.labels("red").inc(2)
    for kind in ("worker", "web"):  # two processes that have counted the same
        report(reporter=Reporter(kind))
    assert _total() == 4
    assert fold_tallies(idle_s=60) == 0
    assert fold_tallies(idle_s=-60) == 2
    assert fold_tallies(idle_s=-60) == 0
    assert list(db.session.scalars(select(Tally.source))) == [PAST]
    assert _total() == 4


def test_who_was_silent_for_so_long_that_it_was_taken_for_gone_counts_on_without_doubling(counted: Counter) -> None:
    reporter = Reporter("worker")
    counted.labels("red").inc(2)
    report(reporter=reporter)
    fold_tallies(idle_s=-60)
    report(reporter=reporter)
    assert _total() == 2
    for more in (1, 4):
        counted.labels("red").inc(more)
        report(reporter=reporter)
        report(reporter=reporter)
    assert _total() == 7
    fold_tallies(idle_s=-60)
    counted.labels("red").inc()
    report(reporter=reporter)
    assert _total() == 8


def test_a_report_that_fails_is_made_up_for_by_the_next_one(counted: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = Reporter("worker")
    counted.labels("red").inc(2)
    report(reporter=reporter)
    counted.labels("red").inc(3)
    with monkeypatch.context() as broken:
        broken.setattr(db.session(), "commit", _fail)
        with pytest.raises(RuntimeError):
            report(reporter=reporter)
    assert _total() == 2
    report(reporter=reporter)
    assert _total() == 5


def _fail() -> None:
    raise RuntimeError("the database went away")


def test_nobody_ever_sees_the_sum_go_back_while_rows_are_added_up(counted: Counter, context: Flask) -> None:
    counted.labels("red").inc()
    seen: list[float] = []
    done = threading.Event()

    def watch() -> None:
        with context.app_context():
            while not done.is_set():
                seen.append(_total())

    thread = threading.Thread(target=watch)
    thread.start()
    for _ in range(15):
        report(reporter=Reporter("worker"))
        fold_tallies(idle_s=-60)
    done.set()
    thread.join(timeout=30)
    assert _total() == 15
    assert len(seen) > 3
    assert seen == sorted(seen)


@on_sqlite
def test_numbers_of_another_version_with_other_bounds_give_way_to_the_present_ones(context: Flask) -> None:
    old: Counts = {"h": [[["a"], [1.0, 2.0, 9.0]]], "gone": [[[], [7.0]]]}
    new: Counts = {"h": [[["a"], [1.0, 2.0, 3.0, 9.0]], [["b"], [1.0, 1.0, 1.0, 1.0]]]}
    assert add_counts(old, new, new) == {
        "h": [[["a"], [2.0, 4.0, 6.0, 18.0]], [["b"], [2.0, 2.0, 2.0, 2.0]]],
        "gone": [[[], [7.0]]],
    }
    assert tallies.IDLE_S == 86_400
