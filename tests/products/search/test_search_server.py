"""A search server beside the database: filled, kept up to date, and done without while it is away.

The server is a DOUBLE (tests/products/search/double.py) unless SEARCH_TEST_URL names a real one, Elasticsearch or
OpenSearch; then the tests that need the double's switches use the double all the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from flask import Flask

from app.config import Search
from app.core.orm import utc_now
from app.products.search import elasticsearch, upkeep
from app.products.search.elasticsearch import ServerAway
from app.products.search.finding import find
from app.products.search.port import NO_FILTERS, Filters, Found, Query
from app.products.search.text import Words
from tests.conftest import AppWith
from tests.products.search import shelf
from tests.products.search.double import ServerDouble, running
from tests.servers import on_sqlite

QUERIES = ("kettle", "lumo lamp", "large red", "ket", "500ml", "おもちゃ", "the who", "cafe", "coper ketle", "nothing")


@dataclass(frozen=True)
class Shop:
    """An application with a search server, and the double where it is one."""

    app: Flask
    double: ServerDouble
    ids: list[int]


@pytest.fixture
def url() -> Iterator[str]:
    real = os.environ.get("SEARCH_TEST_URL")
    if real:
        yield real
        requests.delete(f"{real}/cartwright-test-*", timeout=30)
    else:
        with running(ServerDouble()) as place:
            yield place


@pytest.fixture
def filled(app_with: AppWith, url: str) -> Iterator[Flask]:
    """The shelf, indexed on the server."""
    app = app_with(search=Search(url=url, index="cartwright-test"))
    with app.app_context():
        shelf.fill()
        rebuild()
        yield app


@pytest.fixture
def shop(app_with: AppWith) -> Iterator[Shop]:
    """The same on a double, whatever SEARCH_TEST_URL says."""
    double = ServerDouble()
    with running(double) as place:
        app = app_with(search=Search(url=place, index="cartwright-test"))
        with app.app_context():
            ids = shelf.fill()
            rebuild()
            yield Shop(app, double, ids)


def rebuild() -> None:
    server = elasticsearch.server()
    assert server is not None
    upkeep.rebuild_server(server, lambda _done: None, now=utc_now())
    server._resting_until = 0.0
    upkeep.drain()
    settle()


def settle() -> None:
    """Let a real server make visible what was written."""
    server = elasticsearch.server()
    assert server is not None
    server._call("POST", "/cartwright-test/_refresh", None, seconds=30)


def by_database(text: str, filters: Filters = NO_FILTERS) -> Found:
    """What is found without the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elasticsearch, "server", lambda: None)
        return find(Query(text, filters))


def test_the_server_finds_what_the_database_finds(filled: Flask) -> None:
    for text in QUERIES:
        found, expected = find(Query(text)), by_database(text)
        assert (found.ids, found.corrected) == (expected.ids, expected.corrected), text
        assert found.answered_by == "elasticsearch"
        assert expected.answered_by == "database"
    newest = find(Query("large")).ids[:7]
    above = shelf.put_into("furniture", [])
    shelf.put_into("chairs", newest, parent_id=above)
    for product_id in newest:
        shelf.change(product_id, version=2)
    upkeep.drain()
    settle()
    inside = Filters(category=above)
    for filters in (
        Filters(brand="Holz"),
        inside,
        Filters(price_min=1190),
        Filters(in_stock=True),
        Filters(is_active=False),
    ):
        assert find(Query("large", filters)).ids == by_database("large", filters).ids
    assert find(Query("large", inside)).ids == newest


@on_sqlite
def test_changes_reach_the_server_and_what_is_older_is_ignored(filled: Flask) -> None:
    first, second, third = find(Query("large red")).ids[:3]
    shelf.change(first, name="Brass pot", version=2)
    shelf.change(second, deleted_at=utc_now(), version=2)
    upkeep.drain()
    settle()
    assert find(Query("brass pot")).ids == [first]
    assert not {first, second} & set(find(Query("large red")).ids)
    assert third in find(Query("large red")).ids
    server = elasticsearch.server()
    assert server is not None
    (old,) = upkeep._server_documents([first])
    server.write([old | {"version": 1, "terms": ["old"]}], [])
    settle()
    assert server.candidates(Words(("old",), None), Filters(), None) == ([], False)


def test_while_the_server_is_away_the_database_answers_and_says_so(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    expected = find(Query("kettle"))
    shop.double.is_away = True
    before = len(shop.double.requests)
    for _ in range(5):
        found = find(Query("kettle"))
        assert (found.ids, found.answered_by) == (expected.ids, "fallback")
    assert len(shop.double.requests) == before + 1  # one search paid for it, not all
    assert "does not answer, the database does" in caplog.text
    shop.double.is_away = False
    assert find(Query("kettle")).answered_by == "fallback"
    server = elasticsearch.server()
    assert server is not None
    server._resting_until = time.monotonic()
    assert find(Query("kettle")).answered_by == "elasticsearch"


def test_what_changes_while_the_server_is_away_is_sent_when_it_is_back(shop: Shop) -> None:
    shop.double.is_away = True
    shelf.add([("Samovar", None)], start=800)
    upkeep.drain()
    upkeep.drain()
    assert shelf.names(find(Query("samovar")).ids) == ["Samovar"]
    status = upkeep.read_status(now=utc_now())
    assert (status.queued, status.server_queued, status.server_documents) == (0, 1, None)
    shop.double.is_away = False
    server = elasticsearch.server()
    assert server is not None
    server._resting_until = 0.0
    upkeep.drain()
    status = upkeep.read_status(now=utc_now())
    assert (status.server_queued, status.server_documents) == (0, len(shelf.ALL) + 1)
    assert find(Query("samovar")).answered_by == "elasticsearch"


@on_sqlite
def test_documents_that_the_server_has_no_room_for_stay_queued(shop: Shop) -> None:
    shop.double.too_busy = True
    shelf.add([("Samovar", None)], start=800)
    upkeep.drain()
    assert upkeep.read_status(now=utc_now()).server_queued == 1
    shop.double.too_busy = False
    upkeep.drain()
    assert upkeep.read_status(now=utc_now()).server_queued == 0


@on_sqlite
def test_before_the_first_rebuild_the_database_answers_and_no_index_is_made_by_accident(app_with: AppWith) -> None:
    double = ServerDouble()
    with running(double) as place, app_with(search=Search(url=place, index="cartwright-test")).app_context():
        shelf.fill(shelf.BY_HAND)
        assert find(Query("kettle")).answered_by == "fallback"
        assert double.indexes == {}
        assert upkeep.read_status(now=utc_now()).server_queued == len(shelf.BY_HAND)


@on_sqlite
def test_a_rebuild_that_fails_leaves_the_old_index_in_use_and_nothing_behind(shop: Shop) -> None:
    server = elasticsearch.server()
    assert server is not None
    (before,) = shop.double.indexes

    def fail(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upkeep.rebuild_server(server, fail, now=utc_now())
    assert list(shop.double.indexes) == [before]
    shop.double.is_away = True
    with pytest.raises(ServerAway):
        upkeep.rebuild_server(server, lambda _done: None, now=utc_now())
    shop.double.is_away = False
    assert server.indexes() == [before]


def test_a_rebuild_takes_the_place_of_the_old_index_and_gets_what_changed_meanwhile(shop: Shop) -> None:
    server = elasticsearch.server()
    assert server is not None
    (before,) = shop.double.indexes

    def change(_done: int) -> None:
        shelf.change(shop.ids[0], name="Changed meanwhile", version=2, updated_at=utc_now())
        upkeep.drain()  # into the old index

    upkeep.rebuild_server(server, change, now=utc_now())
    (after,) = shop.double.indexes
    assert after != before
    assert server.indexes() == [after]
    shelf.change(shop.ids[1], name="Another", version=2)
    upkeep.drain()
    assert find(Query("meanwhile")).ids == [shop.ids[0]]


@on_sqlite
def test_an_answer_that_is_none_of_a_search_is_as_good_as_no_answer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for nonsense in ({"hits": {"hits": [{"_id": "x"}]}}, {}, [1], {"hits": None}):
        monkeypatch.setattr(shop.double, "_search", lambda *_args, answer=nonsense: answer)
        server = elasticsearch.server()
        assert server is not None
        server._resting_until = 0.0
        assert find(Query("kettle")).answered_by == "fallback"
