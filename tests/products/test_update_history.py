"""The update history: what the shop changes and what the farm sees, each once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError

from app.core import events
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.permissions import for_job, system
from app.core.transactions import in_transaction
from app.products.errors import AsinTaken, ProductChanged
from app.products.events import ProductDeleted
from app.products.models.products import Product
from app.products.queries import products as queries
from app.products.services.observations import record_observed_change
from app.products.services.products import create_product, delete_product, update_product
from tests.concurrency import at_once
from tests.products.conftest import Send, changes, stored
from tests.servers import on_sqlite

NOW = datetime(2026, 11, 21, 12, 0, 0, 1, UTC)


def create(asin: str = "B0CW1A0001", **values: Any) -> Product:
    given: dict[str, Any] = {"name": "Lamp", "price": Money(1250, "USD")} | values
    return create_product(actor=system(), now=NOW, asin=asin, **given)


def observe(product: Product, *, task_id: int, attribute: str = "price", job_id: int = 5, joined: bool = False) -> None:
    call = record_observed_change.joined if joined else record_observed_change
    call(
        actor=for_job(job_id),
        now=NOW,
        product_id=product.id,
        asin=product.asin,
        attribute=attribute,
        previous="12.50 USD",
        current="11.00 USD",
        storefront_id=3,
        job_id=job_id,
        task_id=task_id,
    )


def test_what_the_farm_sees_is_noted_and_leaves_the_master_alone(context: Flask) -> None:
    product = create()
    observe(product, task_id=1)
    row = stored(context)["updates"][-1]
    assert (row["source"], row["storefront_id"], row["job_id"], row["task_id"]) == ("farm", 3, 5, 1)
    assert (row["actor_kind"], row["actor_id"], row["created_at"]) == ("job", 5, NOW)
    assert (row["attribute"], row["previous_attribute"], row["current_attribute"]) == (
        "price",
        "12.50 USD",
        "11.00 USD",
    )
    assert queries.get_product(product.id).price == Money(1250, "USD")
    assert queries.get_product(product.id).version == 1


def test_a_task_notes_an_attribute_once(context: Flask) -> None:
    product = create()
    observe(product, task_id=1)
    with pytest.raises(IntegrityError):
        observe(product, task_id=1)
    observe(product, task_id=1, attribute="name")
    observe(product, task_id=2)
    assert [(row["task_id"], row["attribute"]) for row in stored(context)["updates"] if row["task_id"]] == [
        (1, "price"),
        (1, "name"),
        (2, "price"),
    ]


def test_what_the_farm_sees_shares_the_fate_of_its_task(context: Flask) -> None:
    product = create()

    @in_transaction
    def finish_task(*, fails: bool) -> None:
        observe(product, task_id=1, joined=True)
        if fails:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        finish_task(fails=True)
    assert changes(context) == []
    finish_task(fails=False)
    assert len(changes(context)) == 1


def test_the_feeds_show_the_newest_first_and_narrow_by_job_product_and_attribute(app: Flask, send: Send) -> None:
    with app.app_context():
        one, other = create(), create("B0CW1A0002")
        first_id, other_id = one.id, other.id
        observe(one, task_id=1)
        observe(one, task_id=1, attribute="name")
        observe(other, task_id=2, job_id=6)
        update_product(actor=system(), now=NOW, product_id=first_id, expected_version=1, name="Lamp two")

    def tasks(url: str) -> list[int | None]:
        return [row["task_id"] for row in send("GET", f"/api/v1/{url}").get_json()["items"]]

    assert tasks("product-updates") == [None, 2, 1, 1, None, None]
    assert tasks("product-updates?job_id=5") == [1, 1]
    assert tasks(f"product-updates?product_id={other_id}") == [2, None]
    assert tasks("product-updates?attribute=name") == [None, 1]
    assert tasks("product-updates?job_id=5&attribute=name") == [1]
    assert tasks("product-updates?job_id=4711") == []
    assert tasks(f"products/{first_id}/history") == [None, 1, 1, None]
    first = send("GET", "/api/v1/product-updates?limit=4").get_json()
    second = send("GET", f"/api/v1/product-updates?limit=4&cursor={first['next_cursor']}").get_json()
    assert [len(first["items"]), len(second["items"]), second["next_cursor"]] == [4, 2, None]


@on_sqlite
@pytest.mark.parametrize("query", ["job_id=0", "job_id=x", "job_id=9999999999999999999", "attribute=colour", "x=1"])
def test_a_feed_refuses_what_it_does_not_know(send: Send, query: str) -> None:
    answer = send("GET", f"/api/v1/product-updates?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [f"/{query.partition('=')[0]}"]


def test_of_two_changes_at_once_one_is_told_that_it_came_late(context: Flask) -> None:
    product_id = create().id

    def rename(name: str) -> Any:
        return lambda: update_product(actor=system(), now=NOW, product_id=product_id, expected_version=1, name=name)

    outcomes = at_once(context, rename("first"), rename("second"))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Product", "ProductChanged"]
    winner = next(outcome for outcome in outcomes if isinstance(outcome, Product))
    assert changes(context) == [("name", "Lamp", winner.name)]


def test_of_two_that_create_one_asin_at_once_one_is_refused(context: Flask) -> None:
    outcomes = at_once(context, create, create, create)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AsinTaken", "AsinTaken", "Product"]
    assert len(stored(context)["products"]) == 1
    assert len(stored(context)["audit"]) == 1


def test_of_two_that_bring_a_product_back_at_once_one_is_refused(context: Flask) -> None:
    product_id = create().id
    delete_product(actor=system(), now=NOW, product_id=product_id, expected_version=1)
    outcomes = at_once(context, create, create)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AsinTaken", "Product"]
    assert [change[0] for change in changes(context)] == ["is_deleted", "is_deleted"]


def test_a_deletion_tells_other_domains_inside_its_transaction(context: Flask) -> None:
    product = create()
    heard: list[ProductDeleted] = []

    def listen(event: ProductDeleted) -> None:
        heard.append(event)
        raise RuntimeError("another domain objects")

    events.subscribe(ProductDeleted, listen)
    try:
        with pytest.raises(RuntimeError, match="objects"):
            delete_product(actor=system(), now=NOW, product_id=product.id, expected_version=1)
    finally:
        events._subscribers[ProductDeleted].remove(listen)
    assert heard == [ProductDeleted(product.id, "B0CW1A0001")]
    assert queries.get_product(product.id).version == 1
    assert changes(context) == []


@on_sqlite
def test_services_refuse_a_negative_price_too(context: Flask) -> None:
    with pytest.raises(Invalid):
        create(price=Money(-1, "USD"))
    product_id = create().id
    with pytest.raises(Invalid):
        update_product(actor=system(), now=NOW, product_id=product_id, expected_version=1, price=Money(-1, "USD"))
    assert changes(context) == []


def test_products_are_found_by_many_asins_at_once(context: Flask) -> None:
    ids = {asin: create(asin).id for asin in ("B0CW1A0001", "B0CW1A0002", "B0CW1A0003")}
    delete_product(actor=system(), now=NOW, product_id=ids.pop("B0CW1A0002"), expected_version=1)
    unknown = [f"X{at:09}" for at in range(2500)]
    assert queries.find_products_by_asins([*unknown, *ids, "B0CW1A0002"]) == ids
    assert queries.find_products_by_asins([]) == {}


def test_products_that_fit_a_filter_are_found_by_their_ids(context: Flask) -> None:
    ids = [create(f"B0CW1A000{at}", brand="Lumo", is_active=at != 1).id for at in range(4)]
    create("B0CW1A0009", brand="Other")
    delete_product(actor=system(), now=NOW, product_id=ids[3], expected_version=1)
    assert queries.find_fitting_ids({"brand": "Lumo"}, limit=9) == ids[:3]
    assert queries.find_fitting_ids({"brand": "Lumo", "is_active": True}, limit=9) == [ids[0], ids[2]]
    assert len(queries.find_fitting_ids({"brand": "Lumo"}, limit=2)) == 2
    assert queries.find_fitting_ids({"brand": "lumo"}, limit=9) == []
    assert queries.find_fitting_ids({"is_active": False}, limit=9) == [ids[1]]
    db.session.rollback()


@on_sqlite
def test_refusals_have_names(context: Flask) -> None:
    product_id = create().id
    with pytest.raises(AsinTaken, match="B0CW1A0001"):
        create()
    with pytest.raises(ProductChanged, match="version 1"):
        delete_product(actor=system(), now=NOW, product_id=product_id, expected_version=2)
    assert len(stored(context)["products"]) == 1
