"""Trials as a worker does them: a real browser on a real shop, started by a row and ended by its result."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.config import Farm
from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.models.trials import Trial, TrialState
from app.rpa.profiles.schemas import ProfileSchema
from app.rpa.queries.trials import get_try, read_screenshot
from app.rpa.rules.codes import Code
from app.rpa.schemas.storefronts import StorefrontIn
from app.rpa.services import leases, storefronts, trials
from app.rpa.services.suggestions import submit_suggestion
from tests.servers import on_sqlite
from tests.workers.allowing import allowed
from tests.workers.shop import Shop
from workers.chrome.settings import BrowserSettings
from workers.chrome.shelf import BrowserShelf
from workers.duty import Duty
from workers.pulse import Pulse
from workers.trials import Trials

pytestmark = on_sqlite
FARM = Farm(lease_s=30, renew_s=1)
Run = Callable[[Trial], Trial]


@pytest.fixture
def run(
    context: Flask, shop: Shop, settings_for: Callable[..., BrowserSettings], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Does a trial like a worker that was told of it; gives the row as it is then."""
    worker_id = leases.register_worker(name="w", host="h", pid=1)
    pulse = Pulse(context, FARM, worker_id)
    browsers = settings_for(shop)
    settings = dataclasses.replace(context.extensions["settings"], private_targets=browsers.private_targets)
    monkeypatch.setitem(context.extensions, "settings", settings)
    storefronts.create_storefront(
        actor=permissions.system(), now=utc_now(), code="shop", name="Shop",
        profile=shop.document(pace={"gap_ms": 0, "concurrency": 4}),
    )  # fmt: skip
    worker = Trials(context, FARM, browsers, pulse, worker_id, Duty(BrowserShelf(browsers)))
    pulse.start()

    def do(row: Trial) -> Trial:
        id_ = row.id
        db.session.rollback()
        worker.run_trial(id_)
        db.session.rollback()
        return db.session.get_one(Trial, id_, populate_existing=True)

    yield do
    pulse.end()


def ask(asin: str, **about: Any) -> Trial:
    return trials.submit_try(actor=permissions.system(), storefront_id=1, asin=asin, **about)


def test_a_try_says_of_each_field_where_it_stood_and_how_it_was_spelled(run: Run) -> None:
    done = run(ask("GOOD000001"))
    assert (done.state, done.code) == (TrialState.DONE, None), done.detail
    assert done.result is not None
    fields = done.result["fields"]
    read = {name: (field["value"], field["source"], field["raw"]) for name, field in fields.items()}
    assert read == {
        "name": ("Kettle GOOD000001", "css #product h1", "Kettle GOOD000001"),
        "brand": ("Boil & Co", "css #product .brand", "Boil & Co"),
        "price": ("24.99 USD", "css #product .price", "$24.99"),
        "availability": ("IN_STOCK", "css #product .availability", "In stock"),
    }
    assert fields["price"]["sources"] == [{"source": "css #product .price", "values": ["$24.99"]}]
    assert {"context", "navigate", "ready", "extract", "capture"} <= done.result["timings_ms"].keys()
    assert (done.result["http_status"], done.result["screenshot_missing"]) == (200, None)
    assert read_screenshot(get_try(1, done.id))[:3] == b"\xff\xd8\xff"


def test_a_profile_that_misses_says_which_field_and_what_its_sources_gave(run: Run, shop: Shop) -> None:
    product = shop.document()["product"] | {"name": [{"css": "h2"}], "price": [{"css": ".brand"}]}
    done = run(ask("GOOD000001", profile=shop.document(product=product)))
    assert (done.state, done.code) == (TrialState.FAILED, Code.SELECTOR_MISSING)
    assert done.result is not None
    fields = done.result["fields"]
    assert {name: field["code"] for name, field in fields.items()} == {
        "name": "SELECTOR_MISSING", "brand": None, "price": "PRICE_UNPARSED", "availability": None
    }  # fmt: skip
    assert fields["price"]["sources"] == [{"source": "css .brand", "values": ["Boil & Co"]}]
    assert done.has_screenshot


def test_a_page_that_is_never_ready_still_says_what_it_holds(run: Run, shop: Shop) -> None:
    product = shop.document()["product"] | {"ready": [{"css": "#nothing"}]}
    done = run(ask("GOOD000001", profile=shop.document(product=product)))
    assert done.code == Code.SELECTOR_MISSING
    assert done.result is not None
    assert done.result["fields"]["price"]["value"] == "24.99 USD"


@pytest.mark.parametrize(
    ("asin", "code"), [("GONE000404", Code.NOT_FOUND), ("ROBOT00001", Code.BLOCKED), ("BUSY000001", Code.NAV_TIMEOUT)]
)
def test_a_page_that_is_no_products_ends_with_its_code_and_reads_nothing(run: Run, asin: str, code: Code) -> None:
    done = run(ask(asin))
    assert (done.state, done.code) == (TrialState.FAILED, code)
    assert done.result is not None
    assert done.result["fields"] == {}


def test_a_profile_that_leads_to_a_private_address_is_refused_and_nothing_is_asked_there(
    run: Run, shop: Shop, other_shop: Shop
) -> None:
    before = len(other_shop.requests)
    there = shop.document(base_url=f"{other_shop.address}/", allowed_hosts=[f"127.0.0.1:{other_shop.port}"])
    done = run(ask("GOOD000001", profile=there))
    assert (done.state, done.code) == (TrialState.FAILED, Code.ADDRESS_REFUSED)
    assert len(other_shop.requests) == before


def test_a_page_that_robots_txt_denies_is_not_visited(run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop, "robots", (200, b"User-agent: Cartwright\nDisallow: /p/\n", {}))
    before = len(shop.requests)
    done = run(ask("GOOD000001"))
    assert (done.state, done.code) == (TrialState.FAILED, Code.ROBOTS_DENIED)
    assert shop.paths[before:] == ["/robots.txt"]


def test_a_try_that_takes_too_long_is_stopped(run: Run, shop: Shop) -> None:
    limits = {"page_load_s": 5, "view_task_s": 5, "script_s": 30, "ready_s": 60}
    product = shop.document()["product"] | {"ready": [{"css": "#nothing"}]}
    done = run(ask("GOOD000001", profile=shop.document(timeouts=limits, product=product)))
    assert (done.state, done.code) == (TrialState.FAILED, Code.TASK_TIMEOUT)


def test_a_message_that_comes_twice_does_a_try_once(run: Run, shop: Shop) -> None:
    row = ask("GOOD000001")
    run(row)
    before = shop.paths.count("/p/GOOD000001")
    run(row)
    assert shop.paths.count("/p/GOOD000001") == before


def suggestion(shop: Shop) -> Trial:
    urls = [f"{shop.address}/p/GOOD000001", f"{shop.address}/p/GOOD000002"]
    return submit_suggestion(actor=permissions.system(), urls=urls)


def test_a_suggested_profile_can_be_made_a_storefront_as_it_is(run: Run, shop: Shop) -> None:
    done = run(suggestion(shop))
    assert (done.state, done.code) == (TrialState.DONE, None), done.detail
    assert done.result is not None
    made = StorefrontIn().load(done.result["storefront"] | {"code": "again"})
    storefronts.create_storefront(actor=permissions.system(), now=utc_now(), **made)
    assert done.result["read"][0]["fields"]["price"]["value"] == "24.99 USD"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, b"User-agent: *\nDisallow: /p/\n", {}), Code.ROBOTS_DENIED),
        ((503, b"", {}), Code.ROBOTS_DENIED),
        ((200, b"User-agent: *\nDisallow: /cart\n", {}), None),
    ],
)
def test_what_robots_txt_denies_is_not_looked_at_for_a_suggestion(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch, answer: Any, code: Code | None
) -> None:
    monkeypatch.setattr(shop, "robots", answer)
    before = shop.paths.count("/p/GOOD000001")
    done = run(suggestion(shop))
    assert done.code == code
    assert shop.paths.count("/p/GOOD000001") == before + (code is None)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine where nobody listens, and which nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def asked_of(host: str) -> list[Callable[[Shop], Trial]]:
    """A suggestion and a try that lead to a host."""

    def tried(shop: Shop) -> Trial:
        return ask("GOOD000001", profile=shop.document(base_url=f"http://{host}/", allowed_hosts=[host]))

    def suggested(_: Shop) -> Trial:
        return submit_suggestion(actor=permissions.system(), urls=[f"http://{host}/p/GOOD000001"])

    return [tried, suggested]


def test_a_host_that_does_not_resolve_is_no_robots_txt_that_forbids(run: Run, shop: Shop) -> None:
    for asking in asked_of("nowhere.invalid"):
        done = run(asking(shop))
        assert (done.state, done.code) == (TrialState.FAILED, Code.NAV_DNS), done.detail
        assert "nowhere.invalid" in (done.detail or "")


def test_a_host_that_takes_no_connection_is_no_robots_txt_that_forbids(run: Run, shop: Shop, closed_port: int) -> None:
    with allowed(closed_port):
        for asking in asked_of(f"127.0.0.1:{closed_port}"):
            done = run(asking(shop))
            assert (done.state, done.code) == (TrialState.FAILED, Code.NAV_CONN), done.detail
            assert f"127.0.0.1:{closed_port} cannot be asked" in (done.detail or "")


def test_a_try_of_a_shop_whose_robots_txt_has_an_error_is_still_denied(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop, "robots", (503, b"", {}))
    done = run(ask("GOOD000001"))
    assert done.code == Code.ROBOTS_DENIED
    assert (done.detail or "").endswith("The server answered 503.")


def test_the_command_waits_for_a_suggestion_shows_it_and_writes_the_profile(
    run: Run, shop: Shop, context: Flask, tmp_path: Path
) -> None:
    def work() -> None:
        with context.app_context():
            deadline = time.monotonic() + 60
            while (row := db.session.scalar(select(Trial))) is None and time.monotonic() < deadline:
                db.session.rollback()
                time.sleep(0.1)
            if row is not None:
                run(row)

    worker = threading.Thread(target=work)
    worker.start()
    file = tmp_path / "shop.json"
    asked = context.test_cli_runner().invoke(
        args=["storefront", "suggest", f"{shop.address}/p/GOOD000001", "--out", str(file)]
    )
    worker.join(timeout=60)
    assert asked.exit_code == 0, asked.output
    assert "/product/price" in asked.output
    assert ProfileSchema().load(json.loads(file.read_text()))
