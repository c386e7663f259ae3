"""What a page says is data wherever it comes: in lists, files, pages and logs of ours it is shown and does nothing."""

from __future__ import annotations

import csv
import html
import io
import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.config import Settings
from app.core.extensions import db
from app.core.logs import configure_logging
from app.operations.files.cells import unprotect
from app.products.models.products import Product
from app.rpa.profiles.profile import Profile
from app.rpa.profiles.schemas import ProfileSchema
from app.rpa.rules.readings import PageFacts, TaskOutcome
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.rpa.conftest import ASINS, FarmDriver, profile, stock_master
from tests.rpa.test_reviewing import deliver, set_changes
from tests.rpa.test_second_visits import visit
from tests.servers import on_sqlite
from workers.storefront import extraction

SAID = {
    "formula": '=HYPERLINK("http://evil.example","Kettle")',
    "wide formula": "\uff1dcmd|' /C calc'!A0",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}<%= 7 * 7 %>",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "shell": "$(touch /tmp/owned)`id`; rm -rf / #",
    "query": "'; DROP TABLE product; --",
    "format": "%s%n%(password)s{0.__class__}",
    "terminal": "Kettle\x1b[2J\x1b]0;owned\x07\x9b31m\r\n2026-11-22T00:00:00Z [error    ] forged\b\0",
    "turned": "Kettle\u202e\u2066gpj.exe\u200f\u2028\ud800",
}
JUST_DATA = pytest.mark.parametrize("said", list(SAID.values()), ids=list(SAID))
PAGE_URL = f"http://shop.example/dp/{ASINS[0]}"


def read(said: str) -> TaskOutcome:
    """A visit to a page that says this everywhere."""
    rules = Profile.from_document(ProfileSchema().load(profile()))
    raw = {"url": PAGE_URL, "status": 200, "sources": {"name/0": [said], "price/0": ["$10.00"]}}
    facts = PageFacts(PAGE_URL, 200, {}, "150.0", extraction.raw_strings(raw, rules))
    return TaskOutcome(None, extraction.interpret(raw, rules, ASINS[0]), detail=said, facts=facts)


def kept(detail: str) -> str:
    """A detail as every database takes it."""
    return detail.encode("utf-8", "replace").decode().replace("\0", "")


def is_plain(text: str) -> bool:
    return all(letter.isprintable() for letter in text)


def visited(app: Flask, said: str) -> tuple[int, str]:
    """A task whose page said it, and the product's name, which follows the storefront."""
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        farm.storefront()
        set_changes(update_master=True)
        task_id = visit(farm, read(said))
        deliver()
        return task_id, db.session.scalars(select(Product.name).where(Product.asin == ASINS[0])).one()


@on_sqlite
@JUST_DATA
def test_what_a_page_says_is_shown_and_does_nothing(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], said: str
) -> None:
    task_id, name = visited(app, said)
    assert is_plain(name)
    assert name[:6] == unicodedata.normalize("NFKC", said)[:6]
    task = client.get(f"/api/v1/tasks/{task_id}", headers=auth_headers).get_json()
    assert (task["result"]["name"]["value"], task["detail"]) == (name, kept(said))
    new_person(app, "ada@example.org", role="admin")
    page = Visitor(app, "ada@example.org").client.get(f"/admin/tasks/{task_id}").text
    assert html.escape(name[:20], quote=False) in html.escape(html.unescape(page), quote=False)
    assert "<script>alert" not in page
    assert "<img src=x" not in page


@on_sqlite
@JUST_DATA
def test_what_a_page_says_is_no_formula_of_a_spreadsheet(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], said: str
) -> None:
    _, name = visited(app, said)
    text = client.get("/api/v1/products/export?format=csv", headers=auth_headers).get_data(as_text=True)
    (row,) = [row for row in csv.DictReader(io.StringIO(text)) if row["asin"] == ASINS[0]]
    assert row["name"][0] not in "=+-@\t\r\n"
    assert unprotect(row["name"]) == name


@contextmanager
def logged(settings: Settings) -> Iterator[io.StringIO]:
    """The log as a terminal shows it, and nobody else's copy: a test's report cannot hold every text."""
    root, written = logging.getLogger(), io.StringIO()
    before = root.handlers[:]
    configure_logging(settings)
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    try:
        yield written
    finally:
        root.handlers[:] = before


@on_sqlite
@JUST_DATA
def test_what_a_page_says_makes_no_line_of_the_log(app: Flask, settings: Settings, said: str) -> None:
    with logged(settings) as written:
        visited(app, said)
        logging.getLogger("farm").warning("the page says %s", said)
    lines = written.getvalue().encode(errors="backslashreplace").decode().split("\n")[:-1]  # as stderr writes it
    assert len([line for line in lines if "the page says" in line]) == 1
    assert all(is_plain(line) for line in lines)
    assert not [line for line in lines if line.startswith("2026-11-22T00:00:00Z")]
