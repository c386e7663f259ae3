"""``flask category audit``: damage of every kind is found, named and repaired."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import delete, insert, select, update

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.transactions import in_transaction
from app.products.models.categories import Category, ProductCategory
from app.products.models.products import Product
from tests.products.categories import add_chain, add_product, found_in, wrongs
from tests.products.conftest import changes, stored

DAMAGES: dict[str, tuple[Callable[[], object], str]] = {
    "a row above is missing": (
        lambda: db.session.execute(delete(ProductCategory).where(ProductCategory.category_id == _id("top"))),
        "product {product} is not found in {top}",
    ),
    "a row too many": (
        lambda: db.session.execute(
            insert(ProductCategory).values(category_id=_id("other"), product_id=_product(), is_direct=False)
        ),
        "product {product} is found, in the wrong way, in {other}",
    ),
    "a direct row that is not marked so": (
        lambda: db.session.execute(
            update(ProductCategory).where(ProductCategory.category_id == _id("low")).values(is_direct=False)
        ),
        "product {product} is not found in {low}; is found, in the wrong way, in {low}",
    ),
    "a parent changed by hand": (
        lambda: db.session.execute(update(Category).where(Category.name == "low").values(parent_id=_id("other"))),
        "product {product} is not found in {other}; is found, in the wrong way, in {top}",
    ),
    "a list with what does not exist": (
        lambda: db.session.execute(update(Product).values(categories=[_id("low"), 998, 999])),
        "product {product} names categories that do not exist 998, 999",
    ),
    "a list out of order": (
        lambda: db.session.execute(update(Product).values(categories=[_id("low"), _id("low")])),
        "product {product} has its categories out of order",
    ),
}


def _id(name: str) -> int:
    return db.session.scalars(select(Category.id).where(Category.name == name)).one()


def _product() -> int:
    return db.session.scalars(select(Product.id).limit(1)).one()


def _catalogue(app: Flask) -> dict[str, int]:
    with app.app_context():
        top, low = add_chain("top", "low")
        return {"top": top, "low": low, "other": add_chain("other")[0], "product": add_product(1, low)}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_repaired(app: Flask, damage: str) -> None:
    ids = _catalogue(app)
    harm, sentence = DAMAGES[damage]
    with app.app_context():
        in_transaction(harm)()
        before = db.session.scalars(select(ProductCategory.category_id)).all()
    run = app.test_cli_runner().invoke
    found = run(args=["category", "audit"])
    assert (found.exit_code, found.output) == (1, f"{sentence.format(**ids)}\n1 products, 1 wrong\n")
    with app.app_context():
        assert db.session.scalars(select(ProductCategory.category_id)).all() == before
    repaired = run(args=["category", "audit", "--repair"])
    assert (repaired.exit_code, repaired.output.splitlines()[-1]) == (0, "1 products, 1 wrong, all repaired")
    assert run(args=["category", "audit"]).output == "1 products, 0 wrong\n"
    with app.app_context():
        assert found_in(ids["low"]) == [ids["product"]]
        assert db.session.scalars(select(Product.categories)).all() == [[ids["low"]]]
        assert db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id.desc())).first() == "category.repair"


def test_what_is_struck_from_a_product_stands_in_its_history(app: Flask) -> None:
    ids = _catalogue(app)
    with app.app_context():
        in_transaction(DAMAGES["a list with what does not exist"][0])()
        assert [finding.unknown for finding in wrongs(repair=True)] == [[998, 999]]
    assert changes(app) == [("categories", f"[{ids['low']},998,999]", f"[{ids['low']}]")]
    assert stored(app)["products"][0]["version"] == 2


def test_nothing_wrong_is_nothing_changed(app: Flask) -> None:
    _catalogue(app)
    before = stored(app)
    answer = app.test_cli_runner().invoke(args=["category", "audit", "--repair"])
    assert (answer.exit_code, answer.output) == (0, "1 products, 0 wrong\n")
    assert stored(app) == before


def test_a_loop_made_by_hand_is_named_and_ends_the_audit(app: Flask) -> None:
    ids = _catalogue(app)
    with app.app_context():
        in_transaction(
            lambda: db.session.execute(update(Category).where(Category.id == ids["top"]).values(parent_id=ids["low"]))
        )()
    answer = app.test_cli_runner().invoke(args=["category", "audit", "--repair"])
    assert answer.exit_code == 1
    assert f"{ids['top']}, {ids['low']}" in answer.output
