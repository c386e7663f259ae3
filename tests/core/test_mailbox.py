"""The developer's mailbox: shows what was not sent, to a browser on this machine and outside of production only."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Mail, Settings
from app.core.extensions import db
from app.core.mail import mail_folder, send_mail
from app.core.mailbox import SHOWN
from tests.servers import on_sqlite

pytestmark = on_sqlite

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
LINK = "http://localhost:8000/reset-password?token=abc"


@pytest.fixture
def with_folder(app: Flask, settings: Settings, tmp_path: Path) -> Iterator[Flask]:
    """The application with a folder of mails of its own."""
    made = create_app(dataclasses.replace(settings, instance_dir=tmp_path))
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def browser(with_folder: Flask) -> FlaskClient:
    return with_folder.test_client()


def send(app: Flask, subject: str = "Set a new password", name: str = "Ada") -> None:
    with app.app_context():
        send_mail("ada@example.org", subject, "reset_password", date=NOW, name=name, link=LINK, address="192.0.2.7")


def first_mail(browser: FlaskClient) -> str:
    """The path of the newest mail, as the list links to it."""
    found = re.search(r'href="(/dev/mail/[0-9A-Za-z-]+)"', browser.get("/dev/mail").text)
    assert found
    return found[1]


def test_mails_are_listed_newest_first_and_shown(with_folder: Flask, browser: FlaskClient) -> None:
    assert "There are none yet." in browser.get("/dev/mail").text
    send(with_folder, "First")
    send(with_folder, "Second")
    listed = browser.get("/dev/mail").text
    assert listed.index("Second") < listed.index("First")
    shown = browser.get(first_mail(browser))
    assert shown.status_code == 200
    assert f'href="{LINK}"' in shown.text
    assert "ada@example.org" in shown.text


def test_the_list_ends_somewhere(with_folder: Flask, browser: FlaskClient) -> None:
    for number in range(SHOWN + 5):
        send(with_folder, f"Mail number {number}.")
    listed = re.findall(r"Mail number (\d+)\.", browser.get("/dev/mail").text)
    assert listed == [str(number) for number in range(SHOWN + 4, 4, -1)]


def test_what_is_in_a_mail_stays_text_under_the_pages_own_policy(with_folder: Flask, browser: FlaskClient) -> None:
    send(with_folder, "<script>alert(1)</script>", name="<script>alert(2)</script>")
    listed, shown = browser.get("/dev/mail"), browser.get(first_mail(browser))
    for page in (listed, shown):
        assert "<script>alert" not in page.text
        assert 'style="' not in page.text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy


def test_a_mail_is_shown_as_sent_only_in_a_sandbox(with_folder: Flask, browser: FlaskClient) -> None:
    send(with_folder)
    shown = browser.get(f"{first_mail(browser)}/html")
    assert f'<a href="{LINK}"' in shown.text
    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "script" not in policy


@pytest.mark.parametrize(
    "path",
    ["/dev/mail/..%2f..%2fsecret_key", "/dev/mail/x", "/dev/mail/20261121T120000000000-abcdef", "/dev/mail/x/html"],
)
def test_there_is_nothing_but_mails_in_it(with_folder: Flask, browser: FlaskClient, path: str) -> None:
    with with_folder.app_context():
        (mail_folder().parent / "secret_key").write_text("secret")
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("192.0.2.7", "localhost"),
        ("127.0.0.1", "evil.example"),
        ("127.0.0.1", "192.0.2.1:8000"),
        ("::ffff:10.0.0.1", "localhost"),
    ],
)
def test_only_a_browser_on_this_machine_reads_mails(
    with_folder: Flask, browser: FlaskClient, address: str, host: str
) -> None:
    send(with_folder)
    path = first_mail(browser)
    for each in ("/dev/mail", path, f"{path}/html"):
        refused = browser.get(each, headers={"Host": host}, environ_overrides={"REMOTE_ADDR": address})
        assert (each, refused.status_code) == (each, 404)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_a_browser_on_this_machine_reads_them_by_any_of_its_names(browser: FlaskClient, host: str) -> None:
    assert browser.get("/dev/mail", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("other", [{"production": True}, {"mail": Mail(url="smtp://127.0.0.1:2525")}])
def test_there_is_no_such_page_in_production_or_where_mails_are_sent(
    app: Flask, settings: Settings, other: dict[str, object]
) -> None:
    made = create_app(dataclasses.replace(settings, **other))  # type: ignore[arg-type]
    assert made.test_client().get("/dev/mail").status_code == 404
    assert not [rule.rule for rule in made.url_map.iter_rules() if rule.rule.startswith("/dev/")]
    with made.app_context():
        db.engine.dispose()
