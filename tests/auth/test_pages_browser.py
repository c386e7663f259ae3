"""The pages in a real browser: nothing is blocked by their policy, cut off, unlabelled or hard to read."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from sqlalchemy import select

from app import create_app
from app.auth.models import ApiKey, OauthIdentity, OauthProvider, Role, Session, User, UserRole
from app.auth.services.second_factor import hash_of
from app.config import Settings
from app.core import audit
from app.core.extensions import db
from app.core.mail import mail_folder, send_mail
from app.core.mailbox import newest_mails
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE, system
from app.core.transactions import in_transaction
from app.rpa.models.alerts import Alert
from app.rpa.models.jobs import Attempt
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Kind, PageFacts, TaskOutcome
from app.rpa.services import leases, outcomes
from app.rpa.services.alerts import create_rule
from tests.auth.people import new_person
from tests.auth.test_pages_safety import page_rules
from tests.browsing import complaints, log_in, served, started_chrome, wait_for
from tests.rpa.conftest import FarmDriver, stock_master
from tests.rpa.keeping import add_evidence
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

CHECKS: Final = (Path(__file__).parent / "page_checks.js").read_text()
WIDTHS: Final = (360, 768, 1440)
NAMES: Final = (
    "Maximiliane-Charlotte von Hohenzollern-Sigmaringen zu Württemberg",
    "Wolfeschlegelsteinhausenbergerdorff" * 4,
    "محمد عبد الرحمن الأنصاري",
    "李小龙",
    "Ж",
)
LONG_EMAIL: Final = "a-very-long-address-of-somebody@subdomain.of.a.department.of.a.university.example.org"
ELSEWHERE: Final = {"/docs", "/redoc"}
"""Programs of others, with pages and a test of their own."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path_factory.mktemp("chrome")) as driver:
        yield driver


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with served(app) as at:
        yield at


@pytest.fixture
def chrome(browser: webdriver.Chrome, address: str) -> webdriver.Chrome:
    """The browser without a session, in which nobody has complained."""
    browser.get(f"{address}/healthz")
    browser.delete_all_cookies()
    show(browser, width=1280, theme="light")
    complaints(browser)
    return browser


def show(chrome: webdriver.Chrome, *, width: int, theme: str) -> None:
    """Show pages from now on at this width, on a device with this theme."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def fill_workers(task_id: int) -> None:
    """A worker with a task and two browsers, one without, and one that has stopped."""
    busy, _idle, stopped = (
        leases.register_worker(name=f"w{at}", host=f"farm-{at}.{'x' * 40}.example.org", pid=4711) for at in range(3)
    )
    leases.claim_task(task_id=task_id, release_no=1, worker_id=busy, lease_s=600)
    told = {"version": "HeadlessChrome/150.0.7100.0", "started_at": "2026-11-21T10:00:00.000000Z", "visits": 412}
    browsers = [told | {"storefront_id": 1}, told | {"storefront_id": 2**40}]
    vitals = {"visits": 1210, "failed": 8, "memory_bytes": 412_516_352, "browsers": browsers}
    leases.heartbeat(worker_id=busy, vitals=vitals)
    leases.retire_worker(worker_id=stopped)


def fill_alerts(task_id: int) -> None:
    """Rules with long names, and alerts that hold, are over, were read and were put away."""
    now = utc_now()
    for at, (kind, when) in enumerate(
        [("price", {"percent": 12.5, "direction": "down"}), ("cart", {}), ("blocked", {})]
    ):
        about: dict[str, Any] = {
            "name": NAMES[at][:120],
            "kind": kind,
            "when": when,
            "mail": "daily",
            "is_active": at != 1,
        }
        rule = create_rule(actor=system(), **about)
        for state in range(4):
            row = Alert(rule_id=rule.id, subject="product:7@2", detail=NAMES[(at + state) % 3] * 2, fired_at=now)
            row.task_id, row.ended_at = task_id, (None, now, now + timedelta(hours=1), None)[state]
            row.read_at, row.dismissed_at = (now, None)[state % 2], (None, now)[state == 3]
            db.session.add(row)
        db.session.commit()


def fill_farm(app: Flask, picture: bytes) -> None:
    """A task with a failed attempt, of which there are a picture and HTML."""
    stock_master()
    farm = FarmDriver(app)
    farm.storefront()
    job = farm.submit(name=NAMES[0])
    task_id = farm.task_ids(job)[0]
    farm.release()
    lease = farm.leased(task_id)
    raw = {"price": [NAMES[1], "<b>$1</b>"], "name": [NAMES[2]]}
    facts = PageFacts(f"https://{'x' * 60}.example.org/dp", 200, {"navigate": 412, "extract": 35}, "150.0", raw)
    outcomes.finish_task(lease=lease, outcome=TaskOutcome(Code.PRICE_AMBIGUOUS, detail=NAMES[1], facts=facts))
    attempt_id = db.session.scalars(select(Attempt.id)).one()
    add_evidence(task_id, picture, attempt_id=attempt_id)
    add_evidence(task_id, gzip.compress(b"<p>"), kind=Kind.HTML, attempt_id=attempt_id)
    fill_workers(farm.task_ids(job)[1])
    fill_alerts(task_id)


@in_transaction
def fill() -> None:
    """Give every page something to show, with names that are long, from right to left, or without spaces."""
    session, now = db.session(), utc_now()
    for at in range(40):
        session.add(Role(name=f"{NAMES[at % 5][:50]} {at}", description=NAMES[(at + 1) % 5]))
    session.flush()
    roles = session.scalars(select(Role.id)).all()
    for at in range(60):
        email = f"{at}-{LONG_EMAIL}" if at % 2 else f"u{at}@example.org"
        user = User(email=email, name=f"{NAMES[at % 5]} {at}", is_active=at % 3 > 0)
        session.add(user)
        session.flush()
        session.add_all(UserRole(user_id=user.id, role_id=role) for role in roles[: at % 6])
    for at in range(20):
        row = Session(sid=f"sid{at}", kind="api" if at % 2 else "browser", user_id=1, via="oauth:google")
        row.created_at = row.last_seen_at = row.authenticated_at = now - timedelta(days=at)
        row.expires_at, row.address, row.user_agent = now + timedelta(days=1), "2001:db8:85a3::8a2e:370:7334", "x" * 255
        session.add(row)
        key = ApiKey(user_id=1, name=NAMES[at % 5][:64], prefix="cw_abcdefg", secret_hash=hash_of(str(at)))
        key.scopes, key.created_at = sorted(CATALOGUE), now
        session.add(key)
        before = {"roles": ["a", "b"], "description": "x" * 200}
        audit.record(actor=system(), action="role.update", subject=("user", at + 1), before=before, after={"roles": []})
    provider = OauthProvider(
        code="example", name=NAMES[1][:64], preset="oidc", issuer=f"https://{'x' * 60}.example.org"
    )
    provider.client_id, provider.client_secret = "c" * 200, "secret"
    session.add(provider)
    session.flush()
    identity = OauthIdentity(user_id=1, provider_id=provider.id, subject="1", email=LONG_EMAIL)
    identity.created_at = identity.last_used_at = now
    session.add(identity)


def pages(app: Flask, *, public: bool) -> list[str]:
    """The address of every page that answers a GET, with 1 for what is variable in it."""
    found = []
    for rule in page_rules(app):
        view: Any = app.view_functions[rule.endpoint]
        if "GET" in (rule.methods or ()) and (view.access == "public") == public and rule.rule not in ELSEWHERE:
            found.append(re.sub(r"<[^>]+>", "1", rule.rule))
    return sorted(found)


def faults(chrome: webdriver.Chrome, address: str, path: str) -> list[str]:
    """What is wrong with a page, each with where."""
    chrome.get(address + path)
    is_page = chrome.execute_script("return document.contentType") == "text/html"
    found = chrome.execute_script(CHECKS) if is_page else []
    blocked = [text for text in complaints(chrome) if "Failed to load resource" not in text or "/static/" in text]
    width = chrome.execute_script("return innerWidth")
    return [f"{path} at {width}: {each}" for each in [*found, *blocked]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_of_people_who_are_logged_in_is_whole(
    app: Flask, chrome: webdriver.Chrome, address: str, width: int, theme: str
) -> None:
    new_person(app, "ada@example.org", role="admin")
    with app.app_context():
        fill()
        fill_farm(app, base64.b64decode(chrome.execute_cdp_cmd("Page.captureScreenshot", {"format": "jpeg"})["data"]))
    show(chrome, width=width, theme=theme)
    log_in(chrome, address, "ada@example.org")
    walked = [path for path in pages(app, public=False) if path != "/account/second-factor/app"]
    assert len(walked) > 20
    found = [fault for path in [*walked, "/nothing/here"] for fault in faults(chrome, address, path)]
    assert not found, "\n".join(found)
    assert chrome.execute_script("return document.documentElement.dataset.bsTheme") == theme


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_of_strangers_is_whole(
    app: Flask, chrome: webdriver.Chrome, address: str, width: int, theme: str
) -> None:
    with app.app_context():
        fill_providers()
    show(chrome, width=width, theme=theme)
    found = [fault for path in pages(app, public=True) for fault in faults(chrome, address, path)]
    assert not found, "\n".join(found)


@in_transaction
def fill_providers() -> None:
    provider = OauthProvider(code="example", name=NAMES[1][:64], preset="oidc", issuer="https://login.example.org")
    provider.client_id, provider.client_secret = "c", "s"
    db.session.add(provider)


@pytest.mark.parametrize(("role", "entries"), [("admin", 13), ("customer", 0)])
def test_the_menu_opens_on_a_phone_and_shows_what_one_may_open(
    app: Flask, chrome: webdriver.Chrome, address: str, role: str, entries: int
) -> None:
    new_person(app, "ada@example.org", role=role)
    show(chrome, width=360, theme="light")
    log_in(chrome, address, "ada@example.org")
    links = chrome.find_elements(By.CSS_SELECTOR, ".sidebar a")
    assert not links[0].is_displayed()
    chrome.find_element(By.CSS_SELECTOR, "[popovertarget=navigation]").click()
    wait_for(chrome, lambda _browser: links[0].is_displayed())
    assert len([link for link in links if "/admin/" in str(link.get_attribute("href"))]) == entries
    assert chrome.execute_script(CHECKS) == []
    webdriver.ActionChains(chrome).send_keys(Keys.ESCAPE).perform()
    wait_for(chrome, lambda _browser: not links[0].is_displayed())


def test_the_theme_is_switched_in_the_menu_and_stays(app: Flask, chrome: webdriver.Chrome, address: str) -> None:
    new_person(app, "ada@example.org")
    log_in(chrome, address, "ada@example.org")
    light = ground(chrome)
    chrome.find_element(By.CSS_SELECTOR, "[popovertarget=user-menu]").click()
    chrome.find_element(By.CSS_SELECTOR, ".theme-switch [value=dark]").click()
    wait_for(chrome, lambda browser: ground(browser) != light)
    chrome.get(f"{address}/account/sessions")
    assert ground(chrome) != light
    chrome.find_element(By.CSS_SELECTOR, "[popovertarget=user-menu]").click()
    assert chrome.execute_script(CHECKS) == []


def test_the_text_of_a_mail_is_shown_in_its_lines(
    app: Flask, settings: Settings, chrome: webdriver.Chrome, tmp_path: Path
) -> None:
    made = create_app(dataclasses.replace(settings, instance_dir=tmp_path))
    with made.app_context():
        more = {"name": "Ada", "link": "http://localhost/x", "address": "192.0.2.7"}
        send_mail("ada@example.org", "Set a new password", "reset_password", date=utc_now(), **more)
        (mail,) = newest_mails(mail_folder())
    with served(made) as at:
        chrome.get(f"{at}/dev/mail/{mail.name}")
        assert chrome.find_element(By.TAG_NAME, "pre").text.split("\n") == mail.text.splitlines()
    assert mail.text.count("\n") > 5
    with made.app_context():
        db.engine.dispose()


def ground(chrome: webdriver.Chrome) -> str:
    script = "return getComputedStyle(document.body).backgroundColor"
    return str(chrome.execute_script(script))


def test_the_systems_theme_is_followed_while_a_page_is_open(chrome: webdriver.Chrome, address: str) -> None:
    chrome.get(f"{address}/login")
    light = ground(chrome)
    show(chrome, width=1280, theme="dark")
    wait_for(chrome, lambda browser: ground(browser) != light)


def test_a_session_ended_on_one_device_is_out_on_the_other(
    app: Flask, chrome: webdriver.Chrome, address: str, tmp_path: Path
) -> None:
    new_person(app, "ada@example.org")
    log_in(chrome, address, "ada@example.org")
    with started_chrome(tmp_path) as other:
        log_in(other, address, "ada@example.org")
        chrome.get(f"{address}/account/sessions")
        before = len(chrome.find_elements(By.CSS_SELECTOR, ".rows > li"))
        chrome.find_elements(By.CSS_SELECTOR, ".rows form button")[0].click()
        wait_for(chrome, lambda browser: len(browser.find_elements(By.CSS_SELECTOR, ".rows > li")) == before - 1)
        other.get(f"{address}/account")
        assert "/login" in other.current_url
    chrome.get(f"{address}/account")
    assert chrome.current_url.endswith("/account")


def test_a_destructive_act_asks_first(app: Flask, chrome: webdriver.Chrome, address: str) -> None:
    new_person(app, "ada@example.org", role="admin")
    bob = new_person(app, "bob@example.org")
    log_in(chrome, address, "ada@example.org")
    chrome.get(f"{address}/admin/users/{bob.id}")
    yes = chrome.find_element(By.CSS_SELECTOR, ".page-head details.confirm button")
    assert not yes.is_displayed()
    chrome.find_element(By.CSS_SELECTOR, ".page-head details.confirm summary").click()
    assert chrome.execute_script(CHECKS) == []
    yes.click()
    wait_for(chrome, lambda browser: "deactivated and logged out" in browser.find_element(By.TAG_NAME, "main").text)


def test_a_new_keys_secret_is_copied_by_its_button(app: Flask, chrome: webdriver.Chrome, address: str) -> None:
    new_person(app, "ada@example.org", role="admin")
    log_in(chrome, address, "ada@example.org")
    allowed = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    chrome.execute_cdp_cmd("Browser.grantPermissions", allowed)
    chrome.get(f"{address}/account/keys/new")
    chrome.find_element(By.NAME, "name").send_keys("Nightly")
    Select(chrome.find_element(By.NAME, "days")).select_by_value("7")
    chrome.find_element(By.ID, "grant-products-read").click()
    chrome.find_element(By.CSS_SELECTOR, "main .form-acts button").click()
    wait_for(chrome, lambda browser: browser.find_elements(By.ID, "key-secret"))
    secret = chrome.find_element(By.ID, "key-secret").text
    assert secret.startswith("cw_")
    chrome.find_element(By.CSS_SELECTOR, "[data-copy]").click()
    wait_for(chrome, lambda browser: "Copied" in browser.find_element(By.CSS_SELECTOR, "[data-copy]").text)
    read = "const done = arguments[0]; navigator.clipboard.readText().then(done, done)"
    assert chrome.execute_async_script(read) == secret
    assert chrome.execute_script(CHECKS) == []
    assert complaints(chrome) == []


def test_what_is_wrong_with_a_form_is_shown_and_readable_in_both_themes(
    app: Flask, chrome: webdriver.Chrome, address: str
) -> None:
    new_person(app, "ada@example.org", role="admin")
    log_in(chrome, address, "ada@example.org")
    for theme in ("light", "dark"):
        show(chrome, width=360, theme=theme)
        chrome.get(f"{address}/admin/providers/new")
        for name, text in (("name", "x"), ("code", "No Spaces"), ("client_id", "x"), ("client_secret", "x")):
            chrome.find_element(By.NAME, name).send_keys(text)
        chrome.find_element(By.CSS_SELECTOR, "[value=oidc]").click()
        chrome.find_element(By.CSS_SELECTOR, "main .form-acts button").click()
        wait_for(chrome, lambda browser: browser.find_elements(By.ID, "code-error"))
        assert chrome.execute_script(CHECKS) == []
    assert all("422" in text for text in complaints(chrome))
