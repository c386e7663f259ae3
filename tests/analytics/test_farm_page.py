"""The page of the farm's figures: how tasks ended, and why."""

from __future__ import annotations

import random
from datetime import timedelta

from flask import Flask
from sqlalchemy import select, update

from app.analytics.queries.farm_figures import find_groups
from app.analytics.rules.farm_buckets import Grain
from app.analytics.rules.farm_figures import Outcomes, Which, Window
from app.analytics.services.farm_adding import add_up
from app.analytics.views.farm_parts import seconds
from app.core.extensions import db
from app.core.orm import utc_now
from app.products.models.products import Product
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services.outcomes import finish_task
from tests.analytics.farm_filling import Filler
from tests.analytics.page_facts import text_of, tiles
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.rpa.conftest import SUCCESS, FarmDriver, stock_master
from tests.servers import on_sqlite

pytestmark = on_sqlite
PAGE = "/admin/farm"
HOSTILE = "<script>alert(1)</script>"


def analyst(app: Flask, role: str = "analyst") -> Visitor:
    new_person(app, "ada@example.org", role=role)
    return Visitor(app, "ada@example.org")


def fill(app: Flask) -> None:
    """A storefront that three tasks of five ended on: one well, one refused, one failed."""
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        farm.storefront()
        job = farm.submit()
        farm.release()
        ends = [SUCCESS, TaskOutcome(Code.NOT_FOUND), TaskOutcome(Code.BLOCKED)]
        for task_id, outcome in zip(farm.task_ids(job), ends, strict=False):
            assert finish_task(lease=farm.leased(task_id), outcome=outcome)
        db.session.execute(update(Storefront).values(name=HOSTILE))
        db.session.commit()
        assert add_up(for_s=300)


def test_the_tiles_and_tables_say_how_tasks_ended_as_the_api_does(app: Flask) -> None:
    fill(app)
    ada = analyst(app)
    page = ada.get(PAGE).text
    shown = tiles(page)
    assert shown["Tasks"].startswith("3 Nothing before")
    assert shown["Failed"].startswith("1 ")
    assert shown["Refused"].startswith("1 ")
    rate = f"{Outcomes(succeeded=1, refused=1, failed=1).success_rate:.1f}%"
    assert shown["Success rate"].startswith(rate)
    said = text_of(page)
    assert "NOT_FOUND Refused by the shop 1 33.3% 0" in said
    assert "BLOCKED Failed 1 33.3% 0" in said
    assert f"3 1 1 1 0 0 {rate}" in said


def test_storefronts_and_workers_tell_their_codes_and_times(app: Flask) -> None:
    with app.app_context():
        stock_master()
        filler = Filler(db.session.scalar(select(Product.id).limit(1)) or 0, random.Random(2))
        (shop,), now = filler.shops("my-shop"), utc_now()
        job = filler.job(shop.id, begun=now - timedelta(hours=5))
        filler.tasks([(now - timedelta(minutes=at), job, shop.id) for at in range(1, 60)], filler.workers(2))
        assert add_up(for_s=300)
        window = Window(now - timedelta(days=30), now + timedelta(days=1), Grain.DAY)
        groups = [*find_groups(window, Which(), "storefront"), *find_groups(window, Which(), "worker")]
        summaries = {group.code if group.name == "farm-1" else group.name: group.summary for group in groups}
    said = text_of(analyst(app).get(PAGE).text)
    assert set(summaries) == {"My-Shop", "w0", "w1"}
    for name, summary in summaries.items():
        assert summary.visits
        times = f"{seconds(summary.visits.p50_ms)} s {seconds(summary.visits.p95_ms)} s"
        codes = ", ".join(f"{one.code} {one.tasks}" for one in summary.codes[:3])
        assert f"{times} {codes} " in said[said.index(f" {name} ") :]


def test_workers_of_long_ago_are_not_told_of(app: Flask) -> None:
    fill(app)
    ada = analyst(app)
    first = (utc_now() - timedelta(days=500)).date()
    page = text_of(ada.get(f"{PAGE}?from={first}").text)
    assert "By storefront" in page
    assert "By worker" not in page
    assert "Of single workers the last 400 days are kept." in page


def test_filters_are_of_a_storefront_and_a_kind(app: Flask) -> None:
    fill(app)
    ada = analyst(app)
    assert tiles(ada.get(f"{PAGE}?storefront=shop&kind=view-product").text)["Tasks"].startswith("3 ")
    assert "No task ended" in ada.get(f"{PAGE}?kind=add-to-cart").text
    answer = ada.get(f"{PAGE}?storefront=none&from=2026-02-30")
    assert answer.status_code == 422
    assert "There is no such storefront." in answer.text
    assert "is no day" in answer.text


def test_names_that_are_markup_are_only_text(app: Flask) -> None:
    fill(app)
    assert HOSTILE not in analyst(app).get(PAGE).text


def test_before_anything_was_added_up_it_says_to_come_back(app: Flask) -> None:
    page = analyst(app).get(PAGE).text
    assert "Come back in half a minute" in page or "Submit a job" in page


def test_who_may_not_read_jobs_is_refused(app: Flask) -> None:
    assert analyst(app, role="customer").get(PAGE).status_code == 403
