"""Which products are in which categories, after whatever becomes of the products and of the tree."""

from __future__ import annotations

import random
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.products.errors import CategoryCycle, CategoryTooDeep
from app.products.models.categories import Category, ProductCategory
from app.products.models.products import Product
from app.products.services import memberships as memberships_service
from app.products.services.categories import update_category
from tests.products.categories import add_category, add_chain, add_product, found_in, put, statements, wrongs
from tests.products.conftest import LAMP, URL, Send, changes, stored
from tests.servers import on_sqlite


def move(category_id: int, parent_id: int | None) -> None:
    version = db.session.scalars(select(Category.version).where(Category.id == category_id)).one()
    update_category(
        actor=system(), now=utc_now(), category_id=category_id, expected_version=version, parent_id=parent_id
    )


def memberships(app: Flask) -> list[tuple[int, int, bool]]:
    """Every row as (product, category, whether it was put there itself)."""
    with app.app_context():
        rows = db.session.scalars(select(ProductCategory))
        return sorted((row.product_id, row.category_id, row.is_direct) for row in rows)


def test_a_product_is_found_in_its_categories_and_in_all_above_them(context: Flask) -> None:
    top, middle, low = add_chain("a", "b", "c")
    other = add_category("d")
    product = add_product(1, low, top, other)
    expected = [(top, True), (middle, False), (low, True), (other, True)]
    assert memberships(context) == [(product, *row) for row in expected]
    assert wrongs() == []


def test_a_product_gets_categories_when_it_is_made_replaced_and_patched(app: Flask, send: Send) -> None:
    with app.app_context():
        top, low = add_chain("top", "low")
        other = add_category("other")
    made = send("POST", URL, LAMP | {"categories": [other, low]}).get_json()
    assert made["categories"] == [low, other]
    own = f"{URL}/{made['id']}"
    assert memberships(app) == [(made["id"], top, False), (made["id"], low, True), (made["id"], other, True)]
    assert changes(app) == []
    assert send("PATCH", own, {"name": "Lamp"}, version=1).get_json()["categories"] == [low, other]
    assert send("PATCH", own, {"categories": [top]}, version=2).get_json()["categories"] == [top]
    assert memberships(app) == [(made["id"], top, True)]
    assert changes(app)[-1] == ("categories", f"[{low},{other}]", f"[{top}]")
    assert send("PUT", own, LAMP | {"categories": [low]}, version=3).get_json()["categories"] == [low]
    assert send("PUT", own, LAMP, version=4).get_json()["categories"] == []
    assert (memberships(app), changes(app)[-1]) == ([], ("categories", f"[{low}]", "[]"))


@pytest.mark.parametrize(
    ("categories", "pointers"),
    [
        ([1, 998, 2, 999], ["/categories/1", "/categories/3"]),
        ([2**63], ["/categories/0"]),
        ([0], ["/categories/0"]),
        (["1"], ["/categories/0"]),
        ([1.0, 1], ["/categories/0"]),
        ([1, 1], ["/categories"]),
        (list(range(1, 52)), ["/categories"]),
        (7, ["/categories"]),
        ("1", ["/categories"]),
    ],
)
@on_sqlite
def test_categories_that_break_a_rule_are_refused_by_their_place(
    app: Flask, send: Send, categories: Any, pointers: list[str]
) -> None:
    with app.app_context():
        known = [add_category(f"c{number}") for number in range(2)]
        assert known == [1, 2]
    product = send("POST", URL, LAMP | {"categories": [1]}).get_json()
    before = (stored(app), memberships(app))
    for method, url, version in (
        ("POST", URL, None),
        ("PUT", f"{URL}/{product['id']}", 1),
        ("PATCH", f"{URL}/{product['id']}", 1),
    ):
        answer = send(method, url, LAMP | {"asin": "B0CW1A0009", "categories": categories}, version=version)
        assert answer.status_code == 422, answer.text
        assert [error["pointer"] for error in answer.get_json()["errors"]] == pointers
    assert (stored(app), memberships(app)) == before


def test_fifty_categories_are_not_too_many(app: Flask, send: Send) -> None:
    with app.app_context():
        top = add_category("top")
        ids = [add_category(f"c{number}", top) for number in range(50)]
    made = send("POST", URL, LAMP | {"categories": ids[::-1]})
    assert (made.status_code, made.get_json()["categories"]) == (201, ids)
    with app.app_context():
        assert (len(memberships(app)), wrongs()) == (51, [])


def test_a_product_that_comes_back_is_where_it_was_or_where_it_is_put_now(app: Flask, send: Send) -> None:
    with app.app_context():
        first, second = add_category("first"), add_category("second")
    id_ = send("POST", URL, LAMP | {"categories": [first]}).get_json()["id"]
    send("DELETE", f"{URL}/{id_}", version=1)
    assert send("POST", f"{URL}/{id_}/restore").get_json()["categories"] == [first]
    assert memberships(app) == [(id_, first, True)]
    send("DELETE", f"{URL}/{id_}", version=3)
    back = send("POST", URL, LAMP | {"categories": [second]}).get_json()
    assert (back["id"], back["categories"], memberships(app)) == (id_, [second], [(id_, second, True)])
    send("DELETE", f"{URL}/{id_}", version=back["version"])
    assert send("POST", URL, LAMP).get_json()["categories"] == []
    assert memberships(app) == []


def test_a_move_takes_products_along_and_leaves_those_that_have_another_reason(context: Flask) -> None:
    kitchen, kettles, electric = add_chain("kitchen", "kettles", "electric")
    pans = add_category("pans", kitchen)
    outlet, gifts = add_chain("outlet", "gifts")
    plain, panned, direct = add_product(1, electric), add_product(2, electric, pans), add_product(3, electric, kitchen)
    gifted = add_product(4, kettles, gifts)
    move(kettles, gifts)
    assert found_in(kitchen) == [panned, direct]
    assert found_in(kettles) == found_in(gifts) == found_in(outlet) == [plain, panned, direct, gifted]
    assert wrongs() == []
    move(kettles, None)
    assert (found_in(outlet), found_in(gifts), found_in(kettles)) == (
        [gifted],
        [gifted],
        [plain, panned, direct, gifted],
    )
    move(kettles, kitchen)
    assert (found_in(kitchen), wrongs()) == ([plain, panned, direct, gifted], [])


def test_a_move_changes_no_product(app: Flask, send: Send) -> None:
    with app.app_context():
        first, second = add_category("first"), add_category("second")
        low = add_category("low", first)
        product = add_product(1, low)
    before = stored(app)
    send("PATCH", f"/api/v1/categories/{low}", {"parent_id": second}, version=1)
    assert stored(app) == before
    assert memberships(app) == [(product, second, False), (product, low, True)]


@pytest.mark.parametrize("span", [5, memberships_service.SPAN])
def test_after_any_moves_and_puts_every_product_is_just_where_it_should_be(
    context: Flask, monkeypatch: pytest.MonkeyPatch, span: int
) -> None:
    monkeypatch.setattr(memberships_service, "SPAN", span)
    chosen = random.Random(20261121)
    categories: list[int] = []
    for number in range(14):
        categories.append(add_category(f"c{number}", chosen.choice([None, *categories])))
    products = [add_product(number, *chosen.sample(categories, 2)) for number in range(12)]
    moved = 0
    for _ in range(60):
        if chosen.random() < 0.5:
            some = chosen.sample(products, 4)
            put({product: chosen.sample(categories, chosen.randrange(4)) for product in some})
            continue
        try:
            move(chosen.choice(categories), chosen.choice([None, *categories]))
            moved += 1
        except (CategoryCycle, CategoryTooDeep):
            continue
    assert moved > 10
    assert wrongs() == []
    assert _by_hand() == memberships(context)


def _by_hand() -> list[tuple[int, int, bool]]:
    """What the rows should be, worked out without the code that writes them."""
    above = {row.id: row.parent_id for row in db.session.execute(select(Category.id, Category.parent_id))}
    rows = set()
    for id_, direct in db.session.execute(select(Product.id, Product.categories)):
        for category in direct:
            at: int | None = category
            while at is not None:
                rows.add((id_, at, at in direct))
                at = above[at]
    return sorted(rows)


def test_putting_many_products_takes_as_many_statements_as_putting_one(context: Flask) -> None:
    low = add_chain("a", "b", "c")[-1]
    products = [add_product(number) for number in range(40)]
    counts = []
    for some in (products[:1], products):
        with statements() as seen:
            put({product: [low] for product in some})
        counts.append(sum("category" in one and not one.startswith("UPDATE product") for one in seen))
    assert counts[0] == counts[1] == 4
    assert found_in(low) == products


def test_a_product_without_categories_asks_nothing_of_the_tree(context: Flask) -> None:
    add_category("a")
    with statements() as seen:
        add_product(1)
    assert not [one for one in seen if "category" in one]
