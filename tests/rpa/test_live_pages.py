"""Pages that keep themselves up to date, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from selenium import webdriver
from selenium.webdriver.common.by import By

from app.core import permissions
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services import controlling, ending
from app.rpa.services.outcomes import finish_task
from tests.auth.people import new_person
from tests.browsing import complaints, log_in, served, started_chrome, wait_for
from tests.rpa.conftest import SUCCESS, FarmDriver, stock_master
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path_factory.mktemp("chrome")) as driver:
        yield driver


@pytest.fixture
def running(app: Flask) -> tuple[FarmDriver, int]:
    """A job that runs."""
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        farm.storefront()
        job = farm.submit()
        farm.release()
        return farm, job.id


@contextmanager
def shown(app: Flask, browser: webdriver.Chrome, path: str) -> Iterator[None]:
    """A page of the application as an operator sees it."""
    new_person(app, "ada@example.org", role="farm operator")
    with served(app) as address:
        browser.get(f"{address}/healthz")
        browser.delete_all_cookies()
        log_in(browser, address, "ada@example.org")
        browser.get(address + path)
        complaints(browser)
        yield


def finish(farm: FarmDriver, job_id: int, *places: int, outcome: TaskOutcome = SUCCESS) -> None:
    with farm.app.app_context():
        ids = farm.task_ids(farm.job(job_id))
        for at in places:
            assert finish_task(lease=farm.leased(ids[at]), outcome=outcome)
        ending.finish_jobs()


def test_a_job_shows_its_progress_by_itself_until_it_has_ended(
    app: Flask, browser: webdriver.Chrome, running: tuple[FarmDriver, int]
) -> None:
    farm, job_id = running
    with shown(app, browser, f"/admin/jobs/{job_id}"):
        browser.execute_script("window.isStill = true")
        assert "0 of 5" in browser.find_element(By.ID, "job-progress").text
        finish(farm, job_id, 0, 1)
        wait_for(browser, lambda chrome: "2 of 5" in chrome.find_element(By.ID, "job-progress").text)
        assert browser.find_element(By.ID, "job-tasks").text.count("Succeeded") == 2
        finish(farm, job_id, 2, 3, 4, outcome=TaskOutcome(Code.NOT_FOUND))
        wait_for(browser, lambda chrome: "5 of 5" in chrome.find_element(By.ID, "job-progress").text)
        wait_for(browser, lambda chrome: not chrome.find_elements(By.CSS_SELECTOR, "[data-live]"))
        assert browser.find_elements(By.CSS_SELECTOR, "#job-head form") == []
        assert browser.execute_script("return window.isStill") is True
        assert complaints(browser) == []


def test_a_question_that_is_open_stays_open_while_the_rest_goes_on(
    app: Flask, browser: webdriver.Chrome, running: tuple[FarmDriver, int]
) -> None:
    farm, job_id = running
    with shown(app, browser, f"/admin/jobs/{job_id}"):
        browser.find_element(By.CSS_SELECTOR, "#job-head details.confirm summary").click()
        finish(farm, job_id, 0)
        with app.app_context():
            controlling.pause_job(actor=permissions.system(), job_id=job_id)
        wait_for(browser, lambda chrome: "1 of 5" in chrome.find_element(By.ID, "job-progress").text)
        yes = browser.find_element(By.CSS_SELECTOR, "#job-head details.confirm button")
        assert yes.is_displayed()
        yes.click()
        wait_for(browser, lambda chrome: "being cancelled" in chrome.find_element(By.ID, "main").text)


def test_the_list_of_jobs_follows_too_and_stops_where_the_login_has_ended(
    app: Flask, browser: webdriver.Chrome, running: tuple[FarmDriver, int]
) -> None:
    farm, job_id = running
    with shown(app, browser, "/admin/jobs"):
        finish(farm, job_id, 0)
        wait_for(browser, lambda chrome: "1 of 5" in chrome.find_element(By.ID, "jobs").text)
        browser.delete_all_cookies()
        asked = "return performance.getEntriesByName(location.href, 'resource').length"
        before = browser.execute_script(asked)
        wait_for(browser, lambda chrome: chrome.execute_script(asked) > before)
        finish(farm, job_id, 1)
        assert "1 of 5" in browser.find_element(By.ID, "jobs").text
        assert browser.current_url.endswith("/admin/jobs")
