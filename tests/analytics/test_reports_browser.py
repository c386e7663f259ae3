"""Pages of reports in a real browser: a chart for each currency, mails that failed, and what people left behind."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from selenium import webdriver
from selenium.webdriver.common.by import By
from sqlalchemy import update

from app.analytics.queries import report_mailing
from app.analytics.services import report_firing, reports
from app.analytics.services.report_runs import NoPicture, run_report
from app.auth.models import User
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.permissions import CATALOGUE, Principal
from tests.analytics.facts import record, sale
from tests.analytics.report_people import ANALYST, Someone, add_someone
from tests.browsing import complaints, log_in, served, started_chrome, wait_for
from tests.servers import on_sqlite

pytestmark = on_sqlite

CHECKS: Final = (Path(__file__).parents[1] / "auth" / "page_checks.js").read_text()
PICTURES: Final = os.environ.get("CHART_PICTURES")
"""A folder: where it is named, the pages are kept as pictures to look at."""
SALES: Final[dict[str, Any]] = {"kind": "sales_by_day", "period": "last_days", "days": 14, "filters": {}}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path) as driver:
        yield driver


def principal(someone: Someone) -> Principal:
    name = someone.email
    return Principal(kind="user", id=someone.id, user_id=someone.id, name=name, permissions=frozenset(CATALOGUE))


def no_picture(_drawing: dict[str, Any]) -> bytes:
    raise NoPicture("There is no browser here.")


def make_failed(app: Flask, me: Someone) -> int:
    """A report in two currencies of which a mail did not get through."""
    with app.app_context():
        now = utc_now()
        record(facts=[sale(now - timedelta(days=at), gross_minor=1250 * at) for at in range(1, 9)])
        record(facts=[sale(now - timedelta(days=at), gross_minor=900 * at, currency="JPY") for at in range(1, 9)])
        report_id = reports.create_report(actor=principal(me), name="Days", recipients=(me.id,), **SALES).id
        run_id = report_firing.run_now(actor=principal(me), report_id=report_id).id
        run_report(run_id=run_id, take_picture=no_picture)
        failed = update(Outbox).where(Outbox.kind == report_mailing.MAIL)
        db.session.execute(failed.values(last_error="SMTPRecipientsRefused: no such mailbox", attempts=20))
        db.session.commit()
    return report_id


def leave_behind(app: Flask) -> None:
    gone = add_someone(app, "gone@example.org", ANALYST)
    with app.app_context():
        name = "What the shop in the old town sold of everything that is made of porcelain"
        reports.create_report(actor=principal(gone), name=name, **SALES)
        db.session.execute(update(User).where(User.id == gone.id).values(is_active=False))
        db.session.commit()


def looked_at(chrome: webdriver.Chrome, address: str, name: str) -> list[str]:
    """What is wrong with a page on a phone in the dark look and on a screen in the light one."""
    found: list[str] = []
    for width, theme in ((360, "dark"), (1440, "light")):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        chrome.get(address)
        wait_for(chrome, partial(is_drawn, theme=theme))
        found += [*chrome.execute_script(CHECKS), *complaints(chrome)]
        if PICTURES:
            shot = chrome.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
            Path(PICTURES, f"{name}-{width}.png").write_bytes(base64.b64decode(shot["data"]))
    return found


def is_drawn(chrome: webdriver.Chrome, *, theme: str) -> bool:
    figures = chrome.find_elements(By.CSS_SELECTOR, "figure[data-chart-url]")
    return all((figure.get_dom_attribute("data-chart-drawn") or "").startswith(theme) for figure in figures)


def test_a_report_shows_a_chart_for_each_currency_and_tries_failed_mails_again(
    app: Flask, browser: webdriver.Chrome
) -> None:
    me = add_someone(app, "me@example.org", ANALYST)
    report_id = make_failed(app, me)
    with served(app) as address:
        log_in(browser, address, me.email)
        assert looked_at(browser, f"{address}/admin/reports/{report_id}", "report") == []
        titles = [each.text for each in browser.find_elements(By.CSS_SELECTOR, ".chart h2")]
        captions = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "[data-chart-caption]")]
        assert titles == ["Chart in JPY", "Chart in USD"]
        assert captions == [
            "In JPY; there are figures in USD as well.",
            "In USD; there are figures in JPY as well.",
        ]
        assert "Given up" in browser.find_element(By.TAG_NAME, "main").text
        browser.find_element(By.XPATH, "//button[contains(., 'Try again now')]").click()
        wait_for(browser, lambda shown: "tried again now" in shown.find_element(By.TAG_NAME, "main").text)
    with app.app_context():
        assert db.session.query(Outbox).filter_by(kind=report_mailing.MAIL).one().attempts == 0


def test_what_people_left_behind_is_taken_over_by_a_press(app: Flask, browser: webdriver.Chrome) -> None:
    admin = add_someone(app, "admin@example.org", ANALYST | {"users:write"})
    leave_behind(app)
    with served(app) as address:
        log_in(browser, address, admin.email)
        assert looked_at(browser, f"{address}/admin/reports/left", "left") == []
        browser.find_element(By.XPATH, "//button[contains(., 'Take over')]").click()
        wait_for(browser, lambda shown: "The report is yours now" in shown.find_element(By.TAG_NAME, "main").text)
