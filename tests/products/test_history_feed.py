"""Reading the update history of all products: by filters, newest first, and followed from where one was."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import delete, insert, select

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.products.changes import ATTRIBUTES, DELETED, THRESHOLD, as_text
from app.products.models.products import Product, ProductUpdate, Source
from app.products.models.stock import Stock
from app.products.queries import products as queries_of_products
from app.products.queries import updates as queries
from app.products.services.products import update_product
from tests.products.conftest import LAMP, URL, Send
from tests.products.test_update_history import NOW, create, observe
from tests.servers import on_servers, on_sqlite

UPDATES: Final = "/api/v1/product-updates"
ROWS: Final = 120


def add_rows(rows: list[dict[str, Any]]) -> None:
    """Put rows into the history as they are."""
    common = {"asin": "B0CW1A0001", "previous_attribute": None, "current_attribute": "x"}
    common |= dict.fromkeys(
        ("storefront_id", "job_id", "task_id", "operation_id", "reverts_id", "actor_id", "request_id")
    )
    when = {"created_at": NOW, "updated_at": NOW}
    made = {"attribute": "name", "source": "api", "actor_kind": "system"}
    in_transaction(lambda: db.session.execute(insert(ProductUpdate), [common | when | made | row for row in rows]))()


def many_rows(product_ids: list[int]) -> list[dict[str, Any]]:
    """Rows that differ in everything, written in nearly the order of their times."""
    some = random.Random(7)
    rows = []
    for at in range(ROWS):
        source = some.choice(["api", "import", "bulk", "revert", "farm"])
        is_farm = source == "farm"
        written = NOW + timedelta(minutes=5 * at)
        when = {name: written - timedelta(seconds=some.randrange(500)) for name in ("created_at", "updated_at")}
        rows.append(
            when
            | {
                "product_id": some.choice(product_ids),
                "attribute": some.choice(["name", "price", "brand"]),
                "source": source,
                "storefront_id": some.randrange(1, 3) if is_farm else None,
                "job_id": some.randrange(1, 3) if is_farm else None,
                "task_id": at + 1 if is_farm else None,
                "operation_id": some.randrange(1, 3) if source in {"import", "bulk"} else None,
                "actor_kind": "job" if is_farm else some.choice(["user", "key"]),
                "actor_id": some.randrange(1, 3),
            }
        )
    return rows


def all_pages(**which: Any) -> list[int]:
    """The numbers of all rows that the pages have, in their order."""
    seen: list[int] = []
    cursor = None
    while True:
        page = queries.list_updates(limit=7, cursor=cursor, **which)
        assert len(page.items) <= 7
        seen += [row.id for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            db.session.rollback()
            return seen


def followed(**which: Any) -> list[int]:
    """The numbers of all rows that the feed has, in their order."""
    seen: list[int] = []
    after_id = 0
    while True:
        found = queries.list_following(after_id=after_id, limit=7, **which)
        seen += [row.id for row in found.items]
        assert found.next_after_id > after_id or found.is_end
        after_id = found.next_after_id
        if found.is_end:
            db.session.rollback()
            return seen


def fits(row: dict[str, Any], which: dict[str, Any]) -> bool:
    """Whether a row is what filters ask for, decided the plain way."""
    since, until = which.get("since"), which.get("until")
    plain = {name: value for name, value in which.items() if name not in {"since", "until"}}
    in_time = (since is None or row["created_at"] >= since) and (until is None or row["created_at"] < until)
    return in_time and all(row[name] == value for name, value in plain.items())


def test_every_combination_of_filters_finds_just_the_rows_that_fit(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_LOOKED_AT", (5, 9))  # so that pages are short
    monkeypatch.setattr(queries, "FEED_WINDOW", 25)
    monkeypatch.setattr(queries, "PATIENCE_S", 0.0)
    ids = [create(f"B0CW1A000{at}").id for at in range(3)]
    in_transaction(lambda: db.session.execute(delete(ProductUpdate)))()
    add_rows(many_rows(ids))
    columns = [column for column in ProductUpdate.__table__.columns if column.key != "asin"]
    rows = [dict(row._mapping) for row in db.session.execute(select(*columns).order_by(ProductUpdate.id))]
    middle = NOW + timedelta(minutes=5 * ROWS // 2)
    filters: list[dict[str, Any]] = [
        {"product_id": ids[1]},
        {"operation_id": 1},
        {"job_id": 2},
        {"storefront_id": 1},
        {"actor_kind": "user", "actor_id": 1},
        {"actor_kind": "job"},
        {"attribute": "price"},
        {"source": "farm"},
        {"source": "api"},
        {"since": middle - timedelta(hours=2)},
        {"until": middle + timedelta(hours=2)},
    ]
    tried = found = 0
    for count in (0, 1, 2):
        for chosen in combinations(filters, count):
            which = {name: value for part in chosen for name, value in part.items()}
            wanted = [row["id"] for row in rows if fits(row, which)]
            assert all_pages(**which) == wanted[::-1], which
            assert followed(**which) == wanted, which
            tried, found = tried + 1, found + len(wanted)
    assert (tried, found > 1000) == (67, True)


@on_sqlite
def test_rows_that_were_written_late_are_found_by_their_time(context: Flask) -> None:
    product_id = create().id
    in_transaction(lambda: db.session.execute(delete(ProductUpdate)))()
    times = [NOW + timedelta(seconds=100 * at - 550 * (at % 3 == 1)) for at in range(40)]
    add_rows([{"product_id": product_id, "created_at": when} for when in times])
    made = list(
        db.session.execute(select(ProductUpdate.id, ProductUpdate.created_at).order_by(ProductUpdate.id.desc()))
    )
    for when in times:
        assert all_pages(since=when) == [id_ for id_, created in made if created >= when]
        assert all_pages(until=when) == [id_ for id_, created in made if created < when]


def test_an_asin_names_the_product_that_has_it_now(app: Flask, send: Send) -> None:
    first = send("POST", URL, LAMP).get_json()["id"]
    send("PATCH", f"{URL}/{first}", {"asin": "B0CW1A0002"}, version=1)
    second = send("POST", URL, LAMP).get_json()["id"]

    def products(query: str) -> list[int]:
        return [row["product_id"] for row in send("GET", f"{UPDATES}?{query}").get_json()["items"]]

    assert products("asin=B0CW1A0002") == [first, first]
    assert products("asin=b0cw1a0001") == [second]
    assert products("asin=B0CW1A0009") == products(f"asin=B0CW1A0001&product_id={first}") == []
    assert send("GET", f"{UPDATES}/feed?asin=B0CW1A0009").get_json()["items"] == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("actor_id=3", "actor_id"),
        ("actor_kind=robot", "actor_kind"),
        ("source=magic", "source"),
        ("attribute=colour", "attribute"),
        ("since=yesterday", "since"),
        ("since=2026-11-21T10:00:00", "since"),
        ("until=2026-13-01T00:00:00Z", "until"),
        ("operation_id=0", "operation_id"),
        ("storefront_id=99999999999999999999", "storefront_id"),
        ("product_id=1e3", "product_id"),
        ("asin=short", "asin"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("colour=red", "colour"),
    ],
)
@on_sqlite
def test_what_a_feed_does_not_know_is_refused_by_name(send: Send, query: str, pointer: str) -> None:
    for address in (UPDATES, f"{UPDATES}/feed"):
        answer = send("GET", f"{address}?{query}")
        assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
        assert [error["pointer"] for error in answer.get_json()["errors"]] == [f"/{pointer}"]


@on_sqlite
def test_a_cursor_that_was_tampered_with_or_is_of_another_list_is_refused(send: Send, context: Flask) -> None:
    for at in range(3):
        create(f"B0CW1A000{at}")
    good = send("GET", f"{UPDATES}?limit=1").get_json()["next_cursor"]
    of_products = send("GET", f"{URL}?limit=1").get_json()["next_cursor"]
    bad = [of_products, good[:-2], good + "AAAA", "x", "WzFd", "%00", "W10=", "bnVsbA", "WzEsMl0="]
    for query in ("", "source=api&", "source=api&attribute=name&"):
        for cursor in bad:
            answer = send("GET", f"{UPDATES}?{query}cursor={cursor}")
            assert (cursor, answer.status_code) == (cursor, 422)
            assert [error["pointer"] for error in answer.get_json()["errors"]] == ["/cursor"]
    assert send("GET", f"{UPDATES}?source=api&attribute=name&cursor={good}").status_code == 200
    for after in ("-1", "x", "9" * 30):
        assert send("GET", f"{UPDATES}/feed?after_id={after}").status_code == 422


# --- Following -------------------------------------------------------------------------------------------------------


def follow(send: Send, after_id: int, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = send("GET", f"{UPDATES}/feed?after_id={after_id}&{query}").get_json()
    return found


def test_who_follows_gets_what_came_since_in_its_order(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PATIENCE_S", 0.0)  # numbers of tests before are missing for good
    id_ = send("POST", URL, LAMP).get_json()["id"]
    first = follow(send, 0)
    assert ([row["attribute"] for row in first["items"]], first["is_end"]) == (["is_deleted"], True)
    after = first["next_after_id"]
    assert follow(send, after) == {"items": [], "next_after_id": after, "is_end": True}
    send("PATCH", f"{URL}/{id_}", {"name": "Pot", "price": "13"}, version=1)
    assert [row["attribute"] for row in follow(send, after)["items"]] == ["name", "price"]
    one = follow(send, after, "limit=1")
    assert ([row["attribute"] for row in one["items"]], one["is_end"]) == (["name"], False)
    assert [row["attribute"] for row in follow(send, one["next_after_id"], "limit=1")["items"]] == ["price"]
    assert [row["attribute"] for row in follow(send, 0, "attribute=price")["items"]] == ["price"]
    assert follow(send, 10**15) == {"items": [], "next_after_id": 10**15, "is_end": True}


def hold_open(app: Flask, product_id: int, *, fails: bool) -> tuple[threading.Event, threading.Thread]:
    """A transaction that has written a row and waits before it commits or fails; the event lets it go on."""
    written, go_on = threading.Event(), threading.Event()

    @in_transaction
    def write() -> None:
        row = {"product_id": product_id, "asin": "B0CW1A0001", "attribute": "name", "source": "api"}
        row |= {"actor_kind": "system", "current_attribute": "slow", "created_at": utc_now(), "updated_at": utc_now()}
        db.session.execute(insert(ProductUpdate), [row])
        written.set()
        assert go_on.wait(30)
        if fails:
            raise RuntimeError("it fails in the end")

    def run() -> None:
        with app.app_context():
            try:
                write()
            except RuntimeError:
                return

    thread = threading.Thread(target=run)
    thread.start()
    assert written.wait(30)
    return go_on, thread


def current(found: queries.Following) -> list[str | None]:
    db.session.rollback()
    return [row.current_attribute for row in found.items]


@on_servers
@pytest.mark.parametrize("fails", [False, True])
def test_a_row_that_is_committed_late_is_not_missed(
    context: Flask, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    product_id = create().id
    other_id = create("B0CW1A0002").id
    db.session.rollback()
    monkeypatch.setattr(queries, "PATIENCE_S", 0.0)
    start = queries.list_following(after_id=0, limit=100).next_after_id
    monkeypatch.setattr(queries, "PATIENCE_S", 2.0)
    go_on, thread = hold_open(context, product_id, fails=fails)
    try:
        update_product(actor=system(), now=utc_now(), product_id=other_id, expected_version=1, name="quick")
        waiting = queries.list_following(after_id=start, limit=100)
        assert (current(waiting), waiting.next_after_id, waiting.is_end) == ([], start, True)
        farther = queries.list_following(after_id=start, limit=100, product_id=other_id)
        assert (current(farther), farther.next_after_id) == ([], start)
    finally:
        go_on.set()
        thread.join(30)
    if fails:
        assert current(queries.list_following(after_id=start, limit=100)) == []
        time.sleep(2.1)
        assert current(queries.list_following(after_id=start, limit=100)) == ["quick"]
    else:
        assert current(queries.list_following(after_id=start, limit=100)) == ["slow", "quick"]


def test_who_follows_while_many_write_misses_nothing_and_sees_nothing_twice(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PATIENCE_S", 0.0)
    after = queries.list_following(after_id=0, limit=100).next_after_id
    db.session.rollback()
    monkeypatch.setattr(queries, "PATIENCE_S", 20.0)
    begins = [create(f"B0CW1A000{at}").id for at in range(4)]
    is_over = threading.Event()
    seen: list[int] = []

    def write(product_id: int) -> Callable[[], None]:
        def change() -> None:
            with context.app_context():
                for version in range(1, 16):
                    update_product(
                        actor=system(), now=utc_now(), product_id=product_id, expected_version=version,
                        name=f"name {version}", brand=f"brand {version}",
                    )  # fmt: skip

        return change

    def follow_all() -> None:
        nonlocal after
        with context.app_context():
            ends_at = time.monotonic() + 60
            while time.monotonic() < ends_at:
                last_look = is_over.is_set()
                found = queries.list_following(after_id=after, limit=10)
                seen.extend(row.id for row in found.items)
                after = found.next_after_id
                db.session.rollback()
                if last_look and found.is_end and len(seen) >= 4 + 4 * 30:
                    return
                if found.is_end:
                    time.sleep(0.005)

    with ThreadPoolExecutor(5) as pool:
        follower = pool.submit(follow_all)
        for writer in [pool.submit(write(product_id)) for product_id in begins]:
            writer.result(60)
        is_over.set()
        follower.result(90)
    written = list(db.session.scalars(select(ProductUpdate.id).order_by(ProductUpdate.id)))
    db.session.rollback()
    assert seen == written
    assert len(seen) == 4 + 4 * 30


# --- Every attribute by every writer ---------------------------------------------------------------------------------


def test_the_history_of_every_attribute_is_a_chain_that_ends_in_what_the_product_is(
    app: Flask, send: Send, tmp_path: Path
) -> None:
    product_id = change_by_every_writer(app, send, tmp_path)
    with app.app_context():
        product = db.session.get_one(Product, product_id)
        is_now = {name: getattr(product, name) for name in ATTRIBUTES}
        is_now |= {DELETED: product.deleted_at is not None}
        is_now |= {THRESHOLD: db.session.get_one(Stock, product_id).low_stock_threshold}
        rows = list(db.session.scalars(select(ProductUpdate).order_by(ProductUpdate.id)))
        assert {row.product_id for row in rows} == {product_id}
        assert {row.source for row in rows} == {source.value for source in Source}
        assert {row.actor_kind for row in rows if row.source == "farm"} == {"job"}
        assert all(row.operation_id is not None for row in rows if row.source in {"import", "bulk"})
        of_master = [row for row in rows if row.source != "farm"]
        assert {row.attribute for row in of_master} == set(is_now)
        for attribute, value in is_now.items():
            chain = [row for row in of_master if row.attribute == attribute]
            assert all(row.current_attribute != row.previous_attribute for row in chain)
            for before, after in pairwise(chain):
                assert (attribute, before.current_attribute) == (attribute, after.previous_attribute)
            assert (attribute, chain[-1].current_attribute) == (attribute, as_text(value))


def change_by_every_writer(app: Flask, send: Send, folder: Path) -> int:
    """Change every attribute of one product, by everybody who can; its id."""
    category = send("POST", "/api/v1/categories", {"name": "Lamps"}).get_json()["id"]
    product_id: int = send("POST", URL, LAMP).get_json()["id"]
    address = f"{URL}/{product_id}"

    def write(method: str, url: str, body: Any = None) -> Any:
        version = send("GET", address).get_json()["version"] if url == address else None
        answer = send(method, url, body, version=version)
        assert answer.status_code < 300, answer.text
        return answer.get_json() if answer.data else None

    full = LAMP | {"gtin": "40170725", "attributes": {"a": 1}, "images": ["https://images.example/a"]}
    write("PUT", address, full | {"asin": "B0CW1A0500", "categories": [category], "is_active": False})
    write("PATCH", address, {"attributes": {"b": True}, "brand": None, "images": []})
    last = send("GET", f"{address}/history").get_json()["items"][0]
    write("POST", f"{UPDATES}/{last['id']}/revert")
    write("DELETE", address)
    write("POST", f"{address}/restore")
    file = folder / "products.csv"
    file.write_text("asin,name,brand,price,description\nB0CW1A0500,Imported,Lumo,7.00,Cold light.\n")
    imported = app.test_cli_runner().invoke(args=["product", "import", str(file)])
    assert imported.exit_code == 0, imported.output
    write("POST", "/api/v1/bulk-actions", {"action": {"is_active": True}, "product_ids": [product_id]})
    write("PATCH", f"/api/v1/inventory/{product_id}", {"low_stock_threshold": 3})
    with app.app_context():
        observe(queries_of_products.get_product(product_id), task_id=1)
    write("PATCH", address, {"name": "x", "price": "1", "description": "", "gtin": None})
    return product_id
