"""``flask storefront`` and ``flask job``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app.rpa.codes import Code
from app.rpa.queries.storefronts import find_storefront, get_storefront
from app.rpa.readings import TaskOutcome
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
