"""``flask storefront`` and ``flask job``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.permissions import system
from app.products.services.filters import create_filter
from app.rpa.models.jobs import Job
from app.rpa.queries.storefronts import find_storefront, get_storefront
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services import ending
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import ASINS, FarmDriver, profile, stock_master
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


def run(app: Flask, *arguments: str, text: str = "") -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=text)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(profile()))
    return path


def test_a_storefront_is_created_listed_and_given_a_new_profile(app: Flask, document: Path) -> None:
    created = run(app, "storefront", "create", str(document), "--code", "shop", "--name", "My shop")
    assert (created.exit_code, created.output) == (0, "storefront 1 shop\n")
    assert "My shop" in run(app, "storefront", "list").output
    document.write_text(json.dumps(profile(pace={"gap_ms": 250, "concurrency": 2})))
    updated = run(app, "storefront", "update", "shop", str(document), "--inactive")
    assert (updated.exit_code, updated.output) == (0, "storefront 1 shop version 2\n")
    with app.app_context():
        row = get_storefront(1)
        assert (row.name, row.gap_ms, row.is_active) == ("My shop", 250, False)


def test_mistakes_in_a_profile_are_named_and_nothing_is_made(app: Flask, document: Path) -> None:
    document.write_text(json.dumps(profile(currency="EURO", surprise=1)))
    refused = run(app, "storefront", "create", str(document), "--code", "shop")
    assert refused.exit_code == 1
    assert "/profile/currency" in refused.output
    assert "/profile/surprise" in refused.output
    document.write_text("{")
    assert "is not JSON" in run(app, "storefront", "create", str(document), "--code", "shop").output
    with app.app_context():
        assert find_storefront("shop") is None


def test_a_second_storefront_of_a_code_and_an_update_of_none_are_refused(app: Flask, document: Path) -> None:
    run(app, "storefront", "create", str(document), "--code", "shop")
    again = run(app, "storefront", "create", str(document), "--code", "shop")
    assert again.exit_code == 1
    assert "shop" in again.output
    missing = run(app, "storefront", "update", "other", str(document))
    assert (missing.exit_code, missing.output) == (1, "Error: There is no storefront other; create it first.\n")


def test_a_job_is_submitted_shown_with_its_codes_and_cancelled(app: Flask, document: Path) -> None:
    run(app, "storefront", "create", str(document), "--code", "shop")
    with app.app_context():
        stock_master()
    text = f"{ASINS[0]}\n{ASINS[0]}\n\nXX\n"
    submitted = run(app, "job", "submit", "view-product", "--storefront", "shop", "--asins-file", "-", text=text)
    assert (submitted.exit_code, submitted.output) == (0, "job 1: 1 tasks\n")
    assert "job 2: 5 tasks" in run(app, "job", "submit", "view-product", "--storefront", "shop", "--all").output
    with app.app_context():
        driver = FarmDriver(app)
        job = driver.submit([ASINS[1]])
        driver.release()
        finish_task(lease=driver.leased(driver.task_ids(job)[0]), outcome=TaskOutcome(Code.BLOCKED))
    shown = run(app, "job", "show", "3").output
    assert "failed" in shown
    assert "BLOCKED" in shown
    assert "CANCELLING" in run(app, "job", "cancel", "2").output


def test_unusable_submissions_are_refused_in_a_sentence(app: Flask, document: Path) -> None:
    nowhere = run(app, "job", "submit", "view-product", "--storefront", "nowhere", "--asin", ASINS[0])
    assert (nowhere.exit_code, nowhere.output) == (1, "Error: storefront names no active storefront.\n")
    neither = run(app, "job", "submit", "view-product", "--storefront", "shop")
    assert neither.exit_code == 2
    assert run(app, "job", "show", "99").output == "Error: There is no such job.\n"


@pytest.fixture
def shop(app: Flask, document: Path) -> None:
    """A storefront, and five products."""
    run(app, "storefront", "create", str(document), "--code", "shop")
    with app.app_context():
        stock_master()


def test_a_job_is_paused_resumed_cancelled_retried_and_cloned(app: Flask, shop: None) -> None:
    run(app, "job", "submit", "view-product", "--storefront", "shop", "--all", "--priority", "low", "--deadline", "2d")
    assert run(app, "job", "retry", "1").output.startswith("Error: The job is PREPARING")
    assert run(app, "job", "pause", "1").output == "job 1: PAUSED\n"
    shown = run(app, "job", "show", "1").output
    assert "Paused by system" in shown
    assert "unknown: no worker is alive (3.0 s a page, a default)" in shown
    assert run(app, "job", "resume", "1").output == "job 1: PREPARING\n"
    run(app, "job", "cancel", "1")
    refused = run(app, "job", "pause", "1")
    assert (refused.exit_code, refused.output) == (
        1, "Error: A job that is CANCELLING cannot pause; nothing can be asked of it.\n"
    )  # fmt: skip
    with app.app_context():
        ending.finish_jobs()
    assert run(app, "job", "retry", "1").exit_code == 1
    assert run(app, "job", "retry", "1", "--outcome", "CANCELLED").output == "job 2: 5 tasks\n"
    assert run(app, "job", "clone", "1", "--name", "Once more").output == "job 3: 5 tasks\n"
    with app.app_context():
        assert [
            (job.name, job.parent_id, job.priority) for job in db.session.scalars(select(Job).order_by(Job.id))
        ] == [
            ("view-product on shop", None, "low"),
            ("Retry of view-product on shop", 1, "low"),
            ("Once more", 1, "low"),
        ]


def test_a_job_is_submitted_over_a_saved_filter(app: Flask, shop: None) -> None:
    with app.app_context():
        saved = create_filter(actor=system(), now=utc_now(), name="Hearth", which={"brand": "Hearth"}).id
    submit = ("job", "submit", "view-product", "--storefront", "shop")
    assert run(app, *submit, "--filter", str(saved)).output == "job 1: 5 tasks\n"
    assert run(app, *submit, "--filter", "99").output == "Error: product_filter_id names no saved filter.\n"
    assert run(app, *submit, "--category", "99").output == "Error: products/category There is no category 99.\n"
    assert run(app, *submit, "--filter", str(saved), "--all").exit_code == 2
    assert run(app, *submit, "--all", "--deadline", "soon").exit_code == 2


def test_a_plan_says_how_many_workers_it_needs_or_why_it_is_impossible(app: Flask, document: Path) -> None:
    document.write_text(json.dumps(profile(pace={"gap_ms": 5000, "concurrency": 4})))
    run(app, "storefront", "create", str(document), "--code", "shop")
    plan = ("farm", "plan", "--storefront", "shop", "--deadline", "6h")
    possible = run(app, *plan, "--products", "4000")
    assert (possible.exit_code, possible.output.splitlines()[-1]) == (0, "Workers needed: 1")
    assert "3.0 s (a default: this storefront was not visited yet); 0 workers are alive" in possible.output
    impossible = run(app, *plan, "--products", "100000")
    assert impossible.exit_code == 1
    assert "one start per 5 s allows 4,320 pages in 6 h; 100,000 take 5 d 18 h." in impossible.output
    assert "possible with a deadline of at least 5 d 18 h, or at most 4,320 products" in impossible.output
    assert run(app, "farm", "plan", "--storefront", "x", "--deadline", "6h", "--products", "1").output == (
        "Error: There is no storefront x.\n"
    )
    assert run(app, *plan[:-1], "10s", "--products", "1").exit_code == 2


def test_politeness_is_shown_and_changed_and_what_is_not_named_stays(app: Flask, document: Path) -> None:
    run(app, "storefront", "create", str(document), "--code", "shop")
    assert "at any hour" in run(app, "storefront", "politeness", "shop").output
    window = ["--hours", "fri-mon 22:00-06:00", "--timezone", "Europe/Berlin"]
    changed = run(app, "storefront", "politeness", "shop", *window, "--daily-cap", "50")
    assert "fri,sat,sun,mon 22:00-06:00 Europe/Berlin" in changed.output
    assert "0 pages today (at most 50, Europe/Berlin)" in changed.output
    ignored = run(app, "storefront", "politeness", "shop", "--ignore-robots", "Agreed by phone.")
    assert "ignores robots.txt: Agreed by phone. (system)" in ignored.output
    with app.app_context():
        row = get_storefront(1)
        assert (row.daily_cap, row.timezone, row.obeys_robots, row.version) == (50, "Europe/Berlin", False, 3)
    obeyed = run(app, "storefront", "politeness", "shop", "--obey-robots", "--any-hour", "--daily-cap", "0")
    assert "obeys robots.txt" in obeyed.output
    assert "at any hour" in obeyed.output
    assert "(no cap, Europe/Berlin)" in obeyed.output


@pytest.mark.parametrize(
    "options",
    [["--hours", "someday 1-2"], ["--hours", "mon 06:00-06:00"], ["--timezone", "Moon"], ["--daily-cap", "1"],
     ["--ignore-robots", ""], ["--ignore-robots", "why", "--obey-robots"]],
)  # fmt: skip
def test_politeness_that_breaks_a_rule_changes_nothing(app: Flask, document: Path, options: list[str]) -> None:
    run(app, "storefront", "create", str(document), "--code", "shop")
    assert run(app, "storefront", "politeness", "shop", *options).exit_code != 0
    with app.app_context():
        assert get_storefront(1).version == 1


def test_robots_txt_is_shown_and_asked_for_again(app: Flask, document: Path) -> None:
    run(app, "storefront", "create", str(document), "--code", "shop")
    shown = run(app, "storefront", "robots", "shop", "--asin", "B000000001", "--refresh")
    assert shown.exit_code == 0
    assert "http://shop.example/robots.txt: UNREAD" in shown.output
    assert "http://shop.example/dp/B000000001: not known yet" in shown.output
    with app.app_context():
        assert db.session.scalars(select(Outbox.kind)).all() == ["refresh_robots"]
