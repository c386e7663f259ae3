"""What is written to the product master can be found a moment later, whatever happens at the same time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update

from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.queues import BACKGROUND, doorbell
from app.core.transactions import in_transaction
from app.products.models.search import SearchDocument, SearchPosting, SearchQueue, SearchWord
from app.products.search import dictionary, indexing, mysql, queue, upkeep
from app.products.search.finding import find
from app.products.search.port import Query
from app.products.search.text import decode
from app.products.services.products import create_product, delete_product, patch_product, restore_product
from tests.concurrency import at_once
from tests.products.search import shelf
from tests.rpa.conftest import FARM
from tests.servers import on_sqlite
from workers.dispatcher import Dispatcher
from workers.jobs.search import Upkeep


def hits(text: str) -> list[int]:
    return find(Query(text)).ids


def queued() -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(SearchQueue.product_id).order_by(SearchQueue.id)))


def words() -> dict[str, int]:
    """The dictionary."""
    db.session.rollback()
    return {row.word: row.documents for row in db.session.scalars(select(SearchWord))}


def counted() -> dict[str, int]:
    """What the dictionary has to be."""
    return Counter(word for text in db.session.scalars(select(SearchDocument.words)) for word in decode(text))


def create(name: str = "Copper kettle", **values: Any) -> Any:
    price = Money.parse("10.00", "USD")
    made: dict[str, Any] = {"asin": "B0CW1A0001", "brand": "Lumo", "description": "", "price": price} | values
    return create_product(actor=system(), now=utc_now(), name=name, **made)


def test_a_product_is_found_from_its_creation_to_its_deletion_by_its_present_name(context: Flask) -> None:
    product = create()
    assert queued() == [product.id]
    assert hits("kettle") == []
    assert upkeep.drain() == 1
    assert hits("copper kettle") == hits("lumo") == [product.id]
    common = {"actor": system(), "product_id": product.id}
    patch_product(now=utc_now(), expected_version=1, name="Brass pot", brand=None, **common)
    upkeep.drain()
    assert (hits("copper"), hits("lumo"), hits("brass pot")) == ([], [], [product.id])
    delete_product(now=utc_now(), expected_version=2, **common)
    upkeep.drain()
    assert hits("brass") == []
    assert words() == {}
    restore_product(now=utc_now(), **common)
    upkeep.drain()
    assert hits("brass pot") == [product.id]
    assert words() == {"brass": 1, "pot": 1}
    assert queued() == []


def test_what_search_has_no_copy_of_is_not_queued(context: Flask) -> None:
    product = create()
    upkeep.drain()
    changed = {"price": Money.parse("11.00", "USD"), "description": "Boils."}
    patch_product(actor=system(), now=utc_now(), product_id=product.id, expected_version=1, **changed)
    assert queued() == []


def test_a_failed_write_queues_nothing(context: Flask) -> None:
    create()
    upkeep.drain()
    with pytest.raises(Exception, match="B0CW1A0001"):
        create("Another with the same ASIN")
    assert queued() == []


def test_the_dictionary_counts_products_however_they_change(context: Flask) -> None:
    ids = shelf.fill(shelf.BY_HAND)
    shelf.change(ids[0], name="Kettle kettle 5kg, L'Été")
    shelf.change(ids[1], name="Copper whistle", brand="Kettle")
    shelf.change(ids[2], deleted_at=utc_now())
    shelf.change(ids[2], deleted_at=None)
    shelf.change(ids[3], deleted_at=utc_now())
    upkeep.drain()
    assert words() == counted()
    assert words()["kettle"] == 3


def test_common_words_are_listed_as_they_become_common_and_kept_so(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "RARE", 40)
    ids = shelf.fill()
    lists_words = context.extensions["settings"].database_url.startswith("mysql")
    red = "red" if lists_words else "no such word"

    def listed() -> list[int]:
        db.session.rollback()
        mine = select(SearchPosting.product_id).where(SearchPosting.word_key == mysql.key_of(red))
        return list(db.session.scalars(mine.order_by(SearchPosting.product_id)))

    def having() -> list[int]:
        mine = select(SearchDocument.product_id).where(SearchDocument.words.like(f"% zz{red} %"))
        return list(db.session.scalars(mine.order_by(SearchDocument.product_id)))

    large = db.session.scalar(select(SearchWord.is_listed).where(SearchWord.word == "large"))
    assert large is lists_words
    assert listed() == []  # 33 products are not many
    monkeypatch.setattr(mysql, "RARE", 30)
    shelf.add([("Red wine", None)], start=900)
    upkeep.drain()
    assert listed() == having()
    assert len(listed()) == (34 if lists_words else 0)
    shelf.change(ids[0], name="Something red")
    shelf.change(listed()[0] if lists_words else ids[1], name="Something else")
    shelf.change(listed()[1] if lists_words else ids[2], deleted_at=utc_now())
    upkeep.drain()
    assert listed() == having()
    assert len(listed()) == (33 if lists_words else 0)


def test_a_product_that_is_queued_often_is_indexed_once(context: Flask) -> None:
    (product_id,) = shelf.add([("Kettle", None)])

    @in_transaction
    def again() -> None:
        queue.add([product_id] * 5)

    again()
    assert upkeep.drain() == 6
    assert hits("kettle") == [product_id]
    assert words() == {"kettle": 1}


def test_two_who_drain_at_once_do_no_harm(app: Flask) -> None:
    with app.app_context():
        ids = shelf.add(shelf.ALL)
    done = at_once(app, *[upkeep.drain] * 3, lambda: shelf.change(ids[0], name="Changed meanwhile"), upkeep.drain)
    assert [one for one in done if isinstance(one, Exception)] == []
    with app.app_context():
        upkeep.drain()
        assert queued() == []
        assert words() == counted()
        assert hits("meanwhile") == ids[:1]
        assert db.session.scalar(select(func.count()).select_from(SearchDocument)) == len(shelf.ALL)


def test_a_drain_that_fails_leaves_all_as_it_was(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.add(shelf.BY_HAND)

    def fail(_changes: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(dictionary, "add", fail)
    with pytest.raises(OSError, match="full"):
        upkeep.drain()
    assert (len(queued()), words(), hits("kettle")) == (len(shelf.BY_HAND), {}, [])
    monkeypatch.undo()
    upkeep.drain()
    assert words() == counted() != {}


@on_sqlite
def test_the_dispatcher_rings_while_something_is_queued_and_no_message_is_on_its_way(context: Flask) -> None:
    def messages() -> int:
        return sum(1 for job in doorbell().queue(BACKGROUND).job_ids if job == queue.DRAIN)

    dispatcher = Dispatcher(context, FARM)
    dispatcher.turn()
    assert messages() == 0
    shelf.add([("Kettle", None)])
    assert [queue.ring_due(), queue.ring_due()] == [True, False]
    doorbell().redis.flushall()
    dispatcher._slow_at = float("-inf")
    dispatcher.turn()
    assert messages() == 1
    Upkeep(context).drain_search()
    doorbell().redis.flushall()
    assert not queue.ring_due()
    assert hits("kettle")


def test_a_rebuild_repairs_what_is_wrong_and_goes_on_where_it_was_interrupted(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = shelf.fill()
    expected = words()

    @in_transaction
    def spoil() -> None:
        db.session.execute(delete(SearchDocument).where(SearchDocument.product_id == ids[0]))
        db.session.execute(update(SearchDocument).where(SearchDocument.product_id == ids[1]).values(title="wrong"))
        db.session.add(SearchDocument(product_id=ids[-1] + 1000, title="stray", brand="", words=" zzstray "))

    spoil()
    monkeypatch.setattr(indexing, "_REBUILD_BATCH", 50)
    seen: list[int] = []

    def interrupt(done: int) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upkeep.rebuild_database(interrupt, now=utc_now)
    assert indexing.last_rebuilt() == ids[99]
    upkeep.rebuild_database(seen.append, now=utc_now)
    assert sum(seen) == len(ids)
    assert seen[:3] == [50, 50, 50]
    assert indexing.last_rebuilt() == 0
    documents = dict(db.session.execute(select(SearchDocument.product_id, SearchDocument.title)).all())
    assert sorted(documents) == ids
    assert documents[ids[1]] == "kettle"
    # of the document that was taken away behind the dictionary's back it counts the words twice
    twice = {"copper", "kettle", "1", "7", "l", "7l", "kettles", "co"}
    assert {word for word, count in words().items() if count != expected[word]} == twice


@on_sqlite
def test_the_commands_say_how_search_is_and_build_it_anew(context: Flask) -> None:
    shelf.add(shelf.BY_HAND)
    run = context.test_cli_runner()
    before = run.invoke(args=["search", "status"]).output
    assert f"queued           {len(shelf.BY_HAND)}, for" in before
    assert "documents        0" in before
    rebuilt = run.invoke(args=["search", "rebuild"])
    assert rebuilt.exit_code == 0
    assert "database" in rebuilt.output
    after = run.invoke(args=["search", "status"]).output
    assert f"documents        {len(shelf.BY_HAND)}\n" in after
    assert "queued           0, for 0.0 s" in after
    assert run.invoke(args=["search", "rebuild", "--server-only"]).exit_code == 2
