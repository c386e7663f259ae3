"""Replays: kept pages are read by two versions of a profile, as data, in a browser that reaches nothing."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.config import Farm
from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.rpa.models.jobs import Action, Attempt
from app.rpa.models.trials import Trial, TrialState
from app.rpa.queries import replays
from app.rpa.queries.storefronts import find_storefront, get_storefront
from app.rpa.rules.readings import Kind
from app.rpa.services import leases, profiles, storefronts, submitting
from app.rpa.services.replays import submit_replay
from tests.rpa.conftest import ASINS, stock_master
from tests.rpa.keeping import add_evidence
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
Replay = Callable[..., dict[str, Any]]
PAGE = """<!doctype html><html><head><link rel="canonical" href="/p/{asin}"></head><body><main id="product">
<h1>Kettle</h1><p class="brand">Hearth</p><p class="price">{price}</p><p class="availability">In stock</p>
<p class="sale">$5.00</p></main>{more}</body></html>"""


@pytest.fixture
def replay(context: Flask, shop: Shop, settings_for: Callable[..., BrowserSettings]) -> Iterator[Replay]:
    """Replays changes of the product's part of the shop's profile over what is kept; gives the result."""
    stock_master()
    actor = permissions.system()
    with allowed(shop.port):
        storefronts.create_storefront(actor=actor, now=utc_now(), code="shop", name="Shop", profile=shop.document())
    worker_id = leases.register_worker(name="w", host="h", pid=1)
    pulse = Pulse(context, FARM, worker_id)
    browsers = dataclasses.replace(settings_for(shop))
    worker = Trials(context, FARM, browsers, pulse, worker_id, Duty(BrowserShelf(browsers)))
    pulse.start()

    def do(**product: Any) -> dict[str, Any]:
        document = shop.document(product=shop.document()["product"] | product)
        with allowed(shop.port):
            version = profiles.draft_version(actor=actor, now=utc_now(), storefront_id=shop_id(), profile=document)
        row = submit_replay(actor=actor, storefront_id=shop_id(), number=version.number).id
        db.session.rollback()
        worker.run_trial(row)
        db.session.rollback()
        done = db.session.get_one(Trial, row, populate_existing=True)
        assert (done.state, done.code) == (TrialState.DONE, None), done.detail
        assert done.result is not None
        return done.result

    yield do
    pulse.end()


def shop_id() -> int:
    row = find_storefront("shop")
    assert row is not None
    return row.id


def keep(
    shop: Shop,
    html: str,
    *,
    asin: str = ASINS[0],
    status: int = 200,
    action: Action = Action.VIEW_PRODUCT,
    **about: Any,
) -> int:
    """Keep a page as the worker of a failed visit does; ``about`` says why else."""
    task = submitting.submit_errand(actor=permissions.system(), action=action, storefront="shop", asin=asin)
    content = gzip.compress(html.encode())
    row = add_evidence(task.id, content, kind=Kind.HTML, **about)
    _note(attempt_id=row.attempt_id, facts={"final_url": f"{shop.address}/p/{asin}", "http_status": status})
    return row.id


@in_transaction
def _note(*, attempt_id: int, facts: dict[str, Any]) -> None:
    db.session.execute(update(Attempt).where(Attempt.id == attempt_id).values(facts=facts))


def page(asin: str = ASINS[0], price: str = "$24.99", more: str = "") -> str:
    return PAGE.format(asin=asin, price=price, more=more)


def test_a_replay_says_per_page_and_field_what_is_changed_gained_and_lost(replay: Replay, shop: Shop) -> None:
    first, second = keep(shop, page()), keep(shop, page(ASINS[1], price=""), asin=ASINS[1])
    result = replay(price=[{"css": ".sale"}], brand=[{"css": ".nothing"}])
    assert [one["evidence_id"] for one in result["pages"]] == [second, first]
    assert result["counts"]["price"] == {"same": 0, "changed": 1, "gained": 1, "lost": 0}
    assert result["counts"]["brand"] == {"same": 0, "changed": 0, "gained": 0, "lost": 2}
    assert result["counts"]["name"] == {"same": 2, "changed": 0, "gained": 0, "lost": 0}
    assert result["counts"]["code"] == {"same": 1, "changed": 0, "gained": 1, "lost": 0}
    assert (result["lost"], result["skipped"]) == (2, 0)
    newest, oldest = result["pages"]
    assert (newest["before"]["code"], newest["before"]["price"]) == ("PRICE_MISSING", None)
    assert (newest["after"]["code"], newest["after"]["price"]) == (None, "5.00 USD")
    assert (oldest["before"]["price"], oldest["differs"]) == ("24.99 USD", ["brand", "price"])


def test_a_version_that_no_longer_reads_a_page_at_all_loses_it(replay: Replay, shop: Shop) -> None:
    keep(shop, page())
    result = replay(name=[{"css": "h7"}])
    assert result["counts"]["code"]["lost"] == result["counts"]["name"]["lost"] == 1
    assert result["pages"][0]["after"]["code"] == "SELECTOR_MISSING"


def test_a_kept_page_asks_nobody_and_runs_nothing(replay: Replay, shop: Shop) -> None:
    more = f"""<script>document.querySelector(".price").textContent = "$1.00"</script>
    <script src="/script.js"></script><link rel="stylesheet" href="/style.css"><img src="/picture.png" onerror="x()">
    <iframe src="/frame"></iframe><iframe srcdoc="<img src='{shop.address}/inner'>"></iframe>
    <video src="/film"></video><object data="/object"></object><link rel="prefetch" href="/later">
    <meta http-equiv="refresh" content="0;url={shop.address}/elsewhere"><body onload="location='/away'">"""
    keep(shop, page(more=more))
    before = len(shop.requests)
    result = replay(price=[{"css": ".sale"}])
    assert len(shop.requests) == before
    assert (result["pages"][0]["before"]["price"], result["pages"][0]["after"]["price"]) == ("24.99 USD", "5.00 USD")


def test_selectors_mean_the_same_as_they_did_live(replay: Replay, shop: Shop) -> None:
    hidden = '<style>.old { display: none }</style><p class="price old">$9.00</p>'
    noscript = '<noscript><p class="price">$3.00</p></noscript>'
    keep(shop, page(more=hidden + noscript))
    result = replay(price=[{"css": ".price"}])
    assert result["pages"][0]["after"] == {
        "code": None, "name": "Kettle", "brand": "Hearth", "price": "24.99 USD", "availability": "IN_STOCK"
    }  # fmt: skip


def test_a_page_keeps_the_status_that_it_came_with(replay: Replay, shop: Shop) -> None:
    keep(shop, "<!doctype html><h1>Gone</h1>", status=404)
    result = replay(name=[{"css": "h7"}])
    read = result["pages"][0]
    assert (read["before"]["code"], read["after"]["code"], read["differs"]) == ("NOT_FOUND", "NOT_FOUND", [])


def test_a_storefront_without_kept_pages_loses_nothing(replay: Replay, shop: Shop) -> None:
    found = replay(name=[{"css": "h7"}]) | {"counts": {}}
    assert found == {"pages": [], "read_well": 0, "counts": {}, "lost": 0, "skipped": 0}


def test_pages_that_were_read_well_are_replayed_before_any_of_failures(
    replay: Replay, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "MOST_PAGES", 3)
    well = [keep(shop, page(), why="page", pages_of=shop_id(), code=None) for _ in range(2)]
    failed = [keep(shop, page(price="")) for _ in range(3)]
    result = replay(price=[{"css": ".sale"}])
    assert [(one["evidence_id"], one["was_read"]) for one in result["pages"]] == [
        (failed[2], False),
        (well[1], True),
        (well[0], True),
    ]
    assert (result["read_well"], result["counts"]["price"]["changed"], result["counts"]["price"]["gained"]) == (2, 2, 1)


def test_what_stood_in_a_shadow_root_is_read_from_the_kept_page(replay: Replay, shop: Shop) -> None:
    inside = '<x-offer><template shadowrootmode="open"><p class="deal">$7.00</p></template></x-offer>'
    keep(shop, page(more=inside))
    result = replay(price=[{"css": "x-offer >>> .deal"}])
    assert result["pages"][0]["after"]["price"] == "7.00 USD"


def test_pages_of_other_storefronts_and_of_carts_are_not_read(replay: Replay, shop: Shop) -> None:
    keep(shop, page(), action=Action.ADD_TO_CART)
    with allowed(shop.port):
        storefronts.create_storefront(
            actor=permissions.system(), now=utc_now(), code="other", name="Other", profile=shop.document()
        )
    task = submitting.submit_errand(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="other", asin=ASINS[0]
    )
    add_evidence(task.id, gzip.compress(page().encode()), kind=Kind.HTML)
    assert replay(name=[{"css": "h2"}])["pages"] == []


def test_a_file_that_is_no_page_is_left_out(replay: Replay, shop: Shop) -> None:
    task = submitting.submit_errand(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="shop", asin=ASINS[0]
    )
    add_evidence(task.id, b"this is not gzip", kind=Kind.HTML)
    keep(shop, page())
    assert len(replay(name=[{"css": "h1"}])["pages"]) == 1


def test_activating_a_version_says_what_its_replay_found(replay: Replay, shop: Shop) -> None:
    keep(shop, page())
    replay(brand=[{"css": ".nothing"}])
    said = [_activate(2, confirm=True), _activate(1)]
    assert said == [
        "Replayed on 1 kept pages against version 1: 1 values lost.",
        "Not replayed against version 2.",
    ]


def _activate(number: int, *, confirm: bool = False) -> str | None:
    shop = get_storefront(shop_id())
    row = profiles.activate_version(
        actor=permissions.system(),
        now=utc_now(),
        storefront_id=shop.id,
        expected_version=shop.version,
        number=number,
        confirm=confirm,
    )
    return row.replayed


def test_nothing_is_recorded_by_a_replay(replay: Replay, shop: Shop) -> None:
    keep(shop, page())
    replay(price=[{"css": ".sale"}])
    numbers = db.session.scalars(select(Attempt.number)).all()
    assert list(numbers) == [1]
