"""Searching and counting over HTTP: what is refused, pages that stay, and facets that fit the list."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from flask import Flask
from redis import Redis

from app.core.extensions import db
from app.core.orm import utc_now
from app.operations.models import Operation
from app.products.models.products import Product
from app.products.models.stock import Stock
from app.products.queries import counting
from app.products.search import facets, matching, upkeep
from app.products.search.bands import make_bands
from tests.products.conftest import Send
from tests.products.search import shelf
from tests.servers import on_sqlite

URL: Final = "/api/v1/products"


@pytest.fixture
def ids(app: Flask) -> list[int]:
    with app.app_context():
        return shelf.fill()


def pages(send: Send, limit: int, **between: Any) -> list[int]:
    """All ids of a search, page by page."""
    found: list[int] = []
    cursor = ""
    for _ in range(100):
        answer = send("GET", f"{URL}?q=large&limit={limit}{cursor}").get_json()
        found += [item["id"] for item in answer["items"]]
        if answer["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer['next_cursor']}"
    raise AssertionError("no end")


def test_a_search_answers_with_products_and_how_it_was_meant(send: Send, ids: list[int]) -> None:
    answer = send("GET", f"{URL}?q=coper+ketle").get_json()
    assert [item["name"] for item in answer["items"]] == ["Copper kettle, 1.7 l"]
    assert answer["items"][0] == send("GET", f"{URL}/{ids[0]}").get_json()
    assert answer["search"] == {"corrected": "copper kettle", "is_capped": False, "answered_by": "database"}
    assert answer["next_cursor"] is None
    assert send("GET", f"{URL}?limit=1").get_json()["search"] is None


@pytest.mark.parametrize(
    "query",
    ["q=", "q=%20", f"q={'k' * 201}", "q=a&colour=red", "q=a&sort=best", "q=%00", "q=a&cursor=WzFd", "q=a&limit=0"],
)
@on_sqlite
def test_a_bad_search_is_refused(send: Send, ids: list[int], query: str) -> None:
    answer = send("GET", f"{URL}?{query}")
    assert answer.status_code == 422
    assert answer.get_json()["errors"]
    if "limit" not in query and "sort" not in query and "cursor" not in query:
        assert send("GET", f"{URL}/facets?{query}").status_code == 422


@on_sqlite
def test_the_longest_search_is_answered(send: Send, ids: list[int]) -> None:
    assert send("GET", f"{URL}?q={'k' * 200}").get_json()["items"] == []
    assert send("GET", f"{URL}?q=%F0%9F%90%B1").get_json()["items"] == []


def test_pages_show_every_hit_once_in_one_order(send: Send, ids: list[int]) -> None:
    whole = pages(send, 100)
    assert len(whole) == len(set(whole)) == 50
    assert pages(send, 7) == pages(send, 1) == whole


def test_later_pages_go_on_in_the_order_of_the_first_whatever_is_written(
    app: Flask, send: Send, ids: list[int]
) -> None:
    whole = pages(send, 100)
    first = send("GET", f"{URL}?q=large&limit=10").get_json()
    with app.app_context():
        shelf.add([("large", None)], start=900)
        shelf.change(whole[12], name="Not that size")
        shelf.change(whole[13], deleted_at=utc_now())
        upkeep.drain()
    second = send("GET", f"{URL}?q=large&limit=10&cursor={first['next_cursor']}").get_json()
    assert [item["id"] for item in second["items"]] == [*whole[10:13], *whole[14:20]]


def test_without_redis_later_pages_go_on_behind_the_last_product_shown(
    app: Flask, send: Send, ids: list[int], redis_url: str
) -> None:
    whole = pages(send, 100)
    first = send("GET", f"{URL}?q=large&limit=10").get_json()
    with app.app_context():
        shelf.add([("large", None)], start=900)
        upkeep.drain()
    with Redis.from_url(redis_url, db=1) as client:
        client.flushall()
    second = send("GET", f"{URL}?q=large&limit=10&cursor={first['next_cursor']}").get_json()
    assert [item["id"] for item in second["items"]] == whole[10:20]


@on_sqlite
def test_a_cursor_belongs_to_its_search(send: Send, ids: list[int]) -> None:
    cursor = send("GET", f"{URL}?q=large&limit=10").get_json()["next_cursor"]
    for other in (f"{URL}?q=small", f"{URL}?q=large&brand=Holz", f"{URL}?q=large&sort=price", f"{URL}?limit=5"):
        assert send("GET", f"{other}&cursor={cursor}").status_code == 422
    assert send("GET", f"{URL}?q=large&cursor={cursor[:-3]}").status_code == 422


def test_a_search_can_be_sorted_and_filtered_like_a_list(send: Send, ids: list[int]) -> None:
    def prices(query: str) -> list[str]:
        return [item["price"] for item in send("GET", f"{URL}?q=large&limit=100&{query}").get_json()["items"]]

    cheap_first = prices("sort=price")
    assert cheap_first == sorted(cheap_first)
    assert prices("sort=-price") == cheap_first[::-1]
    assert prices("sort=price&price_min=11.55&price_max=11.57&in_stock=true") == ["11.55", "11.57"]
    assert prices("brand=Nobody") == []


@pytest.mark.parametrize(
    "query", ["", "brand=Holz", "q=red", "q=large&in_stock=true", "price_max=11.00", "is_active=true"]
)
def test_facets_count_what_the_list_shows(app: Flask, send: Send, ids: list[int], query: str) -> None:
    with app.app_context():
        above = shelf.put_into("furniture", [])
        shelf.put_into("chairs", ids[50:60], parent_id=above)
    shown = send("GET", f"{URL}?limit=100&{query}").get_json()
    items = shown["items"]
    while shown["next_cursor"]:
        shown = send("GET", f"{URL}?limit=100&{query}&cursor={shown['next_cursor']}").get_json()
        items += shown["items"]
    counts = send("GET", f"{URL}/facets?{query}").get_json()
    assert counts["counted"] == len(items) > 0
    assert counts["is_capped"] is False
    brands = Counter(item["brand"] for item in items if item["brand"])
    expected = sorted(brands.items(), key=lambda one: (-one[1], one[0]))[:20]
    assert [(one["brand"], one["count"]) for one in counts["brands"]] == expected
    assert counts["active"] + counts["inactive"] == counts["in_stock"] + counts["out_of_stock"] == len(items)
    assert sum(band["count"] for band in counts["prices"]) == len(items)
    for band in counts["prices"]:
        low, high = (float(band[end] or default) for end, default in (("price_min", 0), ("price_max", 1e9)))
        assert band["count"] == sum(1 for item in items if low <= float(item["price"]) <= high)
    inside = sum(1 for item in items if item["categories"])
    assert [one["count"] for one in counts["categories"]] == ([inside, inside] if inside else [])


def test_facets_of_a_category_show_those_right_below_it(app: Flask, send: Send, ids: list[int]) -> None:
    with app.app_context():
        above = shelf.put_into("furniture", [])
        chairs = shelf.put_into("chairs", ids[50:60], parent_id=above)
        shelf.put_into("tables", ids[60:63], parent_id=above)
    counts = send("GET", f"{URL}/facets?category={above}").get_json()
    assert [(one["name"], one["count"]) for one in counts["categories"]] == [("chairs", 10), ("tables", 3)]
    assert counts["counted"] == 13
    assert send("GET", f"{URL}/facets?category={chairs}").get_json()["categories"] == []


def test_facets_count_the_newest_of_many_and_say_so(
    app: Flask, send: Send, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "LOOKED_AT", 50)
    counts = send("GET", f"{URL}/facets").get_json()
    assert (counts["counted"], counts["is_capped"], counts["counted_at"]) == (50, True, None)
    with app.app_context():
        facets.count_all(now=utc_now())
    counts = send("GET", f"{URL}/facets").get_json()
    assert (counts["counted"], counts["is_capped"]) == (len(shelf.ALL), False)
    assert counts["counted_at"] is not None
    assert send("GET", f"{URL}/facets?brand=Holz").get_json()["is_capped"] is True
    monkeypatch.setattr(facets, "LOOKED_AT", 5000)
    with app.app_context():
        facets.count_all(now=utc_now())
    assert send("GET", f"{URL}/facets").get_json()["counted_at"] is None


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most ten are counted, of fifteen at either end."""
    monkeypatch.setattr(facets, "LOOKED_AT", 10)
    monkeypatch.setattr(counting, "WINDOW", 15)
    monkeypatch.setattr(counting, "ENOUGH", 3)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"asin={shelf.asin(70)}", 1),
        ("gtin=4006381333931", 2),
        ("brand=Lumo", 5),
        ("brand=Lumo&is_active=false", 1),
        ("brand=Holz&price_min=10.70&price_max=10.74", 5),
        ("price_max=10.08", 9),
        ("price_min=10.60&price_max=10.68&in_stock=true", 4),
        ("in_stock=true&brand=Volt", 2),
        (f"asin={shelf.asin(70)}&is_active=false", 0),
    ],
)
def test_facets_are_exact_where_one_index_leaves_few_however_old_they_are(
    app: Flask, send: Send, ids: list[int], query: str, expected: int
) -> None:
    with app.app_context():
        shelf.change(ids[1], is_active=False)
        for place in (70, 71):
            shelf.change(ids[place], gtin="4006381333931")
    assert len(send("GET", f"{URL}?limit=100&{query}").get_json()["items"]) == expected
    counts = send("GET", f"{URL}/facets?{query}").get_json()
    assert (counts["counted"], counts["is_capped"]) == (expected, False)


@pytest.mark.usefixtures("narrow")
def test_facets_of_a_category_and_of_stock_are_exact_where_few_are_in_it(
    app: Flask, send: Send, ids: list[int]
) -> None:
    with app.app_context():
        old = shelf.put_into("old", ids[:8])
        shelf.change(ids[2], is_active=False)
    counts = send("GET", f"{URL}/facets?category={old}&is_active=false").get_json()
    assert (counts["counted"], counts["is_capped"], counts["inactive"]) == (1, False, 1)
    counts = send("GET", f"{URL}/facets?category={old}&in_stock=true").get_json()
    assert (counts["counted"], counts["is_capped"], counts["in_stock"]) == (4, False, 4)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("place", [1, 14, -2, -15])
@pytest.mark.parametrize("query", ["is_active=false", "is_active=false&price_min=0.01&in_stock=true"])
def test_facets_that_are_capped_count_what_a_list_shows_first(
    app: Flask, send: Send, ids: list[int], place: int, query: str
) -> None:
    with app.app_context():
        shelf.change(ids[place], is_active=False)
        stock = db.session.get_one(Stock, ids[place])
        stock.on_hand = 1
        db.session.commit()
    counts = send("GET", f"{URL}/facets?{query}").get_json()
    assert (counts["counted"], counts["is_capped"], counts["inactive"]) == (1, True, 1)


@pytest.mark.usefixtures("narrow")
def test_facets_count_along_the_prices_where_new_and_old_products_do_not_fit(send: Send, ids: list[int]) -> None:
    counts = send("GET", f"{URL}/facets?price_min=10.60&price_max=10.89").get_json()
    assert (counts["counted"], counts["is_capped"]) == (10, True)


def test_facets_are_exact_where_both_ends_meet(
    app: Flask, send: Send, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "LOOKED_AT", 150)
    for window, expected in (
        (len(ids) - 1, (50, False)),
        (len(ids) // 2, (50, False)),
        (len(ids) // 2 - 5, (42, True)),
    ):
        monkeypatch.setattr(counting, "WINDOW", window)
        with app.app_context():
            middle = ids[75:125]
            for id_ in middle:
                db.session.get_one(Product, id_).is_active = False
            db.session.commit()
        counts = send("GET", f"{URL}/facets?is_active=false").get_json()
        assert (counts["counted"], counts["is_capped"]) == expected


def test_the_count_of_all_is_forgotten_while_an_operation_writes_and_made_again_after_it(
    app: Flask, send: Send, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "LOOKED_AT", 50)
    now = utc_now()
    minute = timedelta(minutes=1)

    def told(at: datetime) -> tuple[int, bool]:
        with app.app_context():
            facets.keep_counted(now=at)
        counts = send("GET", f"{URL}/facets").get_json()
        return counts["counted"], counts["is_capped"]

    total = len(ids)
    assert told(now) == (total, False)
    with app.app_context():
        shelf.add([("late", None)], start=900)
    assert told(now + minute) == (total, False)  # a single product is no reason to count
    assert told(now + 10 * minute) == (total + 1, False)
    with app.app_context():
        operation_id = running()
        shelf.add([("in the middle", None)], start=901)
    assert told(now + 11 * minute) == (50, True)
    assert told(now + 12 * minute) == (50, True)
    with app.app_context():
        operation = db.session.get_one(Operation, operation_id)
        operation.state, operation.writer, operation.finished_at = "COMPLETED", None, now + 12 * minute
        db.session.commit()
    assert told(now + 13 * minute) == (total + 2, False)
    with app.app_context():  # one that begins and ends between two looks
        shelf.add([("quick", None)], start=902)
        operation = db.session.get_one(Operation, operation_id)
        operation.finished_at = now + 14 * minute
        db.session.commit()
    assert told(now + 15 * minute) == (total + 3, False)
    monkeypatch.setattr(facets, "MANY_QUEUED", 2)
    assert told(now + 16 * minute) == (50, True)


def test_a_count_of_all_during_which_an_operation_began_is_not_kept(
    app: Flask, send: Send, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "LOOKED_AT", 50)
    count = facets.count_all

    def interrupted(*, now: datetime) -> None:
        count(now=now)
        running()

    monkeypatch.setattr(facets, "count_all", interrupted)
    with app.app_context():
        facets.keep_counted(now=utc_now())
    assert send("GET", f"{URL}/facets").get_json()["is_capped"] is True


def running() -> int:
    """An import that writes to the catalogue; its id."""
    operation = Operation(
        kind="import", state="RUNNING", arguments={}, folder="x", writer=1, expires_at=utc_now(), actor_kind="system"
    )
    db.session.add(operation)
    db.session.commit()
    return operation.id


def test_facets_of_a_search_with_too_many_hits_say_so(
    send: Send, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "CANDIDATES", 20)
    monkeypatch.setattr(matching, "TITLES", 0)
    counts = send("GET", f"{URL}/facets?q=large").get_json()
    assert (counts["counted"], counts["is_capped"]) == (20, True)


def test_price_bands_have_round_ends_and_leave_nothing_out() -> None:
    bands = make_bands(dict.fromkeys(range(99, 20000, 7), 1), "USD")
    assert sum(band.count for band in bands) == len(range(99, 20_000, 7))
    assert [(band.price_min, band.price_max) for band in bands] == [
        (None, 1999),
        (2000, 4999),
        (5000, 9999),
        (10000, 19999),
    ]
    assert make_bands({}, "USD") == []
    assert [band.count for band in make_bands({0: 5}, "USD")] == [5]
