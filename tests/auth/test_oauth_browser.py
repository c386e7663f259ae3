"""Logging in by a real OpenID provider in a real browser, and connecting and disconnecting an account there.

The provider is reached as ``localhost`` and we as ``127.0.0.1``: to a browser these are two sites, as in real life.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from typing import Any, Final

import pytest
from flask import Flask
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from sqlalchemy import select
from werkzeug.serving import make_server

from app.auth.models import OauthIdentity, Session, User
from app.auth.services import oauth_client
from app.config_groups import CHROME_SHELL, CHROMEDRIVER
from app.core.extensions import db
from tests.auth.oidc import real_provider
from tests.auth.test_oauth_login import add_provider
from tests.conftest import Admin
from tests.servers import on_sqlite

SHOWN_S: Final = 20
ADA: Final = {"sub": "ada", "name": "Ada L.", "email": "ada@example.org", "email_verified": True}
EVE: Final = {"sub": "eve", "name": "Eve", "email": "admin@example.org", "email_verified": False}
ADMIN: Final = {"sub": "boss", "name": "Boss", "email": "boss@acme.example", "email_verified": False}

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


@pytest.fixture
def address(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the application is served, which is what it takes for its public address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setitem(app.extensions, "settings", dataclasses.replace(app.extensions["settings"], public_url=url))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield url
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def acme(app: Flask) -> Iterator[str]:
    oauth_client.forget_descriptions()
    with real_provider(ADA, EVE, ADMIN) as issuer:
        add_provider(app, issuer)
        yield issuer


@pytest.fixture
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = os.environ.get("CHROME_BINARY", CHROME_SHELL)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if os.geteuid() == 0:  # this test is about pages, not about the browser's sandbox
        options.add_argument("--no-sandbox")
    folder = str(tmp_path_factory.mktemp("chrome"))
    environ = {**os.environ, "TMPDIR": folder, "SE_OFFLINE": "true", "SE_AVOID_STATS": "true"}
    driver = webdriver.Chrome(options, Service(os.environ.get("CHROMEDRIVER", CHROMEDRIVER), env=environ))
    driver.set_page_load_timeout(20)
    yield driver
    driver.quit()


def waiting(chrome: webdriver.Chrome) -> WebDriverWait[webdriver.Chrome]:
    """Waits that outlast a page that is just being replaced by the next."""
    return WebDriverWait(chrome, SHOWN_S, ignored_exceptions=(NoSuchElementException, StaleElementReferenceException))


def click(chrome: webdriver.Chrome, xpath: str) -> None:
    waiting(chrome).until(lambda browser: browser.find_element(By.XPATH, xpath).is_displayed())
    chrome.find_element(By.XPATH, xpath).click()


def choose(chrome: webdriver.Chrome, acme: str, subject: str) -> None:
    """On the provider's page, be somebody."""
    wait_for_address(chrome, f"{acme}/oauth2/authorize")
    click(chrome, f"//button[@value='{subject}']")


def wait_for_address(chrome: webdriver.Chrome, beginning: str) -> None:
    waiting(chrome).until(lambda browser: browser.current_url.startswith(beginning))


def body(chrome: webdriver.Chrome) -> str:
    shown: str = waiting(chrome).until(lambda browser: browser.find_element(By.TAG_NAME, "main").text)
    return shown


def console(chrome: webdriver.Chrome, address: str) -> list[Any]:
    """What our own pages complained about."""
    return [entry for entry in chrome.get_log("browser") if address in entry["message"]]  # type: ignore[no-untyped-call]


def test_somebody_new_logs_in_and_lands_where_they_wanted_to_go(
    app: Flask, chrome: webdriver.Chrome, address: str, acme: str
) -> None:
    chrome.get(f"{address}/account/connections")
    wait_for_address(chrome, f"{address}/login?next=")
    click(chrome, "//a[normalize-space()='Continue with Acme ID']")
    choose(chrome, acme, "ada")
    wait_for_address(chrome, f"{address}/account/connections")
    assert "ada@example.org" in body(chrome)
    assert console(chrome, address) == []
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert (user.email, user.name, user.password_hash) == ("ada@example.org", "Ada L.", "")
        assert db.session.scalars(select(Session.via)).one() == "oauth:acme"


def test_somebody_whose_address_is_not_verified_there_reads_what_to_do(
    app: Flask, chrome: webdriver.Chrome, address: str, acme: str, admin: Admin
) -> None:
    chrome.get(f"{address}/login")
    click(chrome, "//a[normalize-space()='Continue with Acme ID']")
    choose(chrome, acme, "eve")
    wait_for_address(chrome, f"{address}/login/with/acme/callback")
    assert "Acme ID has not verified your email address" in body(chrome)
    click(chrome, "//a[normalize-space()='Back to log in']")
    wait_for_address(chrome, f"{address}/login")
    with app.app_context():
        assert db.session.scalars(select(OauthIdentity)).all() == []
        assert db.session.scalars(select(Session)).all() == []


def test_somebody_who_declines_there_is_back_on_the_log_in_page(
    chrome: webdriver.Chrome, address: str, acme: str
) -> None:
    chrome.get(f"{address}/login")
    click(chrome, "//a[normalize-space()='Continue with Acme ID']")
    wait_for_address(chrome, f"{acme}/oauth2/authorize")
    click(chrome, "//button[@value='deny']")
    wait_for_address(chrome, f"{address}/login")
    assert "Try again." in body(chrome)  # this provider's refusal has no state, so it answers to nothing


def test_an_account_is_connected_used_and_disconnected(
    app: Flask, chrome: webdriver.Chrome, address: str, acme: str, admin: Admin
) -> None:
    chrome.get(f"{address}/login?next=/account/connections")
    chrome.find_element(By.NAME, "email").send_keys(admin.email)
    chrome.find_element(By.NAME, "password").send_keys(admin.password)
    chrome.find_element(By.NAME, "password").submit()
    wait_for_address(chrome, f"{address}/account/connections")
    click(chrome, "//button[normalize-space()='Connect Acme ID']")
    choose(chrome, acme, "boss")
    wait_for_address(chrome, f"{address}/account/connections")
    assert "Your account at Acme ID is connected" in body(chrome)
    assert console(chrome, address) == []
    chrome.delete_all_cookies()
    chrome.get(f"{address}/login?next=/account/connections")
    click(chrome, "//a[normalize-space()='Continue with Acme ID']")
    choose(chrome, acme, "boss")
    wait_for_address(chrome, f"{address}/account/connections")
    click(chrome, "//summary[normalize-space()='Disconnect']")
    click(chrome, "//button[normalize-space()='Disconnect it']")
    waiting(chrome).until(lambda browser: "The account is disconnected." in body(browser))
    with app.app_context():
        assert db.session.scalars(select(OauthIdentity)).all() == []
        assert set(db.session.scalars(select(Session.user_id))) == {admin.id}
