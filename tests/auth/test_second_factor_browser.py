"""The second factor and passkeys in a real browser, as a person uses them; the passkeys are Chrome's virtual ones."""

from __future__ import annotations

import base64
import dataclasses
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from flask import Flask
from selenium import webdriver
from selenium.common.exceptions import JavascriptException, StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions
from selenium.webdriver.support.ui import WebDriverWait
from sqlalchemy import select
from werkzeug.serving import make_server

from app import create_app
from app.auth.models import Passkey, RememberedDevice
from app.config import Accounts, Settings
from app.config_groups import CHROME_FULL, CHROMEDRIVER
from app.core.extensions import db
from tests.auth.people import PASSWORD, Person, new_person
from tests.servers import on_sqlite

SHOWN_S: Final = 10

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


@dataclasses.dataclass
class Site:
    """The application as a browser reaches it."""

    app: Flask
    address: str


@pytest.fixture
def site(app: Flask, settings: Settings) -> Iterator[Site]:
    """The application at http://localhost:port, where browsers allow passkeys; staff needs a second factor."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    address = f"http://localhost:{server.server_port}"
    accounts = Accounts(staff_second_factor=True)
    server.app = create_app(dataclasses.replace(settings, public_url=address, accounts=accounts))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(server.app, address)
    server.shutdown()
    server.server_close()
    thread.join(10)
    with server.app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = os.environ.get("CHROME_FULL_BINARY", CHROME_FULL)
    options.add_argument("--headless=new")
    options.add_argument("--window-size=1280,1600")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if os.geteuid() == 0:  # this test is about pages, not about the browser's sandbox
        options.add_argument("--no-sandbox")
    folder = str(tmp_path_factory.mktemp("chrome"))
    environ = {**os.environ, "TMPDIR": folder, "HOME": folder, "SE_OFFLINE": "true", "SE_AVOID_STATS": "true"}
    driver = webdriver.Chrome(options, Service(os.environ.get("CHROMEDRIVER", CHROMEDRIVER), env=environ))
    driver.set_page_load_timeout(20)
    yield driver
    driver.quit()


@pytest.fixture
def chrome(browser: webdriver.Chrome, site: Site) -> webdriver.Chrome:
    """The browser, without cookies (they know no ports, so those of another test would be sent)."""
    browser.get(f"{site.address}/static/img/cartwright.svg")
    browser.delete_all_cookies()
    browser.get_log("browser")  # type: ignore[no-untyped-call]  # what an earlier test caused is read away
    return browser


@pytest.fixture
def ada(site: Site) -> Person:
    """An administrator, whose role needs a second factor."""
    return new_person(site.app, "ada@example.org", role="admin")


@pytest.fixture
def phone(chrome: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """The browser with a device that unlocks by a fingerprint."""
    options = VirtualAuthenticatorOptions(
        transport="internal", has_resident_key=True, has_user_verification=True, is_user_verified=True
    )
    chrome.add_virtual_authenticator(options)
    yield chrome
    chrome.remove_virtual_authenticator()


class Visitor:
    """What somebody does with the pages."""

    def __init__(self, chrome: webdriver.Chrome, site: Site) -> None:
        self.chrome, self.site = chrome, site

    def open(self, path: str) -> None:
        self.chrome.get(self.site.address + path)

    def wait_for(self, path: str) -> None:
        """Wait until the page with this path is there."""
        self._until(
            lambda: self.chrome.current_url.removeprefix(self.site.address).partition("?")[0] == path,
            f"{path} did not come",
        )

    def text(self) -> str:
        return str(self.chrome.execute_script("return document.body ? document.body.innerText : ''"))

    def wait_for_text(self, words: str) -> None:
        """Wait until the page says this."""
        self._until(lambda: words in self.text(), f"{words!r} was not said")

    def find(self, selector: str) -> Any:
        """An element of the page, as soon as it is there."""
        self._until(lambda: bool(self.chrome.find_elements(By.CSS_SELECTOR, selector)), f"there is no {selector}")
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def type(self, name: str, words: str) -> None:
        field = self.find(f"main input[name={name}]:not([type=hidden])")
        field.clear()
        field.send_keys(words)

    def press(self, label: str) -> None:
        """Press the button, or follow the link, that says this."""
        self._until(lambda: self._press(label), f"nothing says {label!r}")

    def _press(self, label: str) -> bool:
        parts = self.chrome.find_elements(By.CSS_SELECTOR, "main button, main a, main summary")
        found = next((part for part in parts if part.is_displayed() and part.text.strip() == label), None)
        if found is not None:
            found.click()
        return found is not None

    def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        """Wait for something; a page that goes away meanwhile is no failure."""
        wait = WebDriverWait(self.chrome, SHOWN_S, 0.05, (StaleElementReferenceException, JavascriptException))
        try:
            wait.until(lambda _: done())
        except TimeoutException:
            pytest.fail(f"{otherwise}; this is {self.chrome.current_url}: {self.text()[:500]}")

    def log_in(self, person: Person, *, to: str = "/account/second-factor") -> None:
        self.open(f"/login?next={to}")
        self.type("email", person.email)
        self.type("password", PASSWORD)
        self.press("Log in")

    def log_out(self) -> None:
        """Leave the session, not the device: as the browser's own cookie of the session goes."""
        self.chrome.delete_cookie("cartwright")

    def set_up_app(self, person: Person) -> None:
        """Set up an authenticator app through the pages, with the secret that is shown for typing."""
        self.press("Set up an app")
        self.wait_for("/account/second-factor/app")
        person.secret = self.find("#totp-secret").text
        person.used = person.code()
        self.type("code", person.used)
        self.press("Finish")
        self.wait_for_text("Keep these codes")
        person.codes = self.find("#recovery-codes").text.split()

    def complaints(self) -> list[Any]:
        """What the pages' scripts and policies said; refusals that a test asks for are no complaint."""
        log = self.chrome.get_log("browser")  # type: ignore[no-untyped-call]
        return [one for one in log if "Failed to load resource" not in one["message"]]


@pytest.fixture
def visitor(chrome: webdriver.Chrome, site: Site) -> Visitor:
    return Visitor(chrome, site)


def test_an_app_is_set_up_and_its_codes_log_in(site: Site, ada: Person, visitor: Visitor) -> None:
    visitor.log_in(ada)
    visitor.wait_for("/account/second-factor")
    visitor.wait_for_text("Your role “admin” needs a second factor.")
    visitor.press("Set up an app")
    picture = visitor.find("main img[alt^='QR']")
    assert picture.get_attribute("src").startswith("data:image/svg+xml;base64,")
    assert picture.get_property("naturalWidth") > 100, "the policy lets it be shown"
    visitor.open("/account/second-factor")
    visitor.set_up_app(ada)
    assert len(ada.codes) == 10
    visitor.press("I have kept them")
    visitor.wait_for("/account/second-factor")
    visitor.wait_for_text("10 recovery codes left")
    visitor.log_out()
    visitor.log_in(ada)
    visitor.wait_for("/login/code")
    visitor.type("code", ada.used)
    visitor.press("Continue")
    visitor.wait_for_text("wrong, too old or was used before")
    visitor.type("code", ada.code(steps=1))
    visitor.press("Continue")
    visitor.wait_for("/account/second-factor")
    assert visitor.complaints() == []


def test_a_recovery_code_logs_in_and_a_remembered_browser_needs_none(site: Site, ada: Person, visitor: Visitor) -> None:
    visitor.log_in(ada)
    visitor.set_up_app(ada)
    visitor.log_out()
    visitor.log_in(ada)
    visitor.type("code", ada.codes[0].upper().replace("-", " "))
    visitor.find("main input[name=remember]").click()
    visitor.press("Continue")
    visitor.wait_for("/account/second-factor")
    visitor.wait_for_text("9 recovery codes left")
    assert "Chrome" in visitor.find("section[aria-labelledby=devices-title]").text
    cookie: Any = visitor.chrome.get_cookie("cartwright-device")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    visitor.log_out()
    visitor.log_in(ada)
    visitor.wait_for("/account/second-factor")
    visitor.press("Forget")
    visitor.wait_for_text("That device needs a code at its next log-in.")
    with site.app.app_context():
        assert db.session.scalars(select(RememberedDevice)).all() == []
    visitor.log_out()
    visitor.log_in(ada)
    visitor.wait_for("/login/code")


def test_who_needs_a_second_factor_is_led_to_it_and_back(site: Site, ada: Person, visitor: Visitor) -> None:
    visitor.log_in(ada, to="/account/second-factor?next=/account/sessions")
    visitor.set_up_app(ada)
    visitor.press("I have kept them")
    visitor.wait_for("/account/sessions")


def test_a_passkey_is_added_and_logs_in_without_a_password(
    site: Site, ada: Person, phone: webdriver.Chrome, visitor: Visitor
) -> None:
    visitor.log_in(ada)
    visitor.type("name", "Fingerprint")
    visitor.press("Add a passkey")
    visitor.wait_for_text("Fingerprint")
    visitor.wait_for_text("The passkey is added")
    assert len(phone.get_credentials()) == 1
    visitor.log_out()
    visitor.open("/login?next=/account/second-factor")
    visitor.press("Log in with a passkey")
    visitor.wait_for("/account/second-factor")
    assert "You logged in without your second factor" not in visitor.text()
    with site.app.app_context():
        passkey = db.session.scalars(select(Passkey)).one()
        assert (passkey.name, passkey.last_used_at is None) == ("Fingerprint", False)
    assert visitor.complaints() == []


def test_a_passkey_that_its_owner_did_not_unlock_opens_nothing(
    site: Site, ada: Person, phone: webdriver.Chrome, visitor: Visitor
) -> None:
    visitor.log_in(ada)
    visitor.type("name", "Fingerprint")
    visitor.press("Add a passkey")
    visitor.wait_for_text("Fingerprint")
    visitor.log_out()
    phone.set_user_verified(False)
    visitor.open("/login?next=/account/second-factor")
    visitor.press("Log in with a passkey")
    visitor.wait_for_text("No passkey was used. Try again when you are ready.")
    visitor.open("/account/second-factor")
    visitor.wait_for("/login")


def test_a_forged_answer_of_the_login_form_opens_nothing(site: Site, ada: Person, visitor: Visitor) -> None:
    visitor.open("/login")
    credential = base64.b64encode(b'{"id": "AAAA"}').decode()
    visitor.chrome.execute_script(
        """const form = document.querySelector("form[data-passkey]");
        form.elements.challenge.value = "no such question";
        form.elements.credential.value = atob(arguments[0]);
        HTMLFormElement.prototype.submit.call(form);""",
        credential,
    )
    visitor.wait_for_text("The passkey was not accepted")
    visitor.open("/account/second-factor")
    visitor.wait_for("/login")


def test_a_passkey_confirms_who_one_is_and_can_be_renamed_and_removed(
    site: Site, ada: Person, phone: webdriver.Chrome, visitor: Visitor
) -> None:
    visitor.log_in(ada)
    visitor.set_up_app(ada)
    visitor.open("/account/second-factor")
    visitor.type("name", "Fingerprint")
    visitor.press("Add a passkey")
    visitor.wait_for_text("Fingerprint")
    visitor.open("/confirm?next=/account/second-factor")
    visitor.press("Use a passkey")
    visitor.wait_for("/account/second-factor")
    visitor.press("Rename")
    field = visitor.find("input[id^=name-]")
    field.clear()
    field.send_keys("Thumb")
    visitor.press("Save")
    visitor.wait_for_text("Thumb")
    visitor.press("Remove")
    visitor.find("details[open] button").click()
    visitor.wait_for_text("The passkey is removed.")
    with site.app.app_context():
        assert db.session.scalars(select(Passkey)).all() == []
    assert visitor.complaints() == []
